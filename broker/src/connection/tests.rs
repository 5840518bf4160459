use std::slice;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpStream,
};

use super::*;
use crate::{
    codec::Version::V311,
    fuzzing::{
        self,
        wire::{self, PUBACK, PUBCOMP, PUBREC, PUBREL},
    },
    limits::Limits,
    model_tests::Open,
    store,
};

const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x34;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xB0;

fn size_of_future<F>(_: impl FnOnce(TcpStream, Caller, Handshake, Arc<Core>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn an_idle_connection_takes_little_memory() {
    let task = size_of_future(|stream, caller, handshake, core| {
        serve(stream, caller, Compat::None, handshake, core)
    });
    assert!(task <= 896, "{task} bytes");
    let connection = size_of::<Connection<TcpStream>>();
    assert!(connection <= 1_280, "{connection} bytes");
}

/// The first byte of the next packet; `None` when the connection is closed.
async fn heard(stream: &mut DuplexStream) -> Option<u8> {
    let first = stream.read_u8().await.ok()?;
    let length = stream.read_u8().await.ok()?;
    assert!(length < 0x80, "packets are short here");
    let mut body = vec![0; usize::from(length)];
    stream.read_exact(&mut body).await.ok()?;
    Some(first)
}

/// Who meets the disk that fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failure {
    /// What the client sends is the first that cannot be written.
    Now,
    /// Somebody else has met it, and the store takes nothing.
    Before,
}

/// Sends `last` when the disk has failed, behind packets that are answered as they say, in
/// whatever order, and gives what is heard from then on.
async fn heard_after_a_failure(
    before: &[(Vec<u8>, &[u8])],
    failure: Failure,
    last: Vec<u8>,
) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let store = store::tests::open(folder.path());
    let core = Core::open(Limits::default(), Arc::new(Open), store.clone()).unwrap();
    let (mut client, server) = duplex(64 * 1024);
    let talk = async {
        for (packet, answers) in before {
            client.write_all(packet).await.unwrap();
            let mut left = answers.to_vec();
            while !left.is_empty() {
                let first = heard(&mut client).await.expect("it is answered");
                left.retain(|answer| *answer != first);
            }
        }
        store::tests::fail_writes(&store);
        if failure == Failure::Before {
            let mut transaction = store.transaction();
            transaction.put(b"other", b"x");
            let ticket = store.submit(transaction).unwrap();
            store.durable().reached(ticket).await.unwrap_err();
        }
        client.write_all(&last).await.unwrap();
        let mut packets = Vec::new();
        while let Some(first) = heard(&mut client).await {
            packets.push(first);
        }
        packets
    };
    let served = fuzzing::serve(server, Compat::None, Arc::new(core));
    let both = async { tokio::join!(served, talk).1 };
    timeout(Duration::from_secs(60), both)
        .await
        .expect("the connection ends")
}

/// What a session that outlives its connection is told, and what it asks for.
#[tokio::test]
async fn nothing_that_did_not_reach_the_disk_is_confirmed() {
    let connect = wire::Connect {
        version: V311,
        client_id: "c",
        clean_start: false,
        keep_alive: 0,
        will: None,
        properties: Vec::new(),
    };
    let connected = (connect.encode(), &[CONNACK][..]);
    let subscribe = || wire::subscribe(V311, 1, &[("t", 2)], &[]);
    let subscribed = (subscribe(), &[SUBACK][..]);
    let publish = |qos| {
        let publish = wire::Publish {
            dup: false,
            qos,
            retain: false,
            topic: "t",
            id: 7,
            properties: &[],
            payload: b"x",
        };
        publish.encode(V311)
    };
    // The client is its own subscriber.
    let published = (publish(2), &[PUBREC, PUBLISH][..]);
    let released = (wire::ack(PUBREL, 7, 0), &[PUBCOMP][..]);

    let session = [connected, subscribed, published, released];
    let cases = [
        (0, connect.encode(), CONNACK),
        (1, subscribe(), SUBACK),
        (2, wire::unsubscribe(V311, 2, &["t"]), UNSUBACK),
        (2, publish(1), PUBACK),
        (2, publish(2), PUBREC),
        (3, wire::ack(PUBREL, 7, 0), PUBCOMP),
        (4, wire::ack(PUBREC, 1, 0), PUBREL),
    ];
    for (before, last, confirmation) in cases {
        let packets = heard_after_a_failure(&session[..before], Failure::Now, last).await;
        assert!(
            !packets.contains(&confirmation),
            "{confirmation:#x} behind {before} packets: {packets:x?}"
        );
    }
}

/// What a client is told whose connection has no other reason to notice that the store failed.
#[tokio::test]
async fn nothing_that_a_failed_store_refuses_is_confirmed() {
    let connect = wire::Connect {
        version: V311,
        client_id: "c",
        clean_start: true,
        keep_alive: 0,
        will: None,
        properties: Vec::new(),
    };
    let connected = (connect.encode(), &[CONNACK][..]);
    // One that is retained has to be kept, any other is for nobody.
    let publish = |qos, retain| {
        let publish = wire::Publish {
            dup: false,
            qos,
            retain,
            topic: "t",
            id: 7,
            properties: &[],
            payload: b"x",
        };
        publish.encode(V311)
    };
    let subscribe = wire::subscribe(V311, 1, &[("other", 1)], &[]);
    let cases = [
        (publish(1, true), PUBACK),
        (publish(2, true), PUBREC),
        (publish(1, false), PUBACK),
        (publish(2, false), PUBREC),
        // A packet that hands over what was published before.
        ([publish(1, true), subscribe].concat(), PUBACK),
    ];
    for (last, confirmation) in cases {
        let before = slice::from_ref(&connected);
        let packets = heard_after_a_failure(before, Failure::Before, last).await;
        assert!(
            !packets.contains(&confirmation),
            "{confirmation:#x}: {packets:x?}"
        );
    }
}
