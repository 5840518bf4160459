//! What is wrong with `[discovery]`.

use super::*;

fn with_access(text: &str) -> String {
    format!("[access]\ndirectory = \"/a\"\n[discovery]\n{text}")
}

fn discovery(text: &str) -> DiscoveryConfig {
    read(&with_access(text)).discovery.unwrap()
}

#[test]
fn the_table_alone_leaves_everything_to_be_found_out() {
    assert_eq!(discovery(""), DiscoveryConfig::default());
}

#[test]
fn every_value_about_discovery_arrives() {
    let discovery = discovery(
        r#"
group = "3f1c9e52-group"
core = "core-1"
addresses = ["gateway.local:8883", "192.168.1.5:443", "[fd00::1]:8883"]
[[discovery.other_core]]
name = "core-2"
addresses = ["192.168.1.6:8883"]
authorities = "/etc/core-2.pem"
"#,
    );
    let address = |(host, port): (&str, u16)| (host.to_owned(), port);
    let own = [
        ("gateway.local", 8883),
        ("192.168.1.5", 443),
        ("fd00::1", 8883),
    ];
    let other = CoreConfig {
        name: "core-2".to_owned(),
        addresses: vec![address(("192.168.1.6", 8883))],
        authorities: PathBuf::from("/etc/core-2.pem"),
    };
    let expected = DiscoveryConfig {
        group: Some("3f1c9e52-group".to_owned()),
        core: Some("core-1".to_owned()),
        addresses: own.map(address).into(),
        cores: vec![other],
    };
    assert_eq!(discovery, expected);
}

#[test]
fn an_address_has_a_host_and_a_port() {
    for wrong in [
        "gateway",
        "gateway:0",
        ":8883",
        "fd00::1:8883",
        "a:b:1",
        "[a]:1",
        "a:70000",
        "*.local:1",
    ] {
        assert_eq!(
            problems(&with_access(&format!("addresses = [\"{wrong}\"]"))),
            format!(
                "p.toml:4:13: `addresses`: an address is a host name or an IP address with a \
                 port, such as \"gateway.local:8883\" or \"[fd00::1]:8883\"; found {wrong:?}"
            )
        );
    }
    assert_eq!(
        problems(&with_access("addresses = []")),
        "p.toml:4:13: `addresses`: there are 1 to 20 of them, found 0"
    );
    assert_eq!(
        problems(&with_access("addresses = [\"a:1\", \"a:1\"]")),
        "p.toml:4:13: `addresses`: \"a:1\" is written twice"
    );
}

#[test]
fn names_are_those_of_things_and_groups() {
    assert_eq!(
        problems(&with_access("core = \"a/b\"\ngroup = \"\"")),
        "p.toml:4:8: `core` takes the name of a thing: 1 to 128 letters, digits, `:`, `_` and \
         `-`, found the text \"a/b\"\n\
         p.toml:5:9: `group`: a group has 1 to 128 letters, digits, `:`, `_` and `-`, found \"\""
    );
}

#[test]
fn another_core_is_whole_and_has_a_name_of_its_own() {
    let other = "[[discovery.other_core]]\nname = \"c\"\naddresses = [\"a:1\"]\n\
                 authorities = \"/c\"\n";
    let twice = problems(&with_access(&format!("{other}{other}")));
    assert_eq!(
        twice,
        "p.toml:9:8: `name`: there is a core \"c\" above; a name is unique"
    );
    let same = problems(&with_access(&format!("core = \"c\"\n{other}")));
    assert!(
        same.starts_with("p.toml:6:8: `name`: there is a core \"c\""),
        "{same}"
    );
    let told = problems(&with_access("[[discovery.other_core]]"));
    for key in ["name", "addresses", "authorities"] {
        let missing = format!("`{key}` is missing in `discovery.other_core`");
        assert!(told.contains(&missing), "{told}");
    }
    assert_eq!(
        problems(&with_access("other_core = true")),
        "p.toml:4:14: `other_core` takes tables, each written under [[discovery.other_core]], \
         found true"
    );
}
