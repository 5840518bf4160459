//! The server's side against a client's side that is not ours.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::protocol::{
    WebSocketContext,
    frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::*;
use crate::socket::Socket;

/// The size of packets on connections here.
const MAX_PACKET: usize = 1024 * 1024;

/// What a client sends and receives, without a network.
#[derive(Default)]
struct Wire {
    received: Cursor<Vec<u8>>,
    sent: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut self.received, buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.sent, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of these frames, masked by the client.
fn client_sends(frames: Vec<Frame>) -> Vec<u8> {
    let mut client = WebSocketContext::new(Role::Client, None);
    let mut wire = Wire::default();
    for frame in frames {
        client.write(&mut wire, Message::Frame(frame)).unwrap();
    }
    client.flush(&mut wire).unwrap();
    wire.sent
}

/// The messages in `bytes`, read by the client.
fn client_receives(bytes: Vec<u8>) -> Vec<Message> {
    let mut client = WebSocketContext::new(Role::Client, None);
    let mut wire = Wire {
        received: Cursor::new(bytes),
        sent: Vec::new(),
    };
    std::iter::from_fn(|| client.read(&mut wire).ok()).collect()
}

fn data(payload: &[u8], opcode: Data, is_last: bool) -> Frame {
    Frame::message(payload.to_vec(), OpCode::Data(opcode), is_last)
}

/// A frame as the bytes of a client, with a mask that changes nothing.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let header = [first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    [&header, payload].concat()
}

/// The server's side, and the other end of its connection.
async fn connected(buffer: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(buffer);
    (WebSocket::new(ours, MAX_PACKET).await, theirs)
}

/// What the server's side reads of `bytes` and how that ends, when they come in these parts.
fn server_reads(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, io::Result<usize>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (mut server, mut wire) = connected(64 * 1024).await;
        let sending = async move {
            let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                // A server that has found a broken rule reads no more.
                if wire.write_all(part).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
                rest = behind;
            }
            wire.shutdown().await.ok();
            // What the server says is taken off its hands.
            wire.read_to_end(&mut Vec::new()).await.ok();
        };
        let reading = async move {
            let mut found = Vec::new();
            let end = server.read_to_end(&mut found).await;
            (found, end)
        };
        tokio::join!(sending, reading).1
    })
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_framed_and_torn(
        messages in prop::collection::vec(
            prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 1..5),
            0..8,
        ),
        large in prop::option::of(126..80_000_usize),
        cuts in prop::collection::vec(1..200_usize, 1..50),
    ) {
        let mut expected = Vec::new();
        let mut frames = Vec::new();
        for message in &messages {
            let last = message.len() - 1;
            for (index, (payload, pings)) in message.iter().enumerate() {
                let opcode = if index == 0 { Data::Binary } else { Data::Continue };
                frames.push(data(payload, opcode, index == last));
                expected.extend_from_slice(payload);
                if *pings {
                    let body = payload.get(..125).unwrap_or(payload);
                    frames.push(Frame::ping(body.to_vec()));
                }
            }
        }
        if let Some(size) = large {
            let payload: Vec<u8> = (0..size).map(|byte| byte as u8).collect();
            frames.push(data(&payload, Data::Binary, true));
            expected.extend_from_slice(&payload);
        }
        let sent = client_sends(frames);

        let (found, end) = server_reads(&sent, &cuts);
        prop_assert!(end.is_ok(), "{end:?}");
        prop_assert!(found == expected);
    }

    #[test]
    fn no_bytes_make_the_server_panic_or_invent_more_than_there_are(
        bytes in prop::collection::vec(any::<u8>(), 0..500),
        cuts in prop::collection::vec(1..200_usize, 1..10),
    ) {
        let (found, _) = server_reads(&bytes, &cuts);
        prop_assert!(found.len() <= bytes.len());
    }
}

#[tokio::test]
async fn what_is_written_arrives_in_binary_messages_of_bounded_size() {
    let payload: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
    for buffer in [3, 1_000, 1 << 20] {
        let (mut server, mut wire) = connected(buffer).await;
        let sent = payload.clone();
        let writing = async move {
            server.write_all(&sent[..1]).await.unwrap();
            server.write_all(&sent[1..]).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(writing, wire.read_to_end(&mut received));
        read.unwrap();

        let mut messages = client_receives(received);
        let close = messages.pop();
        assert!(
            matches!(&close, Some(Message::Close(Some(frame))) if u16::from(frame.code) == 1000),
            "{close:?}"
        );
        let mut found = Vec::new();
        for message in messages {
            let Message::Binary(part) = message else {
                panic!("a message is not binary: {message:?}");
            };
            assert!(part.len() <= MAX_PAYLOAD);
            found.extend_from_slice(&part);
        }
        assert!(found == payload, "buffers of {buffer} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_felt_at_once() {
    let (mut server, _wire) = connected(1_000).await;
    let mut taken = 0;
    let writing = async {
        loop {
            taken += server.write(&[7; 100]).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_millis(20), writing).await.is_err());
    assert!((900..=1_000).contains(&taken), "{taken} bytes");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_leaves_although_nothing_more_is_written() {
    let (server, mut wire) = connected(64).await;
    let mut socket = Socket::new(server);
    socket.output.extend_from_slice(&[7; 200]);
    let sending = async {
        loop {
            socket.progress(false).await.unwrap();
        }
    };
    let mut received = [0; 204];
    tokio::select! {
        () = sending => {}
        read = timeout(Duration::from_secs(10), wire.read_exact(&mut received)) => {
            read.expect("all leaves").unwrap();
        }
    }
    assert_eq!(&received[4..], [7; 200]);
    assert_eq!(socket.unwritten(), 0);
}

#[tokio::test]
async fn a_message_is_as_large_as_two_packets_at_most_in_one_frame_or_in_many() {
    let largest = vec![7; 2 * MAX_PACKET];
    let (first, rest) = largest.split_at(MAX_PACKET);
    let more = [rest, &[7]].concat();
    for (frames, fits) in [
        (vec![data(&largest, Data::Binary, true)], true),
        (
            vec![
                data(first, Data::Binary, false),
                data(rest, Data::Continue, true),
            ],
            true,
        ),
        (
            vec![data(&[first, &more].concat(), Data::Binary, true)],
            false,
        ),
        (
            vec![
                data(first, Data::Binary, false),
                data(&more, Data::Continue, false),
            ],
            false,
        ),
    ] {
        let (mut server, mut wire) = connected(64 * 1024).await;
        let sending = async move {
            // A server that closes does not read the rest.
            wire.write_all(&client_sends(frames)).await.ok();
            wire.shutdown().await.ok();
            let mut received = Vec::new();
            wire.read_to_end(&mut received).await.unwrap();
            client_receives(received)
        };
        let reading = async move {
            let mut found = Vec::new();
            let end = server.read_to_end(&mut found).await;
            (found, end.map_err(|error| error.kind()))
        };
        let (messages, (found, end)) = tokio::join!(sending, reading);
        if fits {
            assert_eq!(end, Ok(largest.len()));
            assert!(found == largest && messages.is_empty(), "{messages:?}");
        } else {
            assert_eq!((found.len(), end), (0, Err(io::ErrorKind::InvalidData)));
            assert!(
                matches!(&messages[..], [Message::Close(Some(close))] if u16::from(close.code) == 1009),
                "{messages:?}"
            );
        }
    }
}

#[test]
fn a_small_bound_on_packets_leaves_room_for_many_of_them_in_a_message() {
    assert_eq!(config(1024).max_frame_size, Some(LARGE_MESSAGE));
    assert_eq!(config(1024).max_message_size, Some(LARGE_MESSAGE));
    assert_eq!(config(256 << 20).max_message_size, Some(512 << 20));
}

#[tokio::test]
async fn a_ping_is_answered_between_frames_also_while_the_output_is_full() {
    let (mut server, mut wire) = connected(64).await;
    let mut bytes = raw(0x89, b"first");
    bytes.extend(raw(0x89, b"latest"));
    bytes.extend(raw(0x82, b"data"));
    wire.write_all(&bytes).await.unwrap();
    // A frame of 200 bytes is under way; what is read meanwhile holds the pings.
    let first = server.write(&[1; 200]).await.unwrap();
    let mut read = [0; 64];
    assert_eq!(server.read(&mut read).await.unwrap(), 4);
    assert_eq!(&read[..4], b"data");

    let mut received = Vec::new();
    let rest = async move {
        server.write_all(&[1; 200][first..]).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(rest, wire.read_to_end(&mut received));
    read.unwrap();
    let messages = client_receives(received);
    assert!(
        matches!(&messages[..], [Message::Binary(data), Message::Pong(pong), Message::Pong(latest), Message::Close(_)]
            if data.as_ref() == [1; 200] && pong.as_ref() == b"first" && latest.as_ref() == b"latest"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_ends_both_directions() {
    for (body, code) in [
        (&b""[..], None),
        (b"\x03\xE8", Some(1000)),
        (b"\x0B\xB8why", Some(3000)),
    ] {
        let (mut server, mut wire) = connected(1_000).await;
        wire.write_all(&raw(0x82, b"last")).await.unwrap();
        wire.write_all(&raw(0x88, body)).await.unwrap();
        wire.write_all(&raw(0x82, b"too late")).await.unwrap();
        let mut found = Vec::new();
        server.read_to_end(&mut found).await.unwrap();
        assert_eq!(found, b"last");
        assert_eq!(server.breach(), None);

        // What is written behind a Close is not sent.
        server.write_all(b"too late").await.unwrap();
        server.shutdown().await.unwrap();
        server.linger().await;
        drop(server);
        let mut received = Vec::new();
        wire.read_to_end(&mut received).await.unwrap();
        let messages = client_receives(received);
        let [Message::Close(close)] = &messages[..] else {
            panic!("{messages:?}");
        };
        assert_eq!(close.as_ref().map(|close| u16::from(close.code)), code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_is_waited_for_and_not_for_long() {
    let (mut server, mut wire) = connected(1_000).await;
    server.shutdown().await.unwrap();
    let began = tokio::time::Instant::now();
    wire.write_all(&raw(0x82, b"on its way")).await.unwrap();
    wire.write_all(&raw(0x88, b"\x03\xE8")).await.unwrap();
    server.linger().await;
    assert_eq!(began.elapsed(), Duration::ZERO);

    let (mut server, _wire) = connected(1_000).await;
    server.shutdown().await.unwrap();
    server.linger().await;
    assert_eq!(began.elapsed(), LINGER);
}

#[tokio::test]
async fn what_breaks_a_rule_is_closed_with_the_code_for_it() {
    let unmasked = vec![0x82, 1, b'x'];
    let endless = [&[0x82, 0xFF][..], &[0xFF; 8], &[0; 4]].concat();
    for (bytes, code, name) in [
        (raw(0x81, b"text"), 1003, "a text message"),
        (unmasked, 1002, "no mask"),
        (raw(0xC2, b"x"), 1002, "a compressed message"),
        (raw(0x83, b"x"), 1002, "a reserved opcode"),
        (raw(0x8B, b"x"), 1002, "a reserved control opcode"),
        (raw(0x80, b"x"), 1002, "a continuation of nothing"),
        (
            [raw(0x02, b"x"), raw(0x82, b"y")].concat(),
            1002,
            "a message within another",
        ),
        (raw(0x09, b"x"), 1002, "a ping in parts"),
        (
            [&[0x89, 0xFE, 0, 126, 0, 0, 0, 0][..], &[0; 126]].concat(),
            1002,
            "a ping of 126 bytes",
        ),
        (raw(0x88, b"\x03"), 1002, "half a code"),
        (raw(0x88, b"\x03\xED"), 1002, "a code that is never sent"),
        (endless, 1009, "a length of 64 bits"),
    ] {
        let (mut server, mut wire) = connected(1_000).await;
        wire.write_all(&[raw(0x82, b"good"), bytes].concat())
            .await
            .unwrap();
        let mut found = Vec::new();
        let error = server.read_to_end(&mut found).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
        assert!(server.breach().is_some(), "{name}");
        server.shutdown().await.unwrap();
        drop(server);

        let mut received = Vec::new();
        wire.read_to_end(&mut received).await.unwrap();
        let messages = client_receives(received);
        assert!(
            matches!(&messages[..], [Message::Close(Some(close))] if u16::from(close.code) == code),
            "{name}: {messages:?}"
        );
        assert_eq!(found, b"good", "{name}");
    }
}
