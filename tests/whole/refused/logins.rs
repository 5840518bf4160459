//! Clients that get through the handshake and are still not those whom they say to be.

use std::fs;

use super::{
    ACCEPTED, BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED, assert_served, connack, connack_as,
};
use crate::support::{
    authority::Authority,
    site::Site,
    tls::TlsClient,
    wait::{PATIENCE, wait_for},
    wire,
};

/// A clean session, a user name, and a password behind it.
const USER_NAME: u8 = 0x82;
const PASSWORD: u8 = 0xC2;

#[test]
fn a_thing_that_is_disabled_or_whose_certificate_is_inactive_is_not_admitted() {
    let mut site = Site::new();
    let [good, disabled, inactive, unknown] =
        ["good", "disabled", "inactive", "unknown"].map(|name| site.thing(name, &["default"]));
    site.succeed(&["things", "disable", "disabled"]);
    site.change_thing("inactive", |text| {
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("id", _)) => format!("{line}\nstatus = \"inactive\"\n"),
            Some(("status", _)) => String::new(),
            _ => format!("{line}\n"),
        });
        lines.collect()
    });
    fs::remove_file(site.folder().join("access/things/unknown.toml")).unwrap();
    site.start();
    for device in [disabled, inactive, unknown] {
        let found = connack_as(&TlsClient::of(&device), site.addresses().mqtt, &device.name);
        assert_eq!(found, NOT_AUTHORIZED, "{}", device.name);
        let told = format!("client=\"{}\"", device.name);
        wait_for(PATIENCE, "the log names the client", || {
            site.log().contains(&told)
        });
    }
    assert_served(&site, &good);
}

#[test]
fn a_thing_has_its_name_as_the_client_identifier_and_no_other() {
    let mut site = Site::new();
    site.policy("everything", &[("iot:*", &["*"])]);
    let [device, victim] = ["sensor", "victim"].map(|name| site.thing(name, &["everything"]));
    site.start();
    let client = TlsClient::of(&device);
    for address in [site.addresses().mqtt, site.addresses().shared] {
        for client_id in ["victim", "nobody", "Sensor", "sensor ", ""] {
            let found = connack_as(&client, address, client_id);
            assert_eq!(found, NOT_AUTHORIZED, "{client_id:?}");
        }
    }
    assert_served(&site, &device);
    assert_served(&site, &victim);
}

#[test]
fn a_device_whose_policy_does_not_let_it_connect_is_not_admitted() {
    let mut site = Site::new();
    site.policy("elsewhere", &[("iot:Connect", &["client/other"])]);
    let device = site.thing("sensor", &["elsewhere"]);
    let good = site.thing("good", &["default"]);
    let none = site.thing("none", &["elsewhere"]);
    site.change_thing("none", |text| text.replace("\"elsewhere\"", ""));
    site.start();
    for device in [device, none] {
        let found = connack_as(&TlsClient::of(&device), site.addresses().mqtt, &device.name);
        assert_eq!(found, NOT_AUTHORIZED, "{}", device.name);
    }
    assert_served(&site, &good);
}

#[test]
fn a_trusted_authority_vouches_for_things_that_are_there_and_for_no_others() {
    let mut site = Site::new();
    let [device, victim] = ["sensor", "victim"].map(|name| site.thing(name, &["default"]));
    let authority = Authority::new("a trusted one");
    let path = authority.write(site.folder());
    site.succeed(&["certs", "trust", &path.display().to_string()]);
    site.start();
    for (common_name, client_id, expected) in [
        ("sensor", "sensor", ACCEPTED),
        ("sensor", "victim", NOT_AUTHORIZED),
        ("nobody", "nobody", NOT_AUTHORIZED),
        ("nobody", "sensor", NOT_AUTHORIZED),
        ("*", "sensor", NOT_AUTHORIZED),
    ] {
        let issued = authority.issue(common_name, site.folder());
        let client = TlsClient::of(&device).showing(&issued.certificate, &issued.key);
        let found = connack_as(&client, site.addresses().mqtt, client_id);
        assert_eq!(found, expected, "{common_name} as {client_id}");
    }
    assert_served(&site, &device);
    assert_served(&site, &victim);
}

#[test]
fn without_a_certificate_only_a_user_with_the_right_password_is_admitted() {
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.policy("operators", &[("iot:*", &["*"])]);
    site.user("operator", "the password", "operators");
    site.start();
    let client = TlsClient::anonymous(&device.ca);
    let login = |flags, fields: &[&[u8]]| {
        connack(&client, site.addresses().shared, |version| {
            wire::connect_as(version, "console", flags, fields)
        })
    };
    let with_password = |name: &[u8], password: &[u8]| login(PASSWORD, &[name, password]);

    assert_eq!(with_password(b"operator", b"the password"), ACCEPTED);
    let metrics = b"operator?SDK=Python&Version=1.6.2";
    assert_eq!(with_password(metrics, b"the password"), ACCEPTED);
    for (name, password) in [
        (&b"operator"[..], &b"another password"[..]),
        (b"operator", b"the passwor"),
        (b"operator", b""),
        (b"Operator", b"the password"),
        (b"nobody", b"the password"),
        (b"", b"the password"),
        (b"?SDK=Python&Version=1.6.2", b"the password"),
        (b"nobody?SDK=operator", b"the password"),
    ] {
        let found = with_password(name, password);
        assert_eq!(found, BAD_USER_NAME_OR_PASSWORD, "{name:?} {password:?}");
    }

    assert_eq!(login(0x02, &[]), NOT_AUTHORIZED);
    for name in [
        &b"?SDK=Python&Version=1.6.2"[..],
        b"operator",
        b"operator?SDK=Python&Version=1.6.2",
        b"sensor",
    ] {
        assert_eq!(login(USER_NAME, &[name]), NOT_AUTHORIZED, "{name:?}");
    }
    assert_served(&site, &device);
}

#[test]
fn a_check_of_a_password_leaves_none_of_its_memory_behind() {
    const MORE: u64 = 12 << 20;
    let mut site = Site::new();
    let device = site.thing("sensor", &["default"]);
    site.policy("operators", &[("iot:*", &["*"])]);
    site.user("operator", "the password", "operators");
    site.start();
    let client = TlsClient::anonymous(&device.ca);
    let login = |password: &[u8]| {
        connack(&client, site.addresses().shared, |version| {
            wire::connect_as(version, "console", PASSWORD, &[b"operator", password])
        })
    };
    let before = site.resident_bytes();
    for attempt in 0..5 {
        let wrong = format!("guess {attempt}");
        assert_eq!(login(wrong.as_bytes()), BAD_USER_NAME_OR_PASSWORD);
    }
    assert_eq!(login(b"the password"), ACCEPTED);
    // A check takes 19 MiB, and has given them back when it is answered.
    let after = site.resident_bytes();
    assert!(after < before + MORE, "{before} bytes, and then {after}");
}
