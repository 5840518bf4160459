//! The plain contract.

use std::time::Duration;

use perennial_connectors::{
    AfterFailure, DeliverySettings, Outcome, Publish, Rejection, Report, WhenFull,
};
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
    assert_eq!(
        contract.delivery(),
        DeliverySettings::new(Duration::from_secs(1), 1_000_000)
    );
    let contract = build_contract(
        "plain",
        json!({
            "destination": "archive",
            "publish_interval": 0,
            "queue_size": 7,
            "queue_drop_behavior": "drop_oldest",
            "batch_size": 40,
            "memory_size": 2 << 20,
        }),
    );
    assert_eq!(
        contract.delivery(),
        DeliverySettings {
            batch_records: Some(40),
            when_full: WhenFull::DropOldest,
            memory_bytes: Some(2 << 20),
            ..DeliverySettings::new(Duration::ZERO, 7)
        }
    );
}

#[test]
fn its_records_stay_in_their_order() {
    let contract = build_contract(
        "plain",
        json!({"destination": "archive", "queue_drop_behavior": "drop_newest"}),
    );
    assert!(contract.delivery().ordered);
    assert_eq!(contract.delivery().after_failure, AfterFailure::SendFirst);
    assert_eq!(contract.delivery().when_full, WhenFull::RejectNewest);
}

#[test]
fn a_destination_is_needed_and_is_a_name() {
    assert_eq!(
        contract_problems(
            "plain",
            json!({
                "queue_size": 0,
                "queue_drop_behavior": "DROP_OLDEST",
                "batch_size": 0,
                "memory_size": (1 << 20) - 1,
            })
        ),
        [
            "queue_size: 0 is not a number in 1..=1000000000",
            "queue_drop_behavior: found \"DROP_OLDEST\"; it is \"drop_newest\" or \"drop_oldest\"",
            "batch_size: 0 is not a number in 1..=1000000",
            "memory_size: 1048575 is not a number in 1048576..=1099511627776",
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
