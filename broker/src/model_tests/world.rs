//! The clients, what they do, and the model beside them.

use std::time::Duration;

use perennial_rules::TopicName;
use tokio::task::yield_now;

use super::{
    client::{Answer, Client, News, got},
    model::{Model, Subscription},
    running::Running,
    steps::{Asked, CLIENTS, Case, EXPIRY, FILTERS, Restart, Step, TOPICS, version},
};
use crate::{
    clock::ahead,
    codec::{QoS, Version},
    fuzzing::{
        folder,
        wire::{self, Connect, PINGREQ, property},
    },
    inbound::publish_internal,
    limits::Limits,
    sessions::visit_due,
};

pub(super) struct World {
    /// There is none while it begins again.
    broker: Option<Running>,
    limits: Limits,
    pub(super) clients: Vec<Client>,
    pub(super) model: Model,
    checks: usize,
    /// The number of the last check whose sign each client has seen.
    seen: [usize; CLIENTS],
}

impl World {
    pub(super) fn open(case: &Case) -> World {
        let limits = Limits {
            mailbox_messages: if case.small_mailboxes { 3 } else { 10_000 },
            sys_interval: Duration::ZERO,
            ..Limits::default()
        };
        let folder = folder();
        World {
            broker: Some(Running::open(folder, limits.clone())),
            limits,
            clients: (0..CLIENTS)
                .map(|client| Client::new(version(client)))
                .collect(),
            model: Model::default(),
            checks: 0,
            seen: [0; CLIENTS],
        }
    }

    /// Takes a step; one that needs a connection is left out without one.
    pub(super) async fn take(&mut self, step: &Step) {
        match *step {
            Step::Connect {
                client,
                clean,
                lasts,
                receive_maximum,
            } => {
                self.connect(client, clean, lasts, receive_maximum).await;
            }
            Step::Pass(seconds) => self.pass(seconds).await,
            Step::Restart(how) => self.restart(how).await,
            Step::Check => self.check().await,
            Step::Subscribe { client, .. }
            | Step::Unsubscribe { client, .. }
            | Step::Publish { client, .. }
            | Step::Interrupted { client, .. }
            | Step::Listen { client }
            | Step::Hold { client }
            | Step::Release { client, .. }
            | Step::Leave { client, .. }
            | Step::Vanish { client }
                if !self.clients[client].is_connected() => {}
            Step::Subscribe {
                client,
                ref filters,
            } => self.subscribe(client, filters).await,
            Step::Unsubscribe { client, filter } => self.unsubscribe(client, FILTERS[filter]).await,
            Step::Publish {
                client,
                ref messages,
            } => self.publish(client, messages).await,
            Step::Interrupted {
                client,
                topic,
                qos,
                at,
                restart,
            } => {
                self.publish_interrupted(client, TOPICS[topic], qos, at, restart)
                    .await;
            }
            Step::Listen { client } => self.listen(client).await,
            Step::Hold { client } => self.clients[client].is_holding = true,
            Step::Release {
                client,
                most,
                backwards,
            } => {
                self.clients[client].release(most, backwards).await;
            }
            Step::Leave { client, lasts } => self.leave(client, lasts).await,
            Step::Vanish { client } => self.vanish(client),
        }
    }

    /// Everybody whose session is left comes back and gets what is owed, and what is retained
    /// is what the model says.
    pub(super) async fn finish(&mut self) {
        for client in 0..CLIENTS {
            if !self.clients[client].is_connected() && self.model.sessions.contains_key(&client) {
                self.connect(client, false, true, 0).await;
            }
        }
        self.check().await;
        let inspector = 1;
        self.connect(inspector, true, false, 0).await;
        let asked = [FILTERS.len() - 2, 0].map(|filter| Asked {
            filter,
            qos: 2,
            no_local: false,
            retain_as_published: false,
            retain_handling: 0,
        });
        self.subscribe(inspector, &asked).await;
        self.check().await;
    }

    pub(super) async fn connect(
        &mut self,
        client: usize,
        clean: bool,
        lasts: bool,
        receive_maximum: u16,
    ) {
        let version = version(client);
        let expiry = match version {
            Version::V5 => Some(if lasts { EXPIRY } else { 0 }),
            _ => clean.then_some(0),
        };
        let mut properties = property(0x11, &expiry.unwrap_or(0).to_be_bytes());
        if receive_maximum > 0 {
            properties.extend(property(0x21, &receive_maximum.to_be_bytes()));
        }
        let connect = Connect {
            version,
            client_id: &format!("client {client}"),
            clean_start: clean,
            keep_alive: 0,
            will: None,
            properties,
        };
        let receive_maximum = if version == Version::V5 {
            receive_maximum
        } else {
            0
        };
        let stream = self.broker().connect();
        // The connection before is there until the new one has taken its place.
        let earlier = self.clients[client].connect(stream, receive_maximum);
        let session_present = self.model.connect(client, clean, expiry);
        self.clients[client].say(&connect.encode()).await;
        let News::Answer(first) = self.hear(client).await else {
            panic!("something comes before CONNACK");
        };
        let accepted = Answer::ConnAck {
            session_present,
            code: 0,
        };
        assert_eq!(first, accepted, "to client {client}");
        drop(earlier);
        if !session_present {
            self.clients[client].forget();
            let sign = format!("$check/{client}");
            let subscribe = wire::subscribe(version, 1, &[(&sign, 1)], &[]);
            self.clients[client].say(&subscribe).await;
            let answer = self.answer(client).await;
            assert_eq!(answer, Answer::SubAck(vec![1]));
        }
    }

    async fn subscribe(&mut self, client: usize, filters: &[Asked]) {
        let version = version(client);
        self.check_one(client).await;
        let mut packet = Vec::new();
        for asked in filters {
            let (name, mut options) = (FILTERS[asked.filter], asked.qos);
            let mut subscription = Subscription {
                qos: asked.qos,
                no_local: false,
                retain_as_published: false,
            };
            let mut retain_handling = 0;
            if version == Version::V5 {
                options |= u8::from(asked.no_local) << 2
                    | u8::from(asked.retain_as_published) << 3
                    | asked.retain_handling << 4;
                subscription.no_local = asked.no_local;
                subscription.retain_as_published = asked.retain_as_published;
                retain_handling = asked.retain_handling;
            }
            packet.push((name, options));
            self.model
                .subscribe(client, name, subscription, retain_handling);
        }
        let id = self.clients[client].next_id();
        let packet = wire::subscribe(version, id, &packet, &[]);
        self.clients[client].say(&packet).await;
        let granted = filters.iter().map(|asked| asked.qos).collect();
        assert_eq!(self.answer(client).await, Answer::SubAck(granted));
        while self.model.awaits_retained(client) {
            let news = self.hear(client).await;
            assert!(self.note(client, news).is_none(), "nothing was asked");
        }
        // The broker looks for retained messages as long as it takes, also over another
        // connection and after a restart: two turns for each filter are enough.
        for _ in 0..2 * filters.len() + 2 {
            self.ping(client).await;
        }
        self.broker().sync().await;
    }

    async fn unsubscribe(&mut self, client: usize, filter: &str) {
        let session = self.model.sessions.get_mut(&client);
        session
            .expect("it is connected")
            .subscriptions
            .remove(filter);
        let id = self.clients[client].next_id();
        let packet = wire::unsubscribe(version(client), id, &[filter]);
        self.clients[client].say(&packet).await;
        assert_eq!(self.answer(client).await, Answer::UnsubAck);
    }

    async fn leave(&mut self, client: usize, lasts: Option<bool>) {
        let version = version(client);
        let session = self.model.sessions.get_mut(&client);
        let session = session.expect("it is connected");
        let mut expiry = None;
        // A session that was to end cannot be made to last.
        if version == Version::V5 && session.expiry != Some(0) {
            expiry = lasts.map(|lasts| if lasts { EXPIRY } else { 0 });
            session.expiry = expiry.or(session.expiry);
        }
        let disconnect = wire::disconnect(version, 0, expiry);
        self.clients[client].say(&disconnect).await;
        // What the broker sends before it has read that still counts.
        loop {
            match self.hear(client).await {
                News::Closed => break,
                news => assert!(self.note(client, news).is_none(), "nothing was asked"),
            }
        }
        self.vanish(client);
        // Nobody is told that the end of a session is on disk.
        self.broker().sync().await;
    }

    pub(super) fn vanish(&mut self, client: usize) {
        self.clients[client].disconnect();
        self.model.disconnect(client);
    }

    pub(super) async fn restart(&mut self, how: Restart) {
        let broker = self.broker.take().expect("there is a broker");
        let folder = broker.end(how).await;
        self.clients.iter_mut().for_each(Client::disconnect);
        self.model.restart();
        self.broker = Some(Running::open(folder, self.limits.clone()));
        // That connections were lost is on disk, and the time of their sessions runs from here.
        self.broker().sync().await;
    }

    async fn pass(&mut self, seconds: u64) {
        let connected = self.clients.iter().filter(|client| client.is_connected());
        let connected = connected.count();
        self.broker().notice(connected).await;
        ahead::pass(Duration::from_secs(seconds));
        visit_due(&self.broker().core).await;
        self.model.pass(seconds);
    }

    async fn listen(&mut self, client: usize) {
        for _ in 0..5 {
            yield_now().await;
        }
        while let Some(news) = self.clients[client].hear(false).await {
            assert!(self.note(client, news).is_none(), "nothing was asked");
        }
    }

    /// Every client that is connected has what it is owed.
    ///
    /// A sign is sent to each behind all messages. At QoS 0 they may follow it by one turn of
    /// the connection, so that the client asks twice whether there is more.
    async fn check(&mut self) {
        for client in 0..CLIENTS {
            if self.clients[client].is_connected() {
                self.check_one(client).await;
            }
        }
    }

    async fn check_one(&mut self, client: usize) {
        self.checks += 1;
        {
            self.clients[client].release_all().await;
            let topic = TopicName::parse(format!("$check/{client}")).unwrap();
            let sign = self.checks.to_string();
            let core = &self.broker().core;
            publish_internal(topic, sign.as_bytes(), QoS::AtLeastOnce, core).unwrap();
            while self.seen[client] < self.checks {
                let news = self.hear(client).await;
                assert!(self.note(client, news).is_none(), "nothing was asked");
            }
            self.ping(client).await;
            self.ping(client).await;
            let little_room = self.limits.mailbox_messages < 10_000;
            self.model.check(client, little_room);
        }
    }

    async fn ping(&mut self, client: usize) {
        self.clients[client].say(&PINGREQ).await;
        assert_eq!(self.answer(client).await, Answer::PingResp);
    }

    /// The next answer to a client; messages before it are noted.
    pub(super) async fn answer(&mut self, client: usize) -> Answer {
        loop {
            let news = self.hear(client).await;
            if let Some(answer) = self.note(client, news) {
                return answer;
            }
        }
    }

    /// The next that a client hears, which has to come.
    async fn hear(&mut self, client: usize) -> News {
        let news = self.clients[client].hear(true).await;
        news.unwrap_or_else(|| {
            let session = self.model.sessions.get(&client);
            panic!("client {client} hears nothing; its session: {session:#?}")
        })
    }

    /// Takes what a client has heard; gives answers back.
    fn note(&mut self, client: usize, news: News) -> Option<Answer> {
        match news {
            News::Answer(answer) => return Some(answer),
            News::Routine => {}
            News::Closed => panic!("the connection of client {client} was closed"),
            News::Message(packet) => {
                let got = got(version(client), &packet);
                if got.topic.starts_with("$check/") {
                    self.seen[client] = got.payload.parse().unwrap();
                } else {
                    self.model.deliver(client, &got);
                }
            }
        }
        None
    }

    pub(super) fn broker(&mut self) -> &mut Running {
        self.broker.as_mut().expect("there is a broker")
    }
}
