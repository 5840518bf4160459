//! When a publish that becomes no record is acknowledged.

use std::time::Duration;

use bytes::Bytes;
use perennial_broker::{
    Peer, Version,
    store::{Durability, Store, StoreConfig},
};
use perennial_connectors::{
    Attempt, Batch, BatchLimits, Contract, DeliverySettings, Report, Upstream,
};

use super::*;
use crate::delivery::ConnectorSettings;

/// A contract that takes nothing, and says so.
struct Picky;

impl Contract for Picky {
    fn filters(&self) -> Vec<TopicFilter> {
        Vec::new()
    }

    fn delivery(&self) -> DeliverySettings {
        DeliverySettings::new(Duration::ZERO, 10)
    }

    fn accept<'a>(&'a self, _: &Publish<'a>) -> Result<Accepted<'a>, Rejection> {
        Err(Rejection {
            id: String::new(),
            code: "InvalidArgumentException".to_owned(),
            message: "nothing is taken".to_owned(),
        })
    }

    fn rejected(&self, rejection: &Rejection) -> Option<Status> {
        Some(Status {
            topic: TopicName::parse("status").unwrap(),
            payload: Bytes::from(rejection.message.clone()),
        })
    }

    fn settled(&self, _: &[Report<'_>]) -> Vec<Status> {
        Vec::new()
    }
}

/// An upstream that nothing is sent to.
struct Nowhere;

impl Upstream for Nowhere {
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            records: 1,
            bytes: 1,
            record_bytes: 1,
            in_flight: 1,
            linger: None,
        }
    }

    fn check(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn send<'a>(&'a self, _: &'a Batch) -> Attempt<'a> {
        unreachable!("nothing is taken")
    }
}

/// Puts statuses into the store.
struct Kept(Store);

impl StatusSink for Kept {
    fn publish(&self, status: Status) -> Result<Ticket, StoreError> {
        let mut transaction = self.0.transaction();
        transaction.put(b"status", &status.payload);
        self.0.submit(transaction)
    }
}

fn open_store(folder: &tempfile::TempDir) -> Store {
    let config = StoreConfig {
        path: folder.path().to_owned(),
        durability: Durability::Os,
        memory: StoreConfig::MEMORY,
    };
    Store::open(config).unwrap()
}

/// Publishes a message that is rejected.
fn publish(store: &Store, transaction: &mut Transaction) -> Result<(), Reason> {
    let connector = Arc::new(Connector {
        name: "picky".to_owned(),
        contract: Box::new(Picky),
        upstream: Box::new(Nowhere),
        settings: ConnectorSettings::default(),
    });
    let rules = [("#".parse().unwrap(), 0)];
    let ingest = Ingest::new(&[(Arc::clone(&connector), "picky")], &rules);
    let sink: Arc<dyn StatusSink> = Arc::new(Kept(store.clone()));
    let delivery = Delivery::start(store.clone(), Vec::new(), Arc::clone(&sink)).unwrap();
    ingest.open(&Arc::new(delivery), &sink);
    let client = Client {
        id: "c".into(),
        user_name: None,
        peer: Peer::Unix,
        version: Version::V5,
        principal: None,
    };
    let topic = TopicName::parse("t").unwrap();
    let message = Message {
        topic: &topic,
        payload: b"x",
        qos: QoS::AtLeastOnce,
    };
    let intakes = ingest.intakes(&topic, |_| true);
    intakes[0].take(&client, &message, transaction)
}

#[tokio::test]
async fn a_rejected_publish_is_acknowledged_when_its_status_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder);
    let mut transaction = store.transaction();
    assert_eq!(publish(&store, &mut transaction), Ok(()));
    assert!(transaction.is_empty(), "nothing becomes a record");

    let ticket = store.submit(transaction).unwrap();
    store.durable().reached(ticket).await.unwrap();
    let mut statuses = Vec::new();
    let visit = |_: &[u8], value: &[u8]| statuses.push(value.to_vec());
    store.entries(b"status", visit).unwrap();
    assert_eq!(statuses, [b"nothing is taken"]);
    assert!(ticket > Ticket::DONE);
}

#[tokio::test]
async fn a_rejected_publish_is_refused_when_its_status_cannot_be_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder);
    store.clone().close().unwrap();
    let mut transaction = store.transaction();
    let refused = publish(&store, &mut transaction);
    assert_eq!(refused, Err(Reason::PayloadFormatInvalid));
}
