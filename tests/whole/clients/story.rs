//! What every client goes through, and what it has to find.

mod v5;

use super::client::{Client, Connect, Message, Peer, Publish};
use crate::support::{
    version::Version::{self, V5},
    wait::{PATIENCE, wait_for},
};

/// Messages in a row.
const NUMBER: usize = 20;

/// Longer than any test takes, in seconds.
const LONG: u32 = 3600;

/// The payload after which nothing more is to come.
const END: &str = "end";

/// Every chapter has topics of its own.
pub(super) fn tell(client: &dyn Client, version: Version) {
    let mut publisher = client.connect(&Connect {
        client_id: "publisher",
        ..Connect::default()
    });
    messages_of_every_qos_arrive_once_and_in_order(client, &mut *publisher);
    retained_messages_are_found_by_late_subscribers(client, &mut *publisher);
    a_will_is_for_those_who_leave_without_a_word(client, &mut *publisher);
    messages_wait_for_a_session_that_is_kept(client, &mut *publisher);
    a_clean_connection_ends_a_session_that_is_kept(client, &mut *publisher);
    if version == V5 {
        v5::tell(client, &mut *publisher);
    }
    publisher.leave();
}

fn messages_of_every_qos_arrive_once_and_in_order(client: &dyn Client, publisher: &mut dyn Peer) {
    let subscribers = [0, 1, 2]
        .map(|granted| subscribe(client, &format!("subscriber-{granted}"), "qos/#", granted));
    for qos in 0..=2 {
        publisher.publish(&Publish {
            topic: &format!("qos/{qos}"),
            payloads: numbers(),
            qos,
            ..Publish::default()
        });
    }
    let peers = subscribers.each_ref().map(|peer| &**peer);
    let found = all_messages(&peers, publisher, "qos/end", 3 * NUMBER);
    for (granted, found) in (0..=2).zip(found) {
        let wanted: Vec<_> = (0..=2)
            .flat_map(|qos: u8| numbered(&format!("qos/{qos}"), qos.min(granted)))
            .collect();
        assert_eq!(by_topic(found), wanted, "subscribed at QoS {granted}");
    }
    subscribers.into_iter().for_each(<dyn Peer>::leave);
}

fn retained_messages_are_found_by_late_subscribers(client: &dyn Client, publisher: &mut dyn Peer) {
    let early = subscribe(client, "early", "retained/#", 2);
    let message = |qos: u8, payload: &str| Message {
        topic: format!("retained/{qos}"),
        payload: payload.to_owned(),
        qos,
        ..Message::default()
    };
    for qos in 0..=2 {
        publisher.publish(&retained(&format!("retained/{qos}"), &["old", "new"], qos));
    }
    let late = [0, 1, 2]
        .map(|granted| subscribe(client, &format!("late-{granted}"), "retained/#", granted));

    // Whoever was there before gets them like any others.
    let found = all_messages(&[&*early], publisher, "retained/early", 6);
    let wanted = [0, 1, 2].map(|qos| [message(qos, "old"), message(qos, "new")]);
    assert_eq!(by_topic(found.concat()), wanted.concat());

    let peers = late.each_ref().map(|peer| &**peer);
    let found = all_messages(&peers, publisher, "retained/late", 4);
    for (granted, mut found) in (0..=2).zip(found) {
        found.retain(|message| message.topic != "retained/early");
        let wanted = [0, 1, 2].map(|qos: u8| Message {
            qos: qos.min(granted),
            retain: true,
            ..message(qos, "new")
        });
        assert_eq!(by_topic(found), wanted, "subscribed at QoS {granted}");
    }

    for qos in 0..=2 {
        publisher.publish(&retained(&format!("retained/{qos}"), &[""], qos));
    }
    let later = subscribe(client, "later", "retained/#", 2);
    let found = all_messages(&[&*later], publisher, "retained/later", 0);
    assert_eq!(found, [[]]);
    for peer in late.into_iter().chain([early, later]) {
        peer.leave();
    }
}

fn a_will_is_for_those_who_leave_without_a_word(client: &dyn Client, publisher: &mut dyn Peer) {
    let watcher = subscribe(client, "watcher", "will/#", 2);
    let with_will = |client_id, will| {
        client.connect(&Connect {
            client_id,
            will: Some(will),
            ..Connect::default()
        })
    };
    with_will("polite", "will/polite").leave();
    with_will("lost", "will/lost").kill();
    let will = |client_id: &str| Message {
        topic: format!("will/{client_id}"),
        payload: client_id.to_owned(),
        qos: 1,
        ..Message::default()
    };
    let mut wanted = vec![will("lost")];
    if client.habits().leaves_with_will {
        wanted.push(will("polite"));
    }
    let found = all_messages(&[&*watcher], publisher, "will/end", wanted.len());
    assert_eq!(by_topic(found.concat()), wanted);
    watcher.leave();
}

fn messages_wait_for_a_session_that_is_kept(client: &dyn Client, publisher: &mut dyn Peer) {
    for client_id in ["leaves", "vanishes"] {
        let filter = format!("{client_id}/#");
        let connect = |subscribe| {
            client.connect(&Connect {
                client_id,
                kept: Some(LONG),
                subscribe,
                ..Connect::default()
            })
        };
        let fresh = connect(Some((&filter, 2)));
        assert_ne!(fresh.session_present(), Some(true));
        if client_id == "leaves" {
            fresh.leave();
        } else {
            fresh.kill();
        }
        let mut wanted = Vec::new();
        for qos in [1, 2] {
            let topic = format!("{client_id}/{qos}");
            publisher.publish(&Publish {
                topic: &topic,
                payloads: numbers(),
                qos,
                ..Publish::default()
            });
            wanted.extend(numbered(&topic, qos));
        }
        let back = connect(None);
        assert_ne!(back.session_present(), Some(false));
        let end = format!("{client_id}/end");
        let found = all_messages(&[&*back], publisher, &end, 2 * NUMBER);
        assert_eq!(by_topic(found.concat()), wanted, "{client_id}");
        back.leave();
    }
}

fn a_clean_connection_ends_a_session_that_is_kept(client: &dyn Client, publisher: &mut dyn Peer) {
    let keeps = Connect {
        client_id: "keeps",
        kept: Some(LONG),
        subscribe: Some(("clean/old", 1)),
        ..Connect::default()
    };
    client.connect(&keeps).leave();
    let clean = client.connect(&Connect {
        kept: None,
        subscribe: Some(("clean/new", 1)),
        ..keeps.clone()
    });
    assert_ne!(clean.session_present(), Some(true));
    for topic in ["clean/old", "clean/new"] {
        publish_end(publisher, topic);
    }
    let found = await_messages(&*clean, 1);
    let topics: Vec<_> = found.iter().map(|message| &*message.topic).collect();
    assert_eq!(topics, ["clean/new"]);
    clean.leave();
    let anew = client.connect(&keeps);
    assert_ne!(anew.session_present(), Some(true));
    anew.leave();
}

fn subscribe(client: &dyn Client, client_id: &str, filter: &str, qos: u8) -> Box<dyn Peer> {
    client.connect(&Connect {
        client_id,
        subscribe: Some((filter, qos)),
        ..Connect::default()
    })
}

fn numbers() -> Vec<String> {
    (0..NUMBER).map(|number| number.to_string()).collect()
}

/// A message for each of the numbers.
fn numbered(topic: &str, qos: u8) -> impl Iterator<Item = Message> + use<> {
    let topic = topic.to_owned();
    numbers().into_iter().map(move |payload| Message {
        topic: topic.clone(),
        payload,
        qos,
        ..Message::default()
    })
}

fn retained<'a>(topic: &'a str, payloads: &[&str], qos: u8) -> Publish<'a> {
    Publish {
        topic,
        payloads: payloads.iter().map(|&payload| payload.to_owned()).collect(),
        qos,
        retain: true,
        ..Publish::default()
    }
}

fn publish_end(publisher: &mut dyn Peer, topic: &str) {
    publisher.publish(&Publish {
        topic,
        payloads: vec![END.to_owned()],
        qos: 2,
        ..Publish::default()
    });
}

#[track_caller]
fn await_messages(peer: &dyn Peer, count: usize) -> Vec<Message> {
    let mut found = Vec::new();
    wait_for(PATIENCE, &format!("{count} messages"), || {
        found = peer.messages();
        found.len() >= count
    });
    found
}

/// The messages of each of `peers`: `count`, and all that come before a last one at `end`.
#[track_caller]
fn all_messages(
    peers: &[&dyn Peer],
    publisher: &mut dyn Peer,
    end: &str,
    count: usize,
) -> Vec<Vec<Message>> {
    // Messages of different connections have no order, so the last one is not sent before.
    for peer in peers {
        await_messages(*peer, count);
    }
    publish_end(publisher, end);
    let until_end = |peer: &&dyn Peer| {
        let mut found = Vec::new();
        wait_for(PATIENCE, "the last message", || {
            found = peer.messages();
            found.iter().any(|message| message.topic == end)
        });
        found.retain(|message| message.topic != end);
        found
    };
    peers.iter().map(until_end).collect()
}

/// Only messages on the same topic have an order.
fn by_topic(mut messages: Vec<Message>) -> Vec<Message> {
    messages.sort_by(|a, b| a.topic.cmp(&b.topic));
    messages
}
