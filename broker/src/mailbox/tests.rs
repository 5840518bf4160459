use std::time::{Duration, Instant};

use perennial_rules::TopicName;

use super::*;
use crate::{codec::Version, message::Run, store, stored::read_message};

struct Setting {
    store: Store,
    mailbox: Mailbox,
    counters: Arc<Counters>,
    _folder: tempfile::TempDir,
}

fn setting(limits: Limits) -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let store = store::tests::open(folder.path());
    let client = Client {
        id: "c".into(),
        user_name: None,
        peer: crate::peer::Peer::Unix,
        version: Version::V5,
        principal: None,
    };
    let counters = Arc::new(Counters::default());
    let shared = Arc::clone(&counters);
    let (client, limits) = (Arc::new(client), Arc::new(limits));
    let mailbox = Mailbox::transient(1, client, store.clone(), limits, shared);
    Setting {
        store,
        mailbox,
        counters,
        _folder: folder,
    }
}

impl Setting {
    fn push(&self, payloads: std::ops::Range<u8>, qos: QoS) -> Pressure {
        let mut run = Run::new(TopicName::parse("t").unwrap(), 0);
        payloads.for_each(|payload| run.push_plain(&[payload], qos));
        let mut transaction = self.store.transaction();
        let delivery = Delivery {
            range: 0..run.len() as u32,
            run: Arc::new(run),
            sequence: None,
            terms: Terms {
                granted: qos,
                ..Terms::default()
            },
        };
        let pressure = self.mailbox.push(delivery, &mut transaction);
        self.store.submit(transaction).unwrap();
        pressure
    }

    fn drain(&self) -> Vec<u8> {
        let mut deliveries = VecDeque::new();
        self.mailbox.drain(&mut deliveries);
        self.mailbox.sent();
        payloads(deliveries)
    }

    /// What lies in the session's queue, once it is there.
    fn fetch(&self) -> Vec<u8> {
        let mut reader = self.mailbox.spilled().unwrap().reader();
        self.fetch_from(&mut reader)
    }

    fn fetch_from(&self, reader: &mut store::Reader) -> Vec<u8> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            assert!(Instant::now() < deadline, "nothing came to the queue");
            let Some(block) = reader.try_next().unwrap() else {
                continue;
            };
            self.mailbox.fetched(block.len() as u64);
            let deliveries = block
                .records()
                .map(|(_, record)| read_message(&record, None).unwrap());
            return payloads(deliveries.collect());
        }
    }
}

fn payloads(deliveries: VecDeque<Delivery>) -> Vec<u8> {
    let messages = deliveries.iter().flat_map(|delivery| {
        delivery
            .range
            .clone()
            .map(|index| delivery.run.get(index).payload[0])
    });
    messages.collect()
}

fn three_messages() -> Limits {
    Limits {
        mailbox_messages: 3,
        ..Limits::default()
    }
}

#[test]
fn what_memory_cannot_hold_waits_on_disk_in_order() {
    let setting = setting(three_messages());
    assert_eq!(setting.push(0..5, QoS::AtLeastOnce), Pressure::Low);
    setting.push(5..7, QoS::AtLeastOnce);
    assert!(
        setting.mailbox.spilled().is_none(),
        "what is in memory comes first"
    );
    assert_eq!(setting.drain(), [0, 1, 2]);
    setting.push(7..8, QoS::AtLeastOnce);
    let mut reader = setting.mailbox.spilled().unwrap().reader();
    let mut fetched = setting.fetch_from(&mut reader);
    while fetched.len() < 5 {
        assert_eq!(setting.drain(), [], "later messages follow those on disk");
        fetched.extend(setting.fetch_from(&mut reader));
    }
    assert_eq!(fetched, [3, 4, 5, 6, 7]);
    setting.push(8..9, QoS::AtLeastOnce);
    assert_eq!(setting.drain(), [8]);
}

#[test]
fn qos_0_beyond_the_bound_is_dropped_and_counted() {
    let setting = setting(three_messages());
    setting.push(0..5, QoS::AtMostOnce);
    assert_eq!(setting.drain(), [0, 1, 2]);
    assert_eq!(setting.counters.messages_dropped_qos0.get(), 2);
    assert!(setting.mailbox.spilled().is_none());
}

#[test]
fn what_the_sessions_queue_cannot_hold_is_dropped_and_counted() {
    let setting = setting(Limits {
        session_queue_messages: 2,
        ..three_messages()
    });
    setting.push(0..7, QoS::AtLeastOnce);
    assert_eq!(setting.drain(), [0, 1, 2]);
    assert_eq!(setting.fetch(), [3, 4]);
    assert_eq!(setting.counters.messages_dropped_full.get(), 2);
}

#[test]
fn a_publisher_is_slowed_only_while_the_subscriber_may_catch_up() {
    let setting = setting(Limits {
        mailbox_messages: 10,
        ..Limits::default()
    });
    assert_eq!(setting.push(0..5, QoS::AtLeastOnce), Pressure::Low);
    assert_eq!(setting.push(5..6, QoS::AtLeastOnce), Pressure::High);
    assert_eq!(setting.push(6..20, QoS::AtLeastOnce), Pressure::Low);
}

#[test]
fn a_mailbox_without_a_connection_takes_nothing_and_gives_up_what_it_holds() {
    let setting = setting(three_messages());
    setting.push(0..5, QoS::AtLeastOnce);
    let (held, overflow) = setting.mailbox.disconnect();
    assert_eq!(payloads(held), [0, 1, 2]);
    assert!(overflow.is_some());
    setting.push(5..6, QoS::AtLeastOnce);
    assert_eq!(setting.drain(), []);
    assert!(setting.mailbox.disconnect().1.is_none());
    assert_eq!(setting.counters.mailbox_bytes.get(), 0);
}

#[test]
fn all_mailboxes_share_a_bound_on_their_bytes() {
    let setting = setting(Limits {
        mailbox_bytes_total: 2,
        ..Limits::default()
    });
    setting.push(0..5, QoS::AtMostOnce);
    let held = 2 + DELIVERY as u64;
    assert_eq!(setting.counters.mailbox_bytes.get(), held);
    let mut deliveries = VecDeque::new();
    setting.mailbox.drain(&mut deliveries);
    assert_eq!(payloads(deliveries), [0, 1]);
    assert_eq!(setting.counters.messages_dropped_qos0.get(), 3);
    // What is not sent yet counts for all.
    assert_eq!(setting.counters.mailbox_bytes.get(), held);
    setting.mailbox.sent();
    setting.push(5..6, QoS::AtMostOnce);
    assert_eq!(setting.drain(), [5]);
    assert_eq!(setting.counters.mailbox_bytes.get(), 0);
}

#[test]
fn where_all_hold_too_much_each_still_has_an_equal_part() {
    let setting = setting(Limits {
        mailbox_bytes_total: 1_000,
        ..Limits::default()
    });
    setting.counters.connections.add(200);
    setting.counters.mailbox_bytes.add(5_000);
    setting.push(0..9, QoS::AtMostOnce);
    assert_eq!(setting.drain(), [0, 1, 2, 3, 4]);
}
