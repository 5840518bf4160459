use perennial_rules::TopicName;

use super::*;
use crate::{
    codec::{Frame, PacketType, Publish},
    message::Run,
};

const V5: Version = Version::V5;
const ROOM: usize = 1 << 20;

fn session(inflight: u16, maximum_packet_size: usize) -> Session {
    resumed(inflight, maximum_packet_size, Handshakes::default(), 0)
}

fn resumed(inflight: u16, size: usize, handshakes: Handshakes, head: u64) -> Session {
    Session::new(V5, inflight, size, 0, handshakes, head, u64::MAX)
}

/// Messages on topic `t`, granted QoS 2.
fn delivery(messages: &[(&[u8], QoS)]) -> Delivery {
    let mut run = Run::new(TopicName::parse("t").unwrap(), 0);
    for (payload, qos) in messages {
        run.push_plain(payload, *qos);
    }
    Delivery {
        range: 0..run.len() as u32,
        run: Arc::new(run),
        sequence: None,
        terms: Terms {
            granted: QoS::ExactlyOnce,
            ..Terms::default()
        },
    }
}

fn take(session: &mut Session, deliveries: impl Into<VecDeque<Delivery>>) {
    session.take(&mut deliveries.into());
}

/// A message of the queue.
fn take_stored(session: &mut Session, sequence: u64, payload: &[u8], qos: QoS) {
    let stored = Delivery {
        sequence: Some(sequence),
        ..delivery(&[(payload, qos)])
    };
    session.take_stored(sequence, stored);
}

/// What `session` sends: packet type, DUP, packet identifier and payload.
fn packets(session: &mut Session, limit: usize) -> Vec<(PacketType, bool, u16, Vec<u8>)> {
    let mut wire = Vec::new();
    session.send(&mut wire, limit, 0, &Counters::default());
    let mut packets = Vec::new();
    let mut rest = &wire[..];
    while let Some(frame) = Frame::first(rest, ROOM).unwrap() {
        let dup = frame.flags & 8 != 0;
        packets.push(if frame.packet_type == PacketType::Publish {
            let publish = Publish::decode(frame.flags, frame.body, V5).unwrap();
            let payload = publish.payload.to_vec();
            (frame.packet_type, dup, publish.packet_id, payload)
        } else {
            let id = u16::from_be_bytes([frame.body[0], frame.body[1]]);
            (frame.packet_type, false, id, Vec::new())
        });
        rest = &rest[frame.length..];
    }
    packets
}

/// Packet identifiers and payloads of the publishes that `session` sends.
fn sent(session: &mut Session, limit: usize) -> Vec<(u16, Vec<u8>)> {
    let packets = packets(session, limit).into_iter();
    packets
        .map(|(packet_type, dup, id, payload)| {
            assert_eq!((packet_type, dup), (PacketType::Publish, false));
            (id, payload)
        })
        .collect()
}

fn acknowledge(session: &mut Session, kind: AckKind, packet_id: u16, reason: u8) -> Progress {
    session.acknowledge(Ack {
        kind,
        packet_id,
        reason,
    })
}

#[test]
fn no_more_messages_are_in_flight_than_the_client_takes() {
    let mut session = session(2, ROOM);
    let messages: Vec<(&[u8], QoS)> = [b"1", b"2", b"3"]
        .map(|payload| (&payload[..], QoS::AtLeastOnce))
        .into();
    take(&mut session, [delivery(&messages)]);
    assert_eq!(
        sent(&mut session, ROOM),
        [(1, b"1".to_vec()), (2, b"2".to_vec())]
    );
    assert!(sent(&mut session, ROOM).is_empty());
    assert_eq!(
        acknowledge(&mut session, AckKind::PubAck, 2, 0),
        Progress::Done(1)
    );
    assert_eq!(sent(&mut session, ROOM), [(3, b"3".to_vec())]);
}

#[test]
fn a_full_buffer_stops_sending_between_two_messages() {
    let mut session = session(10, ROOM);
    let messages = [
        (&b"one"[..], QoS::AtMostOnce),
        (&b"two"[..], QoS::AtMostOnce),
    ];
    take(&mut session, [delivery(&messages)]);
    assert_eq!(sent(&mut session, 1), [(0, b"one".to_vec())]);
    assert_eq!(sent(&mut session, 1), [(0, b"two".to_vec())]);
    assert!(!session.has_pending());
}

#[test]
fn qos_2_to_the_client_goes_through_its_four_packets() {
    let mut session = session(1, ROOM);
    let messages = [(&b"x"[..], QoS::ExactlyOnce), (&b"y"[..], QoS::ExactlyOnce)];
    take(&mut session, [delivery(&messages)]);
    assert_eq!(sent(&mut session, ROOM), [(1, b"x".to_vec())]);
    let completes = |session: &mut Session| acknowledge(session, AckKind::PubComp, 1, 0);
    assert_eq!(completes(&mut session), Progress::Nothing);
    let receives = |session: &mut Session| acknowledge(session, AckKind::PubRec, 1, 0);
    assert_eq!(receives(&mut session), Progress::Received(0));
    let again = Progress::Release(Reason::Success);
    assert_eq!(receives(&mut session), again);
    assert!(sent(&mut session, ROOM).is_empty());
    assert_eq!(completes(&mut session), Progress::Completed(0));
    let unknown = Progress::Release(Reason::PacketIdentifierNotFound);
    assert_eq!(receives(&mut session), unknown);
    assert_eq!(sent(&mut session, ROOM), [(2, b"y".to_vec())]);
    assert_eq!(
        acknowledge(&mut session, AckKind::PubRec, 2, 0x97),
        Progress::Done(1)
    );
    assert!(session.wants_messages());
}

#[test]
fn a_release_of_an_unknown_publish_says_so() {
    let mut session = session(1, ROOM);
    session.receive(7);
    assert!(session.has_received(7));
    let release = |session: &mut Session| acknowledge(session, AckKind::PubRel, 7, 0);
    assert_eq!(release(&mut session), Progress::Released(Reason::Success));
    assert_eq!(
        release(&mut session),
        Progress::Released(Reason::PacketIdentifierNotFound)
    );
    assert!(!session.has_received(7));
}

#[test]
fn a_message_larger_than_the_client_takes_is_left_out() {
    let mut session = session(10, 13);
    let messages = [
        (&b"far too large"[..], QoS::AtLeastOnce),
        (&b"small"[..], QoS::AtLeastOnce),
    ];
    take(&mut session, [delivery(&messages)]);
    assert_eq!(sent(&mut session, ROOM), [(1, b"small".to_vec())]);
}

#[test]
fn a_message_is_sent_with_the_lower_of_both_qos() {
    let mut session = session(10, ROOM);
    let granted = |granted| Delivery {
        terms: Terms {
            granted,
            ..Terms::default()
        },
        ..delivery(&[(b"x", QoS::AtLeastOnce)])
    };
    take(
        &mut session,
        [granted(QoS::AtMostOnce), granted(QoS::ExactlyOnce)],
    );
    assert_eq!(
        sent(&mut session, ROOM),
        [(0, b"x".to_vec()), (1, b"x".to_vec())]
    );
    assert_eq!(session.window.find(1), Some((0, Step::AwaitsPubAck)));
}

#[test]
fn a_session_goes_on_where_its_connection_ended() {
    let mut first = session(10, ROOM);
    for (sequence, payload) in [(70_000, b"a"), (70_001, b"b"), (70_002, b"c")] {
        take_stored(&mut first, sequence, payload, QoS::ExactlyOnce);
    }
    let ids: Vec<_> = sent(&mut first, ROOM).iter().map(|(id, _)| *id).collect();
    let received = acknowledge(&mut first, AckKind::PubRec, ids[1], 0);
    assert_eq!(received, Progress::Received(70_001));
    let (handshakes, _) = first.end();

    let mut second = resumed(10, ROOM, handshakes, 70_000);
    for (sequence, payload) in [
        (70_000, b"a"),
        (70_001, b"b"),
        (70_002, b"c"),
        (70_003, b"d"),
    ] {
        take_stored(&mut second, sequence, payload, QoS::ExactlyOnce);
    }
    assert_eq!(
        packets(&mut second, ROOM),
        [
            (PacketType::Publish, true, ids[0], b"a".to_vec()),
            (PacketType::PubRel, false, ids[1], vec![]),
            (PacketType::Publish, true, ids[2], b"c".to_vec()),
            (PacketType::Publish, false, ids[2] + 1, b"d".to_vec()),
        ]
    );
    assert_eq!(
        acknowledge(&mut second, AckKind::PubComp, ids[1], 0),
        Progress::Completed(70_001)
    );
}

#[test]
fn nothing_is_sent_that_the_store_does_not_know_may_be_sent() {
    let handshakes = Handshakes {
        sent: 1,
        ..Handshakes::default()
    };
    let mut session = resumed(10, ROOM, handshakes, 0);
    session.sendable = 2;
    session.promised = 2;
    for (sequence, payload) in [(0, b"a"), (1, b"b"), (2, b"c")] {
        take_stored(&mut session, sequence, payload, QoS::AtLeastOnce);
    }
    let dups = |session: &mut Session| -> Vec<_> {
        let packets = packets(session, ROOM);
        packets.iter().map(|(_, dup, ..)| *dup).collect()
    };
    assert_eq!(dups(&mut session), [true, false]);
    assert!(session.is_held_up());
    assert_eq!(session.next_promise(), Some(2 + PROMISED));
    assert_eq!(session.next_promise(), None);
    session.allow();
    assert_eq!(dups(&mut session), [false]);
    assert!(!session.is_held_up());
}

#[test]
fn a_promise_reaches_a_message_behind_many_that_have_expired() {
    let mut session = resumed(10, ROOM, Handshakes::default(), 0);
    session.sendable = PROMISED;
    session.promised = PROMISED;
    take_stored(&mut session, 70_000, b"a", QoS::AtLeastOnce);
    assert_eq!(packets(&mut session, ROOM), []);
    let promise = session.next_promise();
    assert_eq!(promise, Some(70_000 + PROMISED));
    session.allow();
    assert_eq!(packets(&mut session, ROOM).len(), 1);
}

#[test]
fn what_a_member_of_a_group_has_not_acknowledged_is_given_back_in_order() {
    let mut session = session(2, ROOM);
    let shared = |payload: &[u8], qos| {
        let mut delivery = delivery(&[(payload, qos)]);
        delivery.terms.share = Some("$share/g/t".into());
        delivery
    };
    take(
        &mut session,
        [
            shared(b"done", QoS::AtLeastOnce),
            delivery(&[(b"own", QoS::AtLeastOnce)]),
            shared(b"open", QoS::AtLeastOnce),
            shared(b"waiting", QoS::AtLeastOnce),
        ],
    );
    sent(&mut session, ROOM);
    acknowledge(&mut session, AckKind::PubAck, 1, 0);
    sent(&mut session, ROOM);
    let (_, shared) = session.end();
    let payloads: Vec<_> = shared
        .iter()
        .map(|delivery| delivery.run.get(delivery.range.start).payload.to_vec())
        .collect();
    assert_eq!(payloads, [b"open".to_vec(), b"waiting".to_vec()]);
}
