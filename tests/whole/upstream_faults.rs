//! Firehose fails in every way: each accepted record ends delivered or dead, and its device
//! hears which.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use perennial_doubles::Answer;
use serde_json::{Value, json};

use crate::support::{
    dead_letters::{self, Letter},
    firehose::Firehose,
    gateway::Gateway,
    mosquitto::Subscriber,
    version::Version::{V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

const STATUS: &str = "kinesisfirehose/message/status";
const STREAM: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/";

fn gateway_before(firehose: &Firehose) -> Gateway {
    Gateway::start(&format!(
        r#"
        [[connector]]
        name = "firehose"
        contract = "firehose"
        upstream = "firehose"
        retry = {{ initial = "10ms", max = "50ms" }}
        upstream_parameters = {}
        [connector.parameters]
        default_delivery_stream_arn = "{STREAM}good"
        publish_interval = "20ms"
        "#,
        firehose.upstream_parameters_and("timeout = \"3s\",")
    ))
}

/// Publishes a request per id, to `stream`, each with its id as its data; all are
/// acknowledged when it returns.
#[track_caller]
fn publish(address: SocketAddr, stream: &str, ids: &[String]) {
    let mut device = Wire::connect(address, V311, "device");
    for (id, packet_id) in ids.iter().zip(1..) {
        let request = json!({
            "id": id,
            "request": {"data": id, "delivery_stream_arn": format!("{STREAM}{stream}")},
        });
        let request = request.to_string();
        let topic = b"kinesisfirehose/message";
        device.send(&wire::publish(
            V311,
            1,
            packet_id,
            topic,
            request.as_bytes(),
        ));
        let ack = device.expect("PUBACK");
        assert_eq!((ack.first, wire::acknowledged(&ack)), (0x40, packet_id));
    }
}

fn ids(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}

/// How often `stream` has taken each record, by its id.
fn taken(firehose: &Firehose, stream: &str) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for record in firehose.records(stream) {
        *taken
            .entry(String::from_utf8_lossy(&record).into_owned())
            .or_default() += 1;
    }
    taken
}

/// Checks that each of `ids` has one status in `statuses`, and that it is a success.
#[track_caller]
fn assert_each_succeeds_once(statuses: &[Value], ids: &[String]) {
    for id in ids {
        let of_id: Vec<_> = statuses
            .iter()
            .filter(|status| status["id"] == **id)
            .collect();
        assert_eq!(of_id.len(), 1, "statuses of {id}: {of_id:?}");
        assert_eq!(of_id[0]["status"], "success", "{id}");
        assert_ne!(of_id[0]["firehose_record_id"], "", "{id}");
    }
}

#[test]
fn every_passing_fault_is_retried_until_each_record_is_delivered_and_reported_once() {
    let body = |status, body: &str| Answer::Body {
        status,
        body: body.to_owned(),
    };
    // Each leaves at least one record undelivered, so that the next request meets the next.
    let faults = vec![
        Answer::throttling(),
        Answer::service_unavailable(),
        Answer::internal_failure(),
        Answer::slow_down([0]),
        Answer::ResetBefore,
        Answer::error(503, "ServiceUnavailableException", ""),
        Answer::slow_down([0, 2, 3]),
        body(200, "not JSON"),
        body(200, "{}"),
        body(200, r#"{"FailedPutCount": 0, "RequestResponses": []}"#),
        body(200, r#"{"FailedPutCount": 0, "RequestResponses": [{}]}"#),
        body(500, "<html>a proxy's page</html>"),
        Answer::ResetAfter,
        Answer::access_denied(),
        Answer::expired_token(),
        Answer::Hang,
        Answer::error(400, "LimitExceededException", "more than before"),
        Answer::error(400, "SomethingNewException", "nobody knows it"),
        Answer::throttling().after(Duration::from_millis(200)),
    ];
    let count = faults.len();
    let firehose = Firehose::start();
    firehose.script(faults);
    let gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(gateway.address(), V5, STATUS);

    let ids = ids("good", 100);
    publish(gateway.address(), "good", &ids);

    let statuses = subscriber.wait_for_statuses(ids.len());
    assert_each_succeeds_once(&statuses, &ids);
    assert!(firehose.requests().len() > count, "every fault was met");
    let taken = taken(&firehose, "good");
    assert_eq!(taken.len(), ids.len());
    // Only a request whose answer got lost is repeated, and there was one.
    let repeated: Vec<_> = taken.iter().filter(|(_, times)| **times > 2).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    assert_eq!(subscriber.statuses().len(), ids.len());
}

#[test]
fn exactly_the_records_for_a_missing_stream_are_dead_and_their_devices_hear_the_service_say_why() {
    let firehose = Firehose::start();
    firehose.respond_with(|request| match request.stream.as_str() {
        "missing" => Answer::resource_not_found("missing"),
        _ => Answer::Accept,
    });
    let mut gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(gateway.address(), V311, STATUS);

    let (good, bad) = (ids("good", 20), ids("bad", 7));
    publish(gateway.address(), "good", &good[..10]);
    publish(gateway.address(), "missing", &bad);
    publish(gateway.address(), "good", &good[10..]);

    let statuses = subscriber.wait_for_statuses(good.len() + bad.len());
    assert_eq!(statuses.len(), good.len() + bad.len());
    assert_each_succeeds_once(&statuses, &good);
    let message = "Firehose missing not found under account 123456789012.";
    for id in &bad {
        let of_id: Vec<_> = statuses
            .iter()
            .filter(|status| status["id"] == **id)
            .collect();
        let wanted = json!({
            "ErrorCode": "ResourceNotFoundException",
            "ErrorMessage": message,
            "id": id,
            "status": "fail",
        });
        assert_eq!(of_id, [&wanted]);
    }

    assert!(gateway.terminate().success());
    let mut letters = dead_letters::read_all(&gateway.data_dir(), "firehose");
    // Several requests are under way at once, and the one that is answered first dies first.
    letters.sort_by(|one, other| one.id.cmp(&other.id));
    let wanted: Vec<_> = bad
        .iter()
        .map(|id| Letter {
            id: id.clone(),
            payload: id.clone(),
            destination: format!("{STREAM}missing"),
            code: "ResourceNotFoundException".to_owned(),
            message: message.to_owned(),
        })
        .collect();
    assert_eq!(letters, wanted);
    assert_eq!(
        dead_letters::queued(&gateway.data_dir()),
        0,
        "nothing is left to be sent"
    );
    assert!(taken(&firehose, "good").values().all(|times| *times == 1));

    // The dead stay dead.
    let requests = firehose.requests().len();
    gateway.restart();
    publish(gateway.address(), "good", &ids("later", 1));
    wait_for(PATIENCE, "a later record", || {
        taken(&firehose, "good").contains_key("later-0")
    });
    assert_eq!(firehose.requests().len(), requests + 1);
}

#[test]
fn without_permission_records_are_kept_and_tried_until_it_is_there() {
    let firehose = Firehose::start();
    let permitted = Arc::new(AtomicBool::new(false));
    let permission = Arc::clone(&permitted);
    firehose.respond_with(move |_| match permission.load(Ordering::Relaxed) {
        true => Answer::Accept,
        false => Answer::access_denied(),
    });
    let gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(gateway.address(), V311, STATUS);

    let ids = ids("kept", 30);
    publish(gateway.address(), "good", &ids);
    firehose.wait_for_requests(10, PATIENCE);
    assert_eq!(subscriber.statuses(), [Value::Null; 0]);
    assert_eq!(firehose.records("good").len(), 0);
    wait_for(PATIENCE, "the log tells the operator", || {
        gateway.stderr().contains("AccessDeniedException")
    });

    permitted.store(true, Ordering::Relaxed);
    assert_each_succeeds_once(&subscriber.wait_for_statuses(ids.len()), &ids);
    assert!(taken(&firehose, "good").values().all(|times| *times == 1));
}

#[test]
fn what_is_published_while_firehose_is_away_is_delivered_when_it_is_back() {
    let mut firehose = Firehose::start();
    let gateway = gateway_before(&firehose);
    let subscriber = Subscriber::start(gateway.address(), V311, STATUS);
    let ids = ids("away", 60);
    for (round, ids) in ids.chunks(20).enumerate() {
        firehose.stop();
        publish(gateway.address(), "good", ids);
        assert_eq!(
            subscriber.statuses().len(),
            round * 20,
            "nothing is reported meanwhile"
        );
        firehose.restart();
        subscriber.wait_for_statuses((round + 1) * 20);
    }
    assert_each_succeeds_once(&subscriber.statuses(), &ids);
    assert!(taken(&firehose, "good").values().all(|times| *times == 1));
}

#[test]
fn a_graceful_stop_during_an_outage_keeps_everything_for_the_next_start() {
    let mut firehose = Firehose::start();
    let mut gateway = gateway_before(&firehose);
    firehose.respond_with(|_| Answer::Hang);
    let ids = ids("stopped", 50);
    publish(gateway.address(), "good", &ids[..25]);
    // Requests are in flight, and the next find nobody.
    firehose.wait_for_requests(1, PATIENCE);
    firehose.stop();
    firehose.respond_with(|_| Answer::Accept);
    publish(gateway.address(), "good", &ids[25..]);
    assert!(gateway.terminate().success());

    gateway.restart();
    let subscriber = Subscriber::start(gateway.address(), V311, STATUS);
    assert_eq!(firehose.records("good").len(), 0);
    firehose.restart();
    assert_each_succeeds_once(&subscriber.wait_for_statuses(ids.len()), &ids);
    assert!(taken(&firehose, "good").values().all(|times| *times == 1));
    assert!(gateway.terminate().success());
    assert_eq!(dead_letters::queued(&gateway.data_dir()), 0);
}
