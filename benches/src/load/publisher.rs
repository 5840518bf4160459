//! One publisher: it sends what its windows let out, and no more.

use std::{
    io,
    time::{Duration, Instant},
};

use super::Publishers;
use crate::{
    client::Client,
    inbox::Packet,
    wire::{Frame, broken, packet_id},
};

pub(super) struct Publisher {
    pub(super) client: Client,
    index: u16,
    plan: Publishers,
    frame: Frame,
    quota: u64,
    pub(super) sent: u64,
    acknowledged: u64,
    /// Messages that nobody waits for any more.
    lost: u64,
    /// When the last acknowledgement came.
    pub(super) news: Duration,
}

impl Publisher {
    pub(super) fn new(client: Client, plan: Publishers, index: u16) -> Self {
        let frame = Frame::new(plan.topic, false, plan.qos, plan.payload, 0, index);
        let news = Duration::ZERO;
        Self {
            client,
            index,
            plan,
            frame,
            quota: 0,
            sent: 0,
            acknowledged: 0,
            lost: 0,
            news,
        }
    }

    pub(super) fn begin(&mut self, run: u8, quota: u64, fresh_topics: bool) {
        let Publishers {
            qos,
            payload,
            topic,
            one_topic,
            ..
        } = self.plan;
        let topic = if one_topic {
            topic.to_owned()
        } else {
            format!("{topic}/{}", self.index)
        };
        self.frame = Frame::new(&topic, fresh_topics, qos, payload, run, self.index);
        (self.quota, self.sent, self.acknowledged, self.lost) = (quota, 0, 0, 0);
        self.news = Duration::ZERO;
    }

    /// False once all that it is to send has been sent.
    pub(super) fn has_quota(&self) -> bool {
        self.sent < self.quota
    }

    pub(super) fn unacknowledged(&self) -> u64 {
        if self.plan.qos == 0 {
            0
        } else {
            self.sent - self.acknowledged
        }
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        self.unacknowledged() == 0
    }

    /// Counts as lost what the slowest subscriber, which has got `received`, is without.
    pub(super) fn give_back_lead(&mut self, received: u64) {
        self.lost = self.sent.saturating_sub(received);
    }

    /// Publishes as many messages as the windows let out; `lead` is how many the slowest subscriber
    /// may be without, and how many it has got.
    pub(super) fn publish(&mut self, lead: Option<(u64, u64)>) -> io::Result<()> {
        self.client.flush()?;
        if !self.client.is_flushed() {
            return Ok(());
        }
        let mut room = self.quota - self.sent;
        if self.plan.qos > 0 {
            room = room.min(self.plan.window.saturating_sub(self.unacknowledged()));
        }
        if let Some((lead, received)) = lead {
            let without = self.sent.saturating_sub(received + self.lost);
            room = room.min(let_out(lead, without));
        }
        for _ in 0..room {
            self.frame.append(self.sent, &mut self.client.outbox);
            self.sent += 1;
        }
        self.client.flush()
    }

    pub(super) fn receive(&mut self, start: Instant) -> io::Result<bool> {
        let before = self.acknowledged;
        while let Some(packet) = self.client.next()? {
            // MQTT-4.6.0-2: acknowledgements come in the order of the messages.
            match packet {
                Packet::Ack(id)
                    if id == packet_id(self.acknowledged) && !self.is_acknowledged() =>
                {
                    self.acknowledged += 1;
                }
                other => return Err(broken(format!("a publisher was sent {other:?}"))),
            }
        }
        if self.acknowledged > before {
            self.news = start.elapsed();
        }
        Ok(self.acknowledged > before)
    }
}

/// How many messages go out when `used` of `lead` are taken: none until an eighth is free, so that
/// the load writes seldom and much.
///
/// Only for the lead. A message follows each acknowledgement at once, since a broker without
/// `TCP_NODELAY` holds its next acknowledgements back until a packet from here confirms the last.
fn let_out(lead: u64, used: u64) -> u64 {
    let free = lead.saturating_sub(used);
    if free * 8 >= lead { free } else { 0 }
}
