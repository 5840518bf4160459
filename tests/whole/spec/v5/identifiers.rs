//! The packet identifiers that the gateway gives (2.2.1).

use std::collections::HashSet;

use super::{
    build::{PUBACK, PUBREC, PUBREL, Publish, ack},
    client::Client,
};
use crate::support::gateway::Gateway;

#[test]
fn mqtt_2_2_1_4_and_4_3_2_1_and_4_3_3_1_no_two_messages_in_flight_have_the_same_identifier() {
    let gateway = Gateway::start("");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 2);
    // That none is zero is a part of reading them.
    let mut in_flight = HashSet::new();
    for number in 0..20 {
        publisher.publishes("t", "", 1 + number % 2);
        let publish = subscriber.publish();
        assert!(in_flight.insert(publish.packet_id), "{publish:?}");
        // Every third is released, in one case halfway.
        match number % 6 {
            0 => {
                subscriber.send(&ack(PUBACK, publish.packet_id));
                in_flight.remove(&publish.packet_id);
            }
            3 => {
                subscriber.send(&ack(PUBREC, publish.packet_id));
                subscriber.acked(PUBREL, publish.packet_id);
            }
            _ => {}
        }
    }
}

#[test]
fn mqtt_2_2_1_4_identifiers_go_round_past_those_in_flight() {
    const AT_ONCE: u16 = 64;
    let gateway = Gateway::start("[store]\ndurability = \"os\"\n");
    let mut publisher = Client::connect(&gateway, "publisher");
    let mut subscriber = Client::connect(&gateway, "subscriber");
    subscriber.subscribe("t", 1);
    let burst: Vec<u8> = (1..=AT_ONCE)
        .flat_map(|id| Publish::new("t", "").qos(1, id).encode())
        .collect();
    // More messages than there are identifiers; the last one of each burst is held until the
    // next burst is there.
    let mut in_flight = HashSet::new();
    let mut held = None;
    for _ in 0..=u16::MAX / AT_ONCE + 1 {
        publisher.send(&burst);
        for id in 1..=AT_ONCE {
            publisher.acked(PUBACK, id);
        }
        let mut ids: Vec<u16> = (0..AT_ONCE)
            .map(|_| subscriber.publish().packet_id)
            .collect();
        assert!(ids.iter().all(|id| in_flight.insert(*id)), "{ids:?}");
        ids.extend(held);
        held = Some(ids.swap_remove(usize::from(AT_ONCE) - 1));
        for id in ids {
            subscriber.send(&ack(PUBACK, id));
            in_flight.remove(&id);
        }
    }
}
