//! A gateway that is asked to stop: it says goodbye, and a second signal is an order.

use perennial_doubles::Answer;

use crate::support::{
    firehose::Firehose,
    gateway::Gateway,
    version::Version::{self, V5},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

#[test]
fn clients_are_told_that_the_server_shuts_down_and_their_acknowledgements_come_first() {
    let mut gateway = Gateway::start(
        r#"
        [[connector]]
        name = "archive"
        contract = "plain"
        upstream = "file"
        parameters = { destination = "archive" }
        upstream_parameters = { path = "archive" }
        [[rule]]
        filter = "kept/#"
        connector = "archive"
        "#,
    );
    let mut clients: Vec<_> = Version::ALL
        .map(|version| {
            (
                version,
                Wire::connect(gateway.address(), version, &version.to_string()),
            )
        })
        .into();
    for (version, client) in &mut clients {
        client.send(&wire::publish(
            *version,
            1,
            9,
            b"kept/1",
            b"before the stop",
        ));
        assert_eq!(wire::acknowledged(&client.expect("PUBACK")), 9);
    }
    assert!(gateway.terminate().success());
    for (version, client) in &mut clients {
        if *version == V5 {
            let farewell = client.expect("DISCONNECT");
            assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x8B));
        }
        assert_eq!(client.receive(), None, "MQTT {version}");
    }
}

#[test]
fn a_second_signal_ends_a_stop_that_waits_for_the_upstream_and_nothing_is_lost() {
    let firehose = Firehose::start();
    firehose.respond_with(|_| Answer::Hang);
    let upstream = firehose.upstream_parameters_and("timeout = \"60s\",");
    let mut gateway = Gateway::start(&format!(
        r#"
        [[connector]]
        name = "plain"
        contract = "plain"
        upstream = "firehose"
        upstream_parameters = {upstream}
        parameters = {{ destination = "plain", publish_interval = 0 }}
        [[rule]]
        filter = "plain/#"
        connector = "plain"
        "#
    ));
    let mut client = Wire::connect(gateway.address(), V5, "client");
    client.send(&wire::publish(V5, 1, 1, b"plain/1", b"kept"));
    assert_eq!(client.expect("PUBACK").first, 0x40);
    firehose.wait_for_requests(1, PATIENCE);

    gateway.signal();
    wait_for(PATIENCE, "the stop begins", || {
        gateway.stderr().contains("stopping")
    });
    gateway.signal();
    assert_eq!(gateway.wait_for_end().code(), Some(1));

    firehose.respond_with(|_| Answer::Accept);
    gateway.restart();
    wait_for(PATIENCE, "the record is delivered", || {
        firehose.records("plain") == ["kept"]
    });
}
