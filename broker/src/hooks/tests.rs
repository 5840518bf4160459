//! What hooks decide, as clients see it.

use std::{
    error::Error,
    future::{pending, ready},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::{
    Broker, Gate, Limits, ListenAddress, ListenerConfig, Rechecker, Secure, Secured, Stream,
    Transport, Web,
    fuzzing::wire::{self, Heard, PUBACK, hear},
    store,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// Hooks that change their mind.
#[derive(Default)]
struct Moody {
    /// A topic that nobody sees.
    hidden: Mutex<Option<&'static str>>,
    /// A filter that nobody may subscribe to.
    closed: Mutex<Option<&'static str>>,
    /// Whether the client `guest` has to go.
    is_over: AtomicBool,
    /// Who has published.
    seen: Mutex<Vec<String>>,
}

/// A principal that is its name.
#[derive(Debug)]
struct Named(String);

impl Principal for Named {}

fn named(name: impl Into<String>) -> Arc<dyn Principal> {
    Arc::new(Named(name.into()))
}

fn name_of(principal: Option<&Arc<dyn Principal>>) -> &str {
    let named = principal.and_then(|principal| principal.downcast_ref::<Named>());
    named.map_or("nobody", |named| &named.0)
}

impl Hooks for Moody {
    fn upgrade(&self, request: &Upgrade<'_>) -> Result<Option<Arc<dyn Principal>>, String> {
        match request.target {
            "/mqtt?signed" => {
                let mut headers = request.headers.iter();
                let host = headers.find(|(name, _)| name.eq_ignore_ascii_case("host"));
                Ok(Some(named(host.map_or("", |(_, host)| *host))))
            }
            "/mqtt?forged" => Err("the signature is another".to_owned()),
            _ => Ok(request.principal.cloned()),
        }
    }

    fn connect<'a>(
        &'a self,
        connecting: Connecting<'a>,
    ) -> Answer<'a, Result<Option<Arc<dyn Principal>>, Reason>> {
        let shown = name_of(connecting.client.principal.as_ref());
        Box::pin(ready(Ok(Some(named(format!(
            "{shown} as {}",
            connecting.client.id
        ))))))
    }

    fn stays(&self, client: &Client) -> bool {
        client.id != "guest" || !self.is_over.load(Ordering::SeqCst)
    }

    fn publish(&self, client: &Client, _: &TopicName) -> Result<Intakes, Reason> {
        let name = name_of(client.principal.as_ref()).to_owned();
        self.seen.lock().unwrap().push(name);
        Ok(Intakes::new())
    }

    fn retain(&self, _: &Client, topic: &TopicName) -> Result<(), Reason> {
        let is_kept = topic.starts_with("kept");
        is_kept.then_some(()).ok_or(Reason::NotAuthorized)
    }

    fn subscribe(&self, _: &Client, filter: &TopicFilter) -> Result<(), Reason> {
        match *self.closed.lock().unwrap() == Some(filter.as_str()) {
            false => Ok(()),
            true => Err(Reason::NotAuthorized),
        }
    }

    fn deliver(&self, _: &Client, topic: &TopicName, _: Option<&Client>) -> bool {
        *self.hidden.lock().unwrap() != Some(topic)
    }
}

/// A broker with one listener.
struct Setting {
    hooks: Arc<Moody>,
    broker: Broker,
    address: std::net::SocketAddr,
    _folder: TempDir,
}

async fn setting(gate: Gate, limits: Limits) -> Setting {
    let folder = TempDir::new().unwrap();
    let hooks = Arc::new(Moody::default());
    let store = store::tests::open(folder.path());
    let mut broker = Broker::open(limits, Arc::clone(&hooks) as _, store).unwrap();
    let address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
    let bound = broker.listen(ListenerConfig::new(address), gate).await;
    Setting {
        address: bound.unwrap().tcp().unwrap(),
        hooks,
        broker,
        _folder: folder,
    }
}

/// A client and what it has not looked at.
struct Device {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Device {
    /// Connects; a session that is kept lasts an hour.
    async fn connect(setting: &Setting, client_id: &str, keeps: bool) -> Device {
        let connect = wire::Connect {
            version: Version::V5,
            client_id,
            clean_start: !keeps,
            keep_alive: 0,
            will: None,
            properties: match keeps {
                true => wire::property(0x11, &3_600_u32.to_be_bytes()),
                false => Vec::new(),
            },
        };
        let mut device = Device {
            stream: TcpStream::connect(setting.address).await.unwrap(),
            unread: Vec::new(),
        };
        device.say(&connect.encode()).await;
        let code = |heard: Heard<'_>| match heard {
            Heard::ConnAck { code, .. } => code,
            other => panic!("{other:?} is no CONNACK"),
        };
        assert_eq!(device.next(code).await, Some(0));
        device
    }

    async fn say(&mut self, packet: &[u8]) {
        self.stream.write_all(packet).await.unwrap();
    }

    /// What `look` makes of the next packet; nothing when the connection is closed.
    async fn next<T>(&mut self, look: impl FnOnce(Heard<'_>) -> T) -> Option<T> {
        loop {
            if let Some((heard, length)) = hear(Version::V5, &self.unread) {
                let seen = look(heard);
                self.unread.drain(..length);
                return Some(seen);
            }
            let reading = self.stream.read_buf(&mut self.unread);
            let read = timeout(DEADLINE, reading).await.expect("it is answered");
            if read.ok()? == 0 {
                return None;
            }
        }
    }

    /// Publishes at QoS 1 and gives the reason of the PUBACK.
    async fn publish(&mut self, topic: &str, retain: bool) -> u8 {
        let publish = wire::Publish {
            dup: false,
            qos: 1,
            retain,
            topic,
            id: 1,
            properties: &[],
            payload: topic.as_bytes(),
        };
        self.say(&publish.encode(Version::V5)).await;
        let code = self.next(|heard: Heard<'_>| match heard {
            Heard::Ack {
                kind: PUBACK, code, ..
            } => code,
            other => panic!("{other:?} is no PUBACK"),
        });
        code.await.expect("it is acknowledged")
    }

    async fn subscribe(&mut self, filter: &str) {
        let subscribe = wire::subscribe(Version::V5, 1, &[(filter, 1)], &[]);
        self.say(&subscribe).await;
        let granted = |heard: Heard<'_>| matches!(heard, Heard::SubAck { codes: [1], .. });
        assert_eq!(self.next(granted).await, Some(true));
    }

    /// The topic of the next packet, which is a message, and acknowledges it.
    async fn topic(&mut self) -> String {
        let seen = self.next(|heard: Heard<'_>| match heard {
            Heard::Publish(publish) => (publish.topic.to_owned(), publish.id),
            other => panic!("{other:?} is no message"),
        });
        let (topic, id) = seen.await.expect("a message comes");
        self.say(&wire::ack(PUBACK, id, 0)).await;
        topic
    }
}

#[tokio::test]
async fn a_client_is_who_its_gate_and_then_its_connect_say() {
    let gate = Gate {
        principal: Some(named("somebody")),
        ..Gate::default()
    };
    let setting = setting(gate, Limits::default()).await;
    let mut device = Device::connect(&setting, "d", false).await;
    assert_eq!(device.publish("t", false).await, 0);
    assert_eq!(*setting.hooks.seen.lock().unwrap(), ["somebody as d"]);
    setting.broker.stop().await;
}

#[tokio::test]
async fn whoever_may_not_stay_is_told_so_and_nobody_else_is_disturbed() {
    for ask in [Rechecker::recheck, Rechecker::expel] {
        let setting = setting(Gate::default(), Limits::default()).await;
        let mut guest = Device::connect(&setting, "guest", false).await;
        let mut other = Device::connect(&setting, "other", false).await;
        let rechecker = setting.broker.rechecker();
        assert_eq!(ask(&rechecker), 0);
        setting.hooks.is_over.store(true, Ordering::SeqCst);
        assert_eq!(ask(&rechecker), 1);
        let told = |heard: Heard<'_>| matches!(heard, Heard::Disconnect { code: 0x87 });
        assert_eq!(guest.next(told).await, Some(true));
        assert_eq!(guest.next(|_: Heard<'_>| ()).await, None);
        assert_eq!(other.publish("t", false).await, 0);
        assert_eq!(setting.broker.counters().connections_expelled, 1);
        setting.broker.stop().await;
    }
}

#[tokio::test]
async fn what_was_decided_about_a_topic_is_forgotten_when_the_rules_change() {
    let setting = setting(Gate::default(), Limits::default()).await;
    let mut subscriber = Device::connect(&setting, "s", false).await;
    subscriber.subscribe("#").await;
    let mut publisher = Device::connect(&setting, "p", false).await;
    assert_eq!(publisher.publish("secret", false).await, 0);
    assert_eq!(subscriber.topic().await, "secret");

    *setting.hooks.hidden.lock().unwrap() = Some("secret");
    setting.broker.rechecker().recheck();
    assert_eq!(publisher.publish("secret", false).await, 0);
    assert_eq!(publisher.publish("open", false).await, 0);
    assert_eq!(subscriber.topic().await, "open");
    setting.broker.stop().await;
}

#[tokio::test]
async fn a_message_that_waited_is_withheld_from_whom_may_not_see_it_any_more() {
    let setting = setting(Gate::default(), Limits::default()).await;
    let mut subscriber = Device::connect(&setting, "s", true).await;
    subscriber.subscribe("#").await;
    drop(subscriber);
    let mut publisher = Device::connect(&setting, "p", false).await;
    for topic in ["open/1", "secret", "open/2"] {
        assert_eq!(publisher.publish(topic, false).await, 0);
    }

    *setting.hooks.hidden.lock().unwrap() = Some("secret");
    let mut subscriber = Device::connect(&setting, "s", true).await;
    assert_eq!(subscriber.topic().await, "open/1");
    assert_eq!(subscriber.topic().await, "open/2");
    assert_eq!(setting.broker.counters().messages_withheld, 1);
    // It is not kept for a better day.
    drop(subscriber);
    *setting.hooks.hidden.lock().unwrap() = None;
    let mut subscriber = Device::connect(&setting, "s", true).await;
    assert_eq!(publisher.publish("open/3", false).await, 0);
    let mut next = subscriber.topic().await;
    while next.starts_with("open") && next != "open/3" {
        next = subscriber.topic().await;
    }
    assert_eq!(next, "open/3");
    setting.broker.stop().await;
}

#[tokio::test]
async fn the_subscriptions_of_a_session_rest_that_who_comes_back_to_it_may_not_make() {
    let setting = setting(Gate::default(), Limits::default()).await;
    let mut device = Device::connect(&setting, "device", true).await;
    for filter in ["news", "$share/group/sports", "weather"] {
        device.subscribe(filter).await;
    }
    let mut other = Device::connect(&setting, "other", false).await;
    for closed in ["news", "$share/group/sports"] {
        drop(device);
        *setting.hooks.closed.lock().unwrap() = Some(closed);
        device = Device::connect(&setting, "device", true).await;
        let topic = closed.rsplit('/').next().unwrap();
        assert_eq!(other.publish(topic, false).await, 0);
        assert_eq!(other.publish("weather", false).await, 0);
        assert_eq!(device.topic().await, "weather");
    }
    *setting.hooks.closed.lock().unwrap() = None;
    drop(device);
    let mut device = Device::connect(&setting, "device", true).await;
    for topic in ["news", "sports", "weather"] {
        assert_eq!(other.publish(topic, false).await, 0);
        assert_eq!(device.topic().await, topic);
    }
    setting.broker.stop().await;
}

#[tokio::test]
async fn a_message_that_may_not_be_retained_is_refused_and_not_published_otherwise() {
    let setting = setting(Gate::default(), Limits::default()).await;
    let mut device = Device::connect(&setting, "d", false).await;
    device.subscribe("#").await;
    assert_eq!(device.publish("other", true).await, 0x87);
    let publish = wire::Publish {
        dup: false,
        qos: 0,
        retain: true,
        topic: "kept",
        id: 0,
        properties: &[],
        payload: b"x",
    };
    device.say(&publish.encode(Version::V5)).await;
    assert_eq!(device.topic().await, "kept");
    setting.broker.stop().await;
}

/// Sends a request and gives the whole answer.
async fn answer(setting: &Setting, request: &str) -> String {
    let mut stream = TcpStream::connect(setting.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn upgrade_to(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

#[tokio::test]
async fn a_request_for_a_websocket_may_be_refused_with_the_reason() {
    let setting = setting(Gate::default(), Limits::default()).await;
    let refused = answer(&setting, &upgrade_to("/mqtt?forged")).await;
    assert!(
        refused.starts_with("HTTP/1.1 403 Forbidden\r\n"),
        "{refused}"
    );
    assert!(refused.ends_with("the signature is another\n"), "{refused}");
    let taken = answer(&setting, &upgrade_to("/mqtt?signed")).await;
    assert!(taken.starts_with("HTTP/1.1 101 "), "{taken}");
    setting.broker.stop().await;
}

/// Says what it was asked.
struct Echo;

impl Web for Echo {
    fn serve(
        &self,
        mut stream: Box<dyn Stream>,
        _: Peer,
        principal: Option<Arc<dyn Principal>>,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut request = String::new();
            stream.read_to_string(&mut request).await.unwrap();
            let answer = format!("{} asks {request}", name_of(principal.as_ref()));
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
    }
}

#[tokio::test]
async fn requests_that_are_not_about_mqtt_go_to_the_web_with_all_that_was_read() {
    let gate = Gate {
        web: Some(Arc::new(Echo)),
        principal: Some(named("somebody")),
        ..Gate::default()
    };
    let setting = setting(gate, Limits::default()).await;
    let request = "GET /elsewhere HTTP/1.1\r\n\r\nand more";
    let answered = answer(&setting, request).await;
    assert_eq!(answered, format!("somebody asks {request}"));
    let taken = answer(&setting, &upgrade_to("/mqtt")).await;
    assert!(taken.starts_with("HTTP/1.1 101 "), "{taken}");
    setting.broker.stop().await;
}

/// A handshake that is the client's first byte: `+` is good, `-` is bad, and others are too few.
struct Picky;

impl Secure for Picky {
    fn secure(
        &self,
        mut transport: Transport,
        _: Peer,
    ) -> Answer<'_, Result<Secured, Box<dyn Error + Send + Sync>>> {
        Box::pin(async move {
            match transport.read_u8().await? {
                b'+' => Ok(Secured {
                    stream: Box::new(transport),
                    principal: Some(named("plus")),
                    application: None,
                }),
                b'-' => Err("it is negative".into()),
                _ => pending().await,
            }
        })
    }
}

#[tokio::test]
async fn a_connection_is_served_when_it_is_secure_and_not_before() {
    let gate = Gate {
        secure: Some(Arc::new(Picky)),
        principal: Some(named("nobody in particular")),
        ..Gate::default()
    };
    let limits = Limits {
        connect_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let setting = setting(gate, limits).await;
    assert_eq!(answer(&setting, "-").await, "");
    assert_eq!(setting.broker.counters().tls_handshakes_failed, 1);
    // One that does not come to an end is closed when its time is over.
    assert_eq!(answer(&setting, "?").await, "");
    assert_eq!(setting.broker.counters().tls_handshakes_failed, 1);
    assert_eq!(setting.broker.counters().connections_failed, 2);

    let mut stream = TcpStream::connect(setting.address).await.unwrap();
    let connect = wire::Connect {
        version: Version::V5,
        client_id: "d",
        clean_start: true,
        keep_alive: 0,
        will: None,
        properties: Vec::new(),
    };
    let packets = [b"+".as_slice(), &connect.encode()].concat();
    stream.write_all(&packets).await.unwrap();
    let mut device = Device {
        stream,
        unread: Vec::new(),
    };
    let accepted = |heard: Heard<'_>| matches!(heard, Heard::ConnAck { code: 0, .. });
    assert_eq!(device.next(accepted).await, Some(true));
    assert_eq!(device.publish("t", false).await, 0);
    assert_eq!(*setting.hooks.seen.lock().unwrap(), ["plus as d"]);
    setting.broker.stop().await;
}
