//! What is wrong with `[admin]`.

use super::*;
use crate::admin::AdminConfig;

#[test]
fn metrics_are_on_the_network_only_where_that_is_written() {
    assert_eq!(read("").admin, AdminConfig::default());
    assert_eq!(read("").admin.address, None);
    let address = read("[admin]\naddress = \"127.0.0.1:9464\"").admin.address;
    assert_eq!(address, Some("127.0.0.1:9464".parse().unwrap()));
}

#[test]
fn metrics_for_other_machines_have_to_be_asked_for_twice() {
    for address in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464"] {
        let text = format!("[admin]\naddress = \"{address}\"");
        let told = problems(&text);
        let begin = format!("p.toml:2:11: `address`: {address} can be reached from other machines");
        assert!(told.starts_with(&begin), "{told}");
        let config = read(&format!("{text}\ninsecure = true"));
        assert_eq!(config.admin.address, Some(address.parse().unwrap()));
    }
    read("[admin]\naddress = \"[::1]:9464\"");
}

#[test]
fn an_address_for_metrics_is_an_ip_and_a_port() {
    assert_eq!(
        problems("[admin]\naddress = \"localhost\""),
        "p.toml:2:11: `address` takes an IP address and a port, such as \"127.0.0.1:9464\", \
         found the text \"localhost\""
    );
    let told = problems("[admin]\naddres = \"127.0.0.1:1\"");
    assert!(told.contains("unknown key `addres`"), "{told}");
}
