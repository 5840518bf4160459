//! The plain contract.

use std::time::Duration;

use perennial_connectors::{Outcome, Publish, Rejection, Report};
use perennial_rules::TopicName;
use serde_json::json;

use crate::support::{build_contract, contract_problems};

#[test]
fn a_payload_goes_to_the_destination_as_it_came() {
    let contract = build_contract("plain", json!({"destination": "archive"}));
    let topic = TopicName::parse("sensors/1").unwrap();
    for payload in [b"".as_slice(), b"{\"id\": \"1\"}", b"\xff\x00"] {
        let accepted = contract
            .accept(&Publish {
                topic: &topic,
                payload,
            })
            .unwrap();
        assert_eq!(accepted.destination, "archive");
        assert_eq!(accepted.id, "");
        assert_eq!(&*accepted.payload, payload);
    }
    assert_eq!(contract.default_destination(), Some("archive"));
    assert_eq!(contract.filters(), []);
}

#[test]
fn nobody_hears_what_became_of_it() {
    let contract = build_contract("plain", json!({"destination": "archive"}));
    assert_eq!(contract.rejected(&Rejection::too_large("", 2, 1)), None);
    let outcome = Outcome::Delivered { receipt: None };
    let report = Report {
        id: "",
        outcome: &outcome,
    };
    assert_eq!(contract.settled(&[report]), []);
}

#[test]
fn its_queue_is_set_by_parameters() {
    let contract = build_contract("plain", json!({"destination": "archive"}));
    assert_eq!(contract.delivery().linger, Duration::from_secs(1));
    assert_eq!(contract.delivery().queue_records, 1_000_000);
    let contract = build_contract(
        "plain",
        json!({"destination": "archive", "publish_interval": 0, "queue_size": 7}),
    );
    assert_eq!(contract.delivery().linger, Duration::ZERO);
    assert_eq!(contract.delivery().queue_records, 7);
}

#[test]
fn a_destination_is_needed_and_is_a_name() {
    assert_eq!(
        contract_problems("plain", json!({"queue_size": 0})),
        [
            "queue_size: 0 is not a number in 1..=1000000000",
            "destination is needed: destination = \"archive\"",
        ]
    );
    for wrong in ["", "  ", "a\nb"] {
        let problems = contract_problems("plain", json!({"destination": wrong}));
        assert_eq!(
            problems,
            [format!(
                "destination: found {wrong:?}; a destination is a name such as \"archive\""
            )]
        );
    }
}
