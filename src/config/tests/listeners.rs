//! What is wrong with listeners.

use super::*;

#[test]
fn an_address_that_others_reach_is_refused_unless_the_listener_says_that_it_is_insecure() {
    let why = "can be reached from other machines, and nothing authenticates who connects; \
               use a loopback address such as \"127.0.0.1:1883\", or say `insecure = true` \
               where everyone on the network may publish and subscribe";
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
        assert_eq!(config.listeners, [tcp(address)]);
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
