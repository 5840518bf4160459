//! What is wrong with listeners.

use super::*;

#[test]
fn an_address_that_others_reach_is_refused_unless_the_listener_says_that_it_is_insecure() {
    let why = "can be reached from other machines, and nothing authenticates who connects; \
               use a loopback address such as \"127.0.0.1:1883\", add a [listener.tls] table, \
               or say `insecure = true` where everyone on the network may publish and subscribe";
    for address in [
        "0.0.0.0:1883",
        "[::]:1883",
        "192.0.2.1:1883",
        "[::ffff:192.0.2.1]:1",
    ] {
        let text = format!("[[listener]]\naddress = \"{address}\"");
        let told = problems(&text);
        assert_eq!(told, format!("p.toml:2:11: `address`: {address} {why}"));
        let config = read(&format!("{text}\ninsecure = true"));
        let address: SocketAddr = address.parse().unwrap();
        assert_eq!(config.listeners[0].listener, tcp(address));
        assert!(config.listeners[0].is_insecure);
    }
    for address in ["127.9.9.9:1", "[::1]:1883", "[::ffff:127.0.0.1]:1"] {
        read(&format!("[[listener]]\naddress = \"{address}\""));
    }
}

#[test]
fn an_address_needs_an_ip_and_a_port_of_its_own() {
    let listener = |address| format!("[[listener]]\naddress = \"{address}\"\n");
    assert_eq!(
        problems(&listener("localhost")),
        "p.toml:2:11: `address` takes an IP address and a port, such as \"127.0.0.1:1883\", \
         found the text \"localhost\""
    );
    let (first, any) = (listener("127.0.0.1:1"), listener("127.0.0.1:0"));
    assert_eq!(
        problems(&format!("{first}{any}{any}{first}")),
        "p.toml:8:11: `address`: 127.0.0.1:1 has a listener above; one is enough"
    );
    assert_eq!(
        problems("[[listener]]\n"),
        "p.toml:1:1: `address` is missing in `listener`; right would be: address = \"127.0.0.1:1883\""
    );
}

#[test]
fn a_listener_has_one_place_and_what_belongs_to_it() {
    for (listener, told) in [
        (
            "address = \"127.0.0.1:1\"\npath = \"/run/a\"",
            "3:8: `path`: there is an `address` too; each needs its own [[listener]]",
        ),
        (
            "path = \"/run/a\"\ninsecure = true",
            "3:12: `insecure`: it means something with `address` only; who may connect to a path \
             is said by its `mode`",
        ),
        (
            "address = \"127.0.0.1:1\"\nmode = 0o600",
            "3:8: `mode`: it means something with `path` only",
        ),
        (
            "path = \"/run/a\"\nmode = 0o1777",
            "3:8: `mode` takes permissions up to 0o777, such as 0o660, found 0o1777",
        ),
        (
            "path = \"/run/a\"\nmode = 660",
            "3:8: `mode` takes permissions up to 0o777, such as 0o660, found 660",
        ),
        (
            "path = \"\"",
            "2:8: `path` takes a path, found the text \"\"",
        ),
    ] {
        let text = format!("[[listener]]\n{listener}");
        assert_eq!(problems(&text), format!("p.toml:{told}"));
    }
    let socket = "[[listener]]\npath = \"/run/a\"\n";
    assert_eq!(
        problems(&format!("{socket}{socket}")),
        "p.toml:4:8: `path`: /run/a has a listener above; one is enough"
    );
}

/// A configuration with identities and one listener on all addresses.
fn with_access(listener: &str) -> String {
    format!("[access]\ndirectory = \"/a\"\n[[listener]]\naddress = \"0.0.0.0:8883\"\n{listener}")
}

#[test]
fn a_listener_with_tls_may_be_on_the_network_and_asks_for_certificates() {
    use perennial_certs::{ClientCertificate, TlsSettings, TlsVersion};

    let tls = |text: &str| read(&with_access(text)).listeners[0].tls;
    assert_eq!(tls("[listener.tls]"), Some(TlsSettings::default()));
    assert_eq!(
        TlsSettings::default().client_certificate,
        ClientCertificate::Required
    );
    assert_eq!(TlsSettings::default().min_version, TlsVersion::V1_2);
    for (text, client_certificate, min_version) in [
        (
            "client_certificate = \"required\"",
            ClientCertificate::Required,
            TlsVersion::V1_2,
        ),
        (
            "client_certificate = \"optional\"",
            ClientCertificate::Optional,
            TlsVersion::V1_2,
        ),
        (
            "client_certificate = \"none\"\nmin_version = \"1.3\"",
            ClientCertificate::None,
            TlsVersion::V1_3,
        ),
    ] {
        let expected = TlsSettings {
            client_certificate,
            min_version,
        };
        assert_eq!(tls(&format!("[listener.tls]\n{text}")), Some(expected));
    }
}

#[test]
fn who_shows_nothing_comes_in_by_a_plain_listener_or_where_tls_is_insecure_in_so_many_words() {
    let listener = |text: &str| read(&with_access(text)).listeners.remove(0);
    let optional = "tls = { client_certificate = \"optional\" }";
    assert!(!listener(optional).takes_anonymous());
    let insecure = format!("{optional}\ninsecure = true\npolicies = [\"guest\"]");
    assert!(listener(&insecure).takes_anonymous());
    assert_eq!(listener(&insecure).policies, Some(vec!["guest".to_owned()]));
    let plain = listener("insecure = true\npolicies = []");
    assert!(plain.takes_anonymous());
    assert_eq!(plain.policies, Some(Vec::new()));
}

#[test]
fn what_contradicts_tls_is_refused() {
    let none_comes_in =
        "`policies`: they are for clients that show nothing, and none comes in here";
    for (listener, told) in [
        (
            "insecure = true\ntls = {}",
            "5:12: `insecure`: it lets clients in that show nothing, and means nothing where all \
             show a certificate",
        ),
        ("policies = []\ntls = {}", &format!("5:12: {none_comes_in}")),
        (
            "policies = []\ntls = { client_certificate = \"none\" }",
            &format!("5:12: {none_comes_in}"),
        ),
        (
            "tls = { client_certificate = \"yes\" }",
            "5:30: `client_certificate` takes one of \"required\", \"optional\", \"none\", found \
             the text \"yes\"",
        ),
        (
            "tls = { min_version = 1.2 }",
            "5:23: `min_version` takes one of \"1.2\", \"1.3\", found 1.2",
        ),
        (
            "tls = true",
            "5:7: `tls` takes a table, written under [listener.tls], found true",
        ),
        ("tls = { cert = \"x\" }", "5:9: unknown key `cert`"),
    ] {
        let told_of = problems(&with_access(listener));
        assert!(told_of.starts_with(&format!("p.toml:{told}")), "{told_of}");
        assert_eq!(told_of.lines().count(), 1, "{told_of}");
    }
    let socket = "[access]\ndirectory = \"/a\"\n[[listener]]\npath = \"/run/a\"\ntls = {}";
    assert_eq!(
        problems(socket),
        "p.toml:5:7: `tls`: it means something with `address` only; nothing on the way to a path \
         can listen"
    );
}

#[test]
fn tls_and_policies_need_identities() {
    let listener = "[[listener]]\naddress = \"127.0.0.1:1\"\n";
    assert_eq!(
        problems(&format!("{listener}policies = []\ntls = {{}}")),
        "p.toml:3:12: `policies`: it needs [access], where policies are\n\
         p.toml:4:7: `tls`: it needs [access], where certificates come from; `perennial init` \
         makes a folder with all that is needed"
    );
}

#[test]
fn a_path_that_is_too_long_for_a_unix_socket_is_refused() {
    let path = format!("/{}", "p".repeat(107));
    let told = problems(&format!("[[listener]]\npath = \"{path}\""));
    let begin = format!("p.toml:2:8: `path`: {path} cannot be a Unix socket: ");
    assert!(told.starts_with(&begin), "{told}");
    read(&format!("[[listener]]\npath = \"{}\"", &path[..107]));
}

#[test]
fn origins_are_written_as_browsers_send_them_and_only_where_there_are_any() {
    let listener = |rest: &str| format!("[[listener]]\naddress = \"127.0.0.1:1\"\n{rest}");
    for wrong in ["dashboard.example", "https://", "https://a.example/page"] {
        assert_eq!(
            problems(&listener(&format!("origins = [\"{wrong}\"]"))),
            format!(
                "p.toml:3:11: `origins`: an origin is a scheme, a host and a port if it is not \
                 the scheme's, such as \"https://dashboard.example\", or \"*\" for all; \
                 found {wrong:?}"
            )
        );
    }
    assert_eq!(
        problems(&listener("protocol = \"mqtt\"\norigins = [\"*\"]")),
        "p.toml:4:11: `origins`: only web pages have an origin, and none speaks \
         `protocol = \"mqtt\"`"
    );
}
