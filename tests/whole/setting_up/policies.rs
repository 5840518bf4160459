//! What `perennial policy test` says of what the gateway does.

use super::*;

#[test]
fn policies_are_not_said_to_allow_what_the_gateway_refuses() {
    let site = Site::new();
    site.policy("all", &[("*", &["*"])]);
    site.policy("mute", &[("iot:Publish", &["*"])]);
    let kept = ["iot:Connect", "iot:RetainPublish"];
    site.policy("kept", &kept.map(|action| (action, &["*"][..])));
    for name in ["all", "mute", "kept"] {
        site.thing(name, &[name]);
    }
    let test = |thing: &str, action: &str, resource: &str| {
        site.command(&[
            "policy",
            "test",
            "--thing",
            thing,
            "--action",
            action,
            "--resource",
            resource,
        ])
    };
    for (thing, action, resource, told) in [
        ("all", "Connect", "other", "is not the name of the thing"),
        ("all", "Discover", "other", "nobody but other learns"),
        ("mute", "Publish", "a", "it may not connect as mute: "),
        ("kept", "RetainPublish", "a", "it may not publish there at"),
    ] {
        let finished = test(thing, action, resource);
        assert_eq!(finished.code, Some(1), "{action}: {finished:?}");
        assert!(finished.stdout.starts_with("not allowed: "), "{finished:?}");
        assert!(finished.stdout.contains(told), "{finished:?}");
    }
    for (action, resource) in [
        ("Publish", "a/+"),
        ("Receive", "#"),
        ("Publish", ""),
        ("Subscribe", "a/#/b"),
        ("Discover", "a/b"),
    ] {
        let finished = test("all", action, resource);
        assert_eq!(finished.code, Some(2), "{action} {resource}: {finished:?}");
        assert_eq!(finished.stdout, "");
    }
}

#[test]
fn a_client_id_is_tested_as_the_one_that_connects() {
    let site = Site::new();
    site.change_config(|config| config.replace("[access]\n", "[access]\nclient_id = \"any\"\n"));
    site.policy("own", &[("iot:Connect", &["client/${iot:ClientId}"])]);
    site.thing("lamp", &["own"]);
    let begin = ["policy", "test", "--thing", "lamp", "--action", "Connect"];
    let test = |more: &[&str]| site.command(&[&begin[..], more].concat());
    let finished = test(&["--resource", "other"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let finished = test(&["--resource", "other", "--client-id", "lamp"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
}

#[test]
fn policies_of_certificates_that_are_left_out_are_told() {
    let site = Site::new();
    site.thing("lamp", &[]);
    let thing = |ids: &[u8]| {
        let certificates = ids.iter().map(|id| {
            let id = format!("{id:064}");
            format!("[[certificate]]\nid = \"{id}\"\npolicies = [\"default\"]\n")
        });
        site.write("things/lamp.toml", &certificates.collect::<String>());
        let resource = ["--action", "Publish", "--resource", "lamp/a"];
        site.command(&[&["policy", "test", "--thing", "lamp"], &resource[..]].concat())
    };
    let finished = thing(&[1]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let finished = thing(&[1, 2]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("`--certificate`"), "{finished:?}");
}
