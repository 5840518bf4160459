//! The load against a broker that is known to lose, repeat and misbehave.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use super::*;
use crate::{
    inbox::{Inbox, Packet},
    wire::{Frame, append_ack},
};

const PUBLISHERS: Publishers = Publishers {
    count: 2,
    qos: 1,
    payload: 64,
    window: 10,
    topic: "t",
    one_topic: false,
};
const SUBSCRIPTION: Subscription = Subscription {
    filter: "t/#",
    qos: 1,
    pace: None,
    paired: false,
};

/// Serves two publishers and one subscriber; `copies` says how often a message is delivered and
/// `ack` what its acknowledgement is.
fn broker(copies: fn(u16, u64) -> usize, ack: fn(u16) -> Option<u16>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let publishers = [accept(&listener), accept(&listener)];
        let mut subscriber = accept(&listener);
        let subscribe = subscriber.read(&mut [0; 100]).unwrap();
        assert!(subscribe > 0);
        subscriber.write_all(&[0x90, 3, 0, 1, 1]).unwrap();
        let mut acknowledgements = subscriber.try_clone().unwrap();
        let drain =
            thread::spawn(
                move || while acknowledgements.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {},
            );
        thread::scope(|scope| {
            for publisher in publishers {
                let subscriber = subscriber.try_clone().unwrap();
                scope.spawn(move || serve(publisher, subscriber, copies, ack));
            }
        });
        drain.join().unwrap();
    });
    address
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    stream
        .read_exact(&mut vec![0; usize::from(header[1])])
        .unwrap();
    stream.write_all(&[0x20, 2, 0, 0]).unwrap();
    stream
}

fn serve(
    mut publisher: TcpStream,
    mut subscriber: TcpStream,
    copies: fn(u16, u64) -> usize,
    ack: fn(u16) -> Option<u16>,
) {
    let mut inbox = Inbox::new();
    while inbox.read(&mut publisher).is_ok() {
        while let Some(packet) = inbox.next().unwrap() {
            let Packet::Publish {
                packet_id: Some(id),
                mark,
            } = packet
            else {
                panic!("{packet:?}")
            };
            let mut out = Vec::new();
            for _ in 0..copies(mark.publisher, mark.sequence) {
                Frame::new("t/0", false, 1, 64, mark.run, mark.publisher)
                    .append(mark.sequence, &mut out);
            }
            subscriber.write_all(&out).unwrap();
            let mut acknowledgement = Vec::new();
            ack(id).inspect(|id| append_ack(*id, &mut acknowledgement));
            publisher.write_all(&acknowledgement).unwrap();
        }
    }
}

fn of(messages: u64) -> Traffic {
    Traffic {
        amount: Amount::Messages(messages),
        lead: None,
        fresh_topics: false,
    }
}

#[test]
fn a_broker_that_loses_nothing_misses_nothing_in_run_after_run() {
    let mut load = Load::connect(broker(|_, _| 1, Some), PUBLISHERS, &[SUBSCRIPTION]).unwrap();
    for messages in [1001, 500] {
        let outcome = load.run(of(messages)).unwrap();
        assert_eq!(
            (outcome.sent, outcome.missing(), outcome.duplicates()),
            (messages, 0, 0)
        );
        assert_eq!(outcome.sent_by, [messages - messages / 2, messages / 2]);
    }
}

#[test]
fn what_a_broker_loses_and_repeats_is_counted_exactly() {
    let copies = |publisher, sequence| match (publisher, sequence % 10) {
        (0, 3) => 0,
        (1, 7) => 3,
        _ => 1,
    };
    let mut load = Load::connect(broker(copies, Some), PUBLISHERS, &[SUBSCRIPTION]).unwrap();
    let outcome = load.run(of(1000)).unwrap();
    assert_eq!(
        (
            outcome.deliveries(),
            outcome.missing(),
            outcome.duplicates()
        ),
        (950, 50, 100)
    );
}

#[test]
fn a_paired_subscriber_is_to_get_what_its_own_publisher_sends_and_nothing_else() {
    let paired = Subscription {
        filter: "t",
        paired: true,
        ..SUBSCRIPTION
    };
    let own = |publisher, _| usize::from(publisher == 0);
    let mut load = Load::connect(broker(own, Some), PUBLISHERS, &[paired]).unwrap();
    let outcome = load.run(of(1000)).unwrap();
    assert_eq!(
        (outcome.sent, outcome.deliveries(), outcome.missing()),
        (1000, 500, 0)
    );

    let mut load = Load::connect(broker(|_, _| 1, Some), PUBLISHERS, &[paired]).unwrap();
    let error = load.run(of(8)).unwrap_err().to_string();
    assert!(
        error.starts_with("a subscriber was sent another's "),
        "{error}"
    );
}

#[test]
fn a_lead_that_is_lost_does_not_hold_the_run() {
    let only_the_first = |_, sequence| usize::from(sequence == 0);
    let mut load =
        Load::connect(broker(only_the_first, Some), PUBLISHERS, &[SUBSCRIPTION]).unwrap();
    let outcome = load
        .run(Traffic {
            lead: Some(20),
            ..of(60)
        })
        .unwrap();
    assert_eq!((outcome.sent, outcome.missing()), (60, 58));
}

#[test]
fn a_slow_subscriber_takes_its_time_and_gets_all() {
    let pace = Pace {
        per_second: 1000,
        until: Duration::from_millis(300),
    };
    let slow = Subscription {
        pace: Some(pace),
        ..SUBSCRIPTION
    };
    let mut load = Load::connect(broker(|_, _| 1, Some), PUBLISHERS, &[slow]).unwrap();
    let outcome = load.run(of(2000)).unwrap();
    assert_eq!(outcome.missing(), 0);
    assert!(outcome.received[0].elapsed >= pace.until, "{outcome:?}");
}

#[test]
fn an_acknowledgement_that_is_wrong_or_never_comes_fails_the_run() {
    let swap = |id: u16| Some(id ^ 1);
    let mut load = Load::connect(broker(|_, _| 1, swap), PUBLISHERS, &[SUBSCRIPTION]).unwrap();
    let error = load.run(of(8)).unwrap_err().to_string();
    assert!(error.starts_with("a publisher was sent Ack("), "{error}");

    let mut load = Load::connect(broker(|_, _| 1, |_| None), PUBLISHERS, &[SUBSCRIPTION]).unwrap();
    let error = load.run(of(8)).unwrap_err().to_string();
    assert_eq!(error, "8 messages were never acknowledged");
}
