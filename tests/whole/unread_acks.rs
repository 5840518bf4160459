//! A publisher that does not read its acknowledgements is not read from.

use std::{
    io::{ErrorKind, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use tokio::{net::TcpSocket, runtime::Builder};

use crate::support::{
    alone,
    gateway::Gateway,
    version::Version::V311,
    wait::pause,
    wire::{self, Wire},
};

/// As long as not a byte is taken, the publisher counts as not read from.
const STANDSTILL: Duration = Duration::from_secs(2);

/// More than all buffers on the way hold.
const TOO_MUCH: usize = 256 << 20;

/// What the process may grow by meanwhile.
const GROWTH: u64 = 16 << 20;

#[test]
fn a_publisher_that_reads_no_acknowledgements_is_not_read_from_and_others_are_served() {
    let _alone = alone();
    let gateway = Gateway::start("");
    let mut other = Wire::connect(gateway.address(), V311, "other");
    other.subscribe(V311, "other", 0);
    let stream = connect_with_small_buffer(gateway.address());
    let mut deaf = Wire::over(stream.try_clone().expect("a socket is cloned"));
    deaf.greet(V311, "deaf");
    let before = gateway.resident_bytes();

    let publishes: Vec<u8> = (1..=10_000)
        .flat_map(|id| wire::publish(V311, 1, id, b"t", b""))
        .collect();
    let sent = write_until_standstill(&stream, &publishes);
    let grown = gateway.resident_bytes().saturating_sub(before);
    println!(
        "not read from after {} KiB; grown by {} KiB",
        sent >> 10,
        grown >> 10
    );
    assert!(grown < GROWTH, "grown by {grown} bytes");

    other.send(&wire::publish(V311, 0, 0, b"other", b"served"));
    assert!(
        other
            .expect("a message of the other")
            .body
            .ends_with(b"served")
    );

    // Reading helps: the rest is taken, and every publish is acknowledged in its order.
    stream.set_nonblocking(false).expect("a socket option");
    let size = wire::publish(V311, 1, 1, b"t", b"").len();
    let rest = &publishes[sent % publishes.len()..];
    let rest = &rest[..rest.len() % size];
    let count = (sent + rest.len()) / size;
    thread::scope(|scope| {
        scope.spawn(|| (&stream).write_all(rest).expect("the rest is taken"));
        for number in 0..count {
            let ack = deaf.expect("PUBACK");
            let wanted = (number % 10_000) as u16 + 1;
            assert_eq!(
                (ack.first, wire::acknowledged(&ack)),
                (0x40, wanted),
                "publish {number}"
            );
        }
    });
}

/// Writes `bytes` over and over until nothing more is taken; how many bytes were.
fn write_until_standstill(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    stream.set_nonblocking(true).expect("a socket option");
    let mut sent = 0;
    let mut moved = Instant::now();
    while moved.elapsed() < STANDSTILL {
        match stream.write(&bytes[sent % bytes.len()..]) {
            Ok(count) => {
                sent += count;
                moved = Instant::now();
                assert!(sent < TOO_MUCH, "{sent} bytes were taken without an end");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                pause(Duration::from_millis(10));
            }
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
    sent
}

/// A connection whose client can hold few acknowledgements.
fn connect_with_small_buffer(address: SocketAddr) -> TcpStream {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect(address).await?.into_std()
    });
    let stream = stream.expect("the gateway takes connections");
    stream.set_nonblocking(false).expect("a socket option");
    stream
}
