//! Listeners and admission from within: what is counted, and what is left behind.

use std::{fs, future::ready, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use perennial_rules::{TopicFilter, TopicName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::*;
use crate::{
    broker::Broker,
    codec::Reason,
    core::Core,
    hooks::{Answer, Client, Connecting, Hooks, Intakes, Principal},
    limits::Limits,
    peer::Peer,
    store::{Durability, Store, StoreConfig},
};

/// Lets everybody do everything, and panics when `panic` connects.
struct Fragile;

impl Hooks for Fragile {
    fn connect<'a>(
        &'a self,
        connecting: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        assert_ne!(connecting.client.id, "panic", "this one is too much");
        Box::pin(ready(Ok(None)))
    }

    fn publish(&self, _: &Client, _: &TopicName) -> Result<Intakes, Reason> {
        Ok(Intakes::new())
    }

    fn retain(&self, _: &Client, _: &TopicName) -> Result<(), Reason> {
        Ok(())
    }

    fn subscribe(&self, _: &Client, _: &TopicFilter) -> Result<(), Reason> {
        Ok(())
    }

    fn deliver(&self, _: &Client, _: &TopicName, _: Option<&Client>) -> bool {
        true
    }
}

fn store(folder: &TempDir) -> Store {
    let config = StoreConfig {
        path: folder.path().join("store"),
        durability: Durability::Os,
        memory: StoreConfig::MEMORY,
    };
    Store::open(config).unwrap()
}

fn any_port() -> ListenerConfig {
    ListenerConfig::new(ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()))
}

/// CONNECT of MQTT 3.1.1 with a clean session.
fn connect(client_id: &str) -> Vec<u8> {
    let length = client_id.len() as u8;
    let mut packet = vec![0x10, 12 + length, 0, 4];
    packet.extend_from_slice(b"MQTT\x04\x02\0\0\0");
    packet.push(length);
    packet.extend_from_slice(client_id.as_bytes());
    packet
}

/// What a client hears until it has four bytes or the connection is closed.
async fn heard(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < 4
        && stream
            .read_buf(&mut answer)
            .await
            .is_ok_and(|read| read > 0)
    {}
    answer
}

/// A broker, and where it takes connections.
async fn listening(folder: &TempDir, limits: Limits) -> (Broker, SocketAddr) {
    let mut broker = Broker::open(limits, Arc::new(Fragile), store(folder)).unwrap();
    let bound = broker.listen(any_port(), Gate::default()).await.unwrap();
    (broker, bound.tcp().unwrap())
}

#[tokio::test]
async fn a_panic_in_a_connections_task_closes_that_connection_and_no_other() {
    let folder = TempDir::new().unwrap();
    let (broker, address) = listening(&folder, Limits::default()).await;
    let mut calm = TcpStream::connect(address).await.unwrap();
    calm.write_all(&connect("calm")).await.unwrap();
    assert_eq!(heard(&mut calm).await, [0x20, 2, 0, 0]);

    let mut panicking = TcpStream::connect(address).await.unwrap();
    panicking.write_all(&connect("panic")).await.unwrap();
    assert_eq!(heard(&mut panicking).await, []);
    assert_eq!(broker.counters().connections_panicked, 1);

    calm.write_all(&[0xC0, 0, 0xC0, 0]).await.unwrap();
    assert_eq!(heard(&mut calm).await, [0xD0, 0, 0xD0, 0]);
    let mut next = TcpStream::connect(address).await.unwrap();
    next.write_all(&connect("next")).await.unwrap();
    assert_eq!(heard(&mut next).await, [0x20, 2, 0, 0]);
    broker.stop().await;
}

/// Admission within `limits`, and what it counts in.
fn admission(folder: &TempDir, limits: Limits) -> (Arc<Admission>, Arc<Core>) {
    let core = Arc::new(Core::open(limits, Arc::new(Fragile), store(folder)).unwrap());
    (Arc::new(Admission::new(Arc::clone(&core))), core)
}

fn peer(address: &str) -> Peer {
    Peer::Ip(address.parse().unwrap())
}

#[tokio::test]
async fn an_address_has_its_own_bound_whether_it_is_mapped_to_ipv6_or_not() {
    let folder = TempDir::new().unwrap();
    let (admission, core) = admission(
        &folder,
        Limits {
            max_connections_per_address: 2,
            ..Limits::default()
        },
    );
    let now = Instant::now();
    let first = admission.admit(peer("192.0.2.1:1"), now).unwrap();
    let _second = admission.admit(peer("[::ffff:192.0.2.1]:2"), now).unwrap();
    assert!(admission.admit(peer("192.0.2.1:3"), now).is_none());
    assert!(admission.admit(peer("192.0.2.2:1"), now).is_some());
    // A Unix socket has no address.
    assert!((0..9).all(|_| admission.admit(Peer::Unix, now).is_some()));
    assert_eq!(core.counters.snapshot().connections_refused_address, 1);
    drop(first);
    assert!(admission.admit(peer("192.0.2.1:4"), now).is_some());
}

#[tokio::test]
async fn addresses_without_connections_and_refused_connections_leave_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let (admission, core) = admission(
        &folder,
        Limits {
            max_connections: 10,
            connect_rate: 1,
            ..Limits::default()
        },
    );
    let now = Instant::now();
    for port in 1..=100 {
        admission.admit(peer(&format!("[2001:db8::{port}]:{port}")), now);
    }
    // Each of them comes seldom, for which there is one more in a second.
    assert_eq!(core.counters.snapshot().connections_refused_rate, 89);
    assert!(admission.is_empty());
}

#[tokio::test]
async fn all_places_may_be_taken_but_not_by_those_who_are_silent() {
    let folder = TempDir::new().unwrap();
    let (admission, core) = admission(
        &folder,
        Limits {
            max_connections: 2,
            ..Limits::default()
        },
    );
    let now = Instant::now() + Duration::from_secs(60);
    let (_place, handshake) = admission.admit(peer("192.0.2.1:1"), now).unwrap();
    drop(handshake);
    let (_silent, mut waiting) = admission.admit(peer("192.0.2.1:2"), now).unwrap();

    let soon = now + Duration::from_millis(900);
    assert!(admission.admit(peer("192.0.2.2:1"), soon).is_none());
    let later = now + Duration::from_millis(1_100);
    let (_newest, handshake) = admission.admit(peer("192.0.2.2:1"), later).unwrap();
    drop(handshake);
    let cut = waiting.limit(std::future::pending::<()>()).await;
    assert_eq!(cut, Err(handshakes::Cut::Evicted));
    // Nobody is silent any more.
    let much_later = now + Duration::from_secs(9);
    assert!(admission.admit(peer("192.0.2.2:2"), much_later).is_none());
    let counted = core.counters.snapshot();
    let refused = counted.connections_refused_limit;
    assert_eq!((refused, counted.handshakes_evicted), (2, 1));
}

#[tokio::test]
async fn a_handshake_beyond_the_bound_takes_the_place_of_the_oldest() {
    let folder = TempDir::new().unwrap();
    let limits = Limits {
        max_handshakes: 2,
        ..Limits::default()
    };
    let (broker, address) = listening(&folder, limits).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    for evicted in &mut silent[..2] {
        assert_eq!(heard(evicted).await, []);
    }
    assert_eq!(broker.counters().handshakes_evicted, 2);
    for (index, waiting) in silent[2..].iter_mut().enumerate() {
        waiting
            .write_all(&connect(&index.to_string()))
            .await
            .unwrap();
        assert_eq!(heard(waiting).await, [0x20, 2, 0, 0]);
    }
    broker.stop().await;
}

#[tokio::test]
async fn what_strangers_have_sent_has_a_bound_and_those_who_sent_most_go_first() {
    const GREEDY: usize = 24;
    let folder = TempDir::new().unwrap();
    let (broker, address) = listening(&folder, Limits::default()).await;
    // Most of a CONNECT, which may have nearly 1 MiB: together more than 16 MiB.
    let mut packet = vec![0x10, 0xC0, 0x84, 0x3D];
    packet.resize(1_000_000, 0);
    let mut small = TcpStream::connect(address).await.unwrap();
    let (half, rest) = (connect("small"), connect("small").split_off(7));
    small.write_all(&half[..7]).await.unwrap();
    let mut greedy = JoinSet::new();
    for _ in 0..GREEDY {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let packet = packet.clone();
        greedy.spawn(async move {
            // One that is closed has not sent all of it.
            stream.write_all(&packet).await.ok();
            heard(&mut stream).await
        });
    }
    for _ in 0..GREEDY - 17 {
        let ended = timeout(Duration::from_secs(30), greedy.join_next()).await;
        let ended = ended.expect("those beyond the bound are closed");
        assert_eq!(ended.unwrap().unwrap(), []);
    }
    assert!(broker.counters().handshakes_evicted >= 7);
    small.write_all(&rest).await.unwrap();
    assert_eq!(heard(&mut small).await, [0x20, 2, 0, 0]);
    greedy.shutdown().await;
    broker.stop().await;
}

#[tokio::test]
async fn a_socket_file_is_private_and_goes_with_the_listener() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mqtt.sock");
    let mut broker = Broker::open(Limits::default(), Arc::new(Fragile), store(&folder)).unwrap();
    let config = ListenerConfig::new(ListenAddress::unix(&path));
    let bound = broker.listen(config, Gate::default()).await.unwrap();
    assert_eq!(bound, Bound::Unix(path.clone()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(&connect("local")).await.unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    broker.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn only_what_a_dead_process_left_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mqtt.sock");
    let address = ListenAddress::Unix {
        path: path.clone(),
        mode: 0o660,
    };
    // A socket that nobody listens on is what a killed process leaves.
    drop(UnixListener::bind(&path).unwrap());
    let listener = Listener::bind(&address).await.unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );

    let Err(error) = Listener::bind(&address).await else {
        panic!("two listen on one path");
    };
    assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    assert!(UnixStream::connect(&path).await.is_ok());
    drop(listener);
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    let Err(error) = Listener::bind(&address).await else {
        panic!("a file was replaced");
    };
    assert!(error.source.to_string().contains("not a socket"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn a_socket_file_that_another_process_has_made_since_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mqtt.sock");
    let listener = Listener::bind(&ListenAddress::unix(&path)).await.unwrap();
    // A rename, so that the number of the first file is not given away again.
    fs::rename(&path, folder.path().join("old.sock")).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
}
