//! How clients publish, to the end or cut off on the way.

use tokio::task::yield_now;

use super::{
    client::Answer,
    model::Message,
    steps::{Point, Restart, Sent, TOPICS, version},
    world::World,
};
use crate::fuzzing::wire::{self, PINGREQ, PUBACK, PUBCOMP, PUBREC, PUBREL};

impl World {
    pub(super) async fn publish(&mut self, client: usize, messages: &[Sent]) {
        let (mut packets, mut awaited) = (Vec::new(), Vec::new());
        for sent in messages {
            // Empty messages look alike, so that one that comes again could be any of them.
            let qos = if sent.is_empty { 0 } else { sent.qos };
            let mut message = self.model.message(client, TOPICS[sent.topic], qos);
            message.retain = sent.retain;
            if sent.is_empty {
                message.payload.clear();
            }
            self.model.publish(&message);
            let id = self.clients[client].next_id();
            packets.extend(World::encode(&message, id, false));
            match qos {
                0 => {}
                1 => awaited.push((PUBACK, id)),
                _ => awaited.push((PUBREC, id)),
            }
        }
        packets.extend(PINGREQ);
        self.clients[client].say(&packets).await;
        // PINGRESP may overtake what waits for the disk.
        let mut pings = 1;
        while pings > 0 || !awaited.is_empty() {
            match self.answer(client).await {
                Answer::PingResp => pings -= 1,
                Answer::Ack { kind, id, code } => {
                    assert_eq!(code & 0x80, 0, "a publish was refused");
                    let (next, released) = match kind {
                        PUBREC => (Some((PUBCOMP, id)), true),
                        _ => (None, false),
                    };
                    // PUBACK and PUBREC come in the order of their publishes each.
                    let place = awaited.iter().position(|(awaited, _)| *awaited == kind);
                    let place = place.expect("it is awaited");
                    assert_eq!(awaited.remove(place), (kind, id));
                    awaited.extend(next);
                    if released {
                        self.clients[client].say(&wire::ack(PUBREL, id, 0)).await;
                    }
                }
                other => panic!("{other:?} was not asked for"),
            }
        }
        if messages.iter().any(|sent| sent.retain) {
            // At QoS 0 nobody is told that a retained message is on disk.
            self.broker().sync().await;
        }
    }

    pub(super) async fn publish_interrupted(
        &mut self,
        client: usize,
        topic: &str,
        qos: u8,
        at: Point,
        restart: Option<Restart>,
    ) {
        let message = self.model.message(client, topic, qos);
        let id = self.clients[client].next_id();
        self.clients[client]
            .say(&World::encode(&message, id, false))
            .await;
        self.model.may_publish(&message);
        let mut is_received = false;
        match at {
            Point::Written => {}
            Point::Received | Point::Released if qos == 2 => {
                self.expect_ack(client, PUBREC, id).await;
                is_received = true;
                if at == Point::Released {
                    self.clients[client].say(&wire::ack(PUBREL, id, 0)).await;
                }
            }
            _ => {
                for _ in 0..3 {
                    yield_now().await;
                }
            }
        }
        if is_received {
            self.model.has_published(&message);
        }
        self.vanish(client);
        if let Some(how) = restart {
            self.restart(how).await;
        }
        let is_left = self.model.sessions.contains_key(&client);
        self.connect(client, false, true, 0).await;
        if !is_left {
            return;
        }
        if !is_received {
            self.model.has_published(&message);
            self.model.publish_again(&message);
            self.clients[client]
                .say(&World::encode(&message, id, true))
                .await;
            let kind = if qos == 1 { PUBACK } else { PUBREC };
            self.expect_ack(client, kind, id).await;
        }
        if qos == 2 {
            self.clients[client].say(&wire::ack(PUBREL, id, 0)).await;
            self.expect_ack(client, PUBCOMP, id).await;
        }
    }

    async fn expect_ack(&mut self, client: usize, kind: u8, id: u16) {
        match self.answer(client).await {
            Answer::Ack {
                kind: came, id: of, ..
            } => assert_eq!((came, of), (kind, id)),
            other => panic!("{other:?} is no acknowledgement"),
        }
    }

    fn encode(message: &Message, id: u16, dup: bool) -> Vec<u8> {
        let publish = wire::Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic: &message.topic,
            id,
            properties: &[],
            payload: message.payload.as_bytes(),
        };
        publish.encode(version(message.publisher))
    }
}
