//! One device: its connection, and what it still has to get rid of.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Poll, Token, event::Event};

use super::Plan;
use crate::{
    client::{Client, connect},
    inbox::Packet,
    wire::{Frame, Stamp, broken, packet_id},
};

/// How often a device that was cut off tries to come back.
const COME_BACK: Duration = Duration::from_millis(100);

/// Messages of one device that may be on their way to the broker and back.
const WINDOW: usize = 1000;

/// A device that hears nothing for this long while it waits for an acknowledgement gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Device {
    name: String,
    frame: Frame,
    token: Token,
    link: Link,
    /// The number of the next message.
    next: u64,
    /// What was published and not acknowledged, the oldest first.
    open: VecDeque<(u64, Stamp)>,
    /// How many of those have gone over this connection.
    under_way: usize,
    /// The last acknowledgement, or when there was something to acknowledge again.
    news: Instant,
}

enum Link {
    Up(Box<Client>),
    /// Until then it waits before it tries to come back.
    Down(Instant),
}

impl Device {
    pub(super) fn new(plan: Plan, index: u16, now: Instant) -> Self {
        let topic = format!("{}/{index}", plan.topic);
        Self {
            name: format!("device-{index}"),
            frame: Frame::new(&topic, false, 1, plan.payload, 1, index),
            token: Token(usize::from(index)),
            link: Link::Down(now),
            next: 0,
            open: VecDeque::new(),
            under_way: 0,
            news: now,
        }
    }

    pub(super) fn come_back(&mut self, address: SocketAddr, poll: &Poll) -> io::Result<()> {
        let stream = connect(address, &self.name, None)?;
        let client = Client::new(stream, poll.registry(), self.token)?;
        self.link = Link::Up(Box::new(client));
        self.under_way = 0;
        Ok(())
    }

    /// Publishes one more message.
    pub(super) fn publish(&mut self, stamp: Stamp) {
        if self.open.is_empty() {
            self.news = Instant::now();
        }
        self.open.push_back((self.next, stamp));
        self.next += 1;
    }

    /// How many messages it has published.
    pub(super) fn published(&self) -> u64 {
        self.next
    }

    /// How many of them are not acknowledged.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Sends what is due and has room in the window, over a new connection if need be.
    pub(super) fn push(&mut self, address: SocketAddr, poll: &Poll) -> io::Result<()> {
        if !self.open.is_empty() && self.news.elapsed() > PATIENCE {
            return Err(ErrorKind::TimedOut.into());
        }
        match self.link {
            Link::Up(_) => self.or_cut_off(Self::send),
            Link::Down(until) if Instant::now() < until => Ok(()),
            Link::Down(_) => self.or_cut_off(|device| {
                device.come_back(address, poll)?;
                device.send()
            }),
        }
    }

    /// Does `work`; if the connection ends over it, the device comes back later.
    fn or_cut_off(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        match work(self) {
            Err(error) if error.kind() != ErrorKind::InvalidData => {
                self.link = Link::Down(Instant::now() + COME_BACK);
                Ok(())
            }
            done => done,
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let Link::Up(client) = &mut self.link else {
            return Ok(());
        };
        client.flush()?;
        if client.is_flushed() {
            let until = self.open.len().min(WINDOW).max(self.under_way);
            for &(sequence, stamp) in self.open.range(self.under_way..until) {
                self.frame
                    .append_stamped(sequence, stamp, &mut client.outbox);
            }
            self.under_way = until;
            client.flush()?;
        }
        Ok(())
    }

    /// Takes the acknowledgements that have come.
    pub(super) fn handle(&mut self, event: &Event) -> io::Result<()> {
        if let Link::Up(client) = &mut self.link {
            client.notice(event);
        }
        self.or_cut_off(Self::receive)
    }

    fn receive(&mut self) -> io::Result<()> {
        let Link::Up(client) = &mut self.link else {
            return Ok(());
        };
        while let Some(packet) = client.next()? {
            // MQTT-4.6.0-2: acknowledgements come in the order of the messages.
            match (packet, self.open.front()) {
                (Packet::Ack(id), Some(&(oldest, _)))
                    if id == packet_id(oldest) && self.under_way > 0 =>
                {
                    self.open.pop_front();
                    self.under_way -= 1;
                    self.news = Instant::now();
                }
                (other, _) => return Err(broken(format!("a device was sent {other:?}"))),
            }
        }
        Ok(())
    }
}
