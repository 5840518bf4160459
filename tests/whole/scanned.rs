//! What sslyze says about the listeners with TLS.

use crate::support::{python::Script, site::Site};

#[test]
fn a_scanner_finds_nothing_worse_than_good_on_the_listeners_with_tls() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.start();
    let addresses = site.addresses();
    let ports = [addresses.mqtt, addresses.https, addresses.shared];
    let ports = ports.map(|address| address.port().to_string());
    let files = [&device.ca, &device.certificate, &device.key];
    let files = files.map(|path| path.display().to_string());
    let arguments: Vec<_> = files.iter().chain(&ports).map(String::as_str).collect();
    let said = Script::start("scan.py", &arguments).finish();
    assert_eq!(said.matches("is good").count(), ports.len(), "{said}");
}
