//! The load: one thread that drives all publishers and all subscribers of a run.
//!
//! - Closed loop: a publisher is never further ahead than its window, of acknowledgements and,
//!   where a run says so, of what the slowest subscriber has got.
//! - What was lost or came twice is counted by the mark in each payload.
//! - Every wait ends: a load that hears nothing for long enough stops and says so.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token};

use crate::{
    client::{Client, connect_to},
    endpoint::Endpoint,
    wire::broken,
};

pub(crate) use plan::{Amount, Pace, Publishers, Subscription, Traffic};

use publisher::Publisher;
use subscriber::Subscriber;

mod plan;
mod publisher;
mod subscriber;
#[cfg(test)]
mod tests;

/// After this long without news what is still outstanding counts as missing.
const QUIET: Duration = Duration::from_secs(2);

/// After this long without news the lead of the publishers is given back: a broker that has
/// dropped the last messages of the lead would otherwise hold the run for ever.
const LOST_LEAD: Duration = Duration::from_millis(200);

/// A broker that acknowledges nothing for this long while it is published to has failed.
const DEAD: Duration = Duration::from_secs(20);

/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(300);

/// What a run has counted.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    /// Of each publisher; the same number at QoS 0.
    pub(crate) sent_by: Vec<u64>,
    /// Until the last acknowledgement or message arrived.
    pub(crate) elapsed: Duration,
    /// Until the last acknowledgement.
    pub(crate) acknowledged: Duration,
    /// How often the lead was given back because nothing came.
    pub(crate) stalls: u64,
    /// What each subscriber got.
    pub(crate) received: Vec<Received>,
}

impl Outcome {
    /// Different messages received by all subscribers together.
    pub(crate) fn deliveries(&self) -> u64 {
        self.received.iter().map(|one| one.unique).sum()
    }

    pub(crate) fn missing(&self) -> u64 {
        self.received.iter().map(|one| one.missing).sum()
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.received.iter().map(|one| one.duplicates).sum()
    }

    pub(crate) fn late(&self) -> u64 {
        self.received.iter().map(|one| one.late).sum()
    }
}

/// What one subscriber got.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) unique: u64,
    pub(crate) missing: u64,
    pub(crate) duplicates: u64,
    /// Messages that came after one that was published later.
    pub(crate) late: u64,
    /// Until the last new message.
    pub(crate) elapsed: Duration,
}

/// Connected publishers and subscribers.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// Tells the messages of one run from those of another.
    run: u8,
}

impl Load {
    pub(crate) fn connect(
        address: SocketAddr,
        publishers: Publishers,
        subscriptions: &[Subscription],
    ) -> io::Result<Self> {
        Self::connect_to(&Endpoint::plain(address), publishers, subscriptions)
    }

    pub(crate) fn connect_to(
        endpoint: &Endpoint,
        publishers: Publishers,
        subscriptions: &[Subscription],
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut load = Self {
            poll,
            events: Events::with_capacity(256),
            publishers: Vec::new(),
            subscribers: Vec::new(),
            run: 0,
        };
        for index in 0..publishers.count {
            let stream = connect_to(endpoint, &format!("publisher-{index}"), None)?;
            let client = Client::new(stream, load.poll.registry(), Token(usize::from(index)))?;
            load.publishers
                .push(Publisher::new(client, publishers, index));
        }
        for (index, subscription) in subscriptions.iter().enumerate() {
            let own = subscription.paired.then_some(index);
            let filter = match own {
                Some(publisher) => format!("{}/{publisher}", subscription.filter),
                None => subscription.filter.to_owned(),
            };
            let subscribed = Some((filter.as_str(), subscription.qos));
            let stream = connect_to(endpoint, &format!("subscriber-{index}"), subscribed)?;
            let token = Token(load.publishers.len() + index);
            let client = Client::new(stream, load.poll.registry(), token)?;
            load.subscribers
                .push(Subscriber::new(client, subscription.pace, own));
        }
        Ok(load)
    }

    /// Publishes `traffic` and waits until all of it has arrived or nothing more comes.
    pub(crate) fn run(&mut self, traffic: Traffic) -> io::Result<Outcome> {
        self.begin(traffic);
        let start = Instant::now();
        let mut news = Duration::ZERO;
        let mut lead_given_back = Duration::ZERO;
        let mut stalls = 0;
        loop {
            let now = start.elapsed();
            let open = match traffic.amount {
                Amount::For(time) => now < time,
                Amount::Messages(_) => self.publishers.iter().any(Publisher::has_quota),
            };
            if open {
                self.publish(traffic.lead)?;
            } else if self.is_complete() || now > news + QUIET {
                break;
            }
            if open && now > news + DEAD || now > LONGEST {
                return Err(ErrorKind::TimedOut.into());
            }
            if open && traffic.lead.is_some() && now > news.max(lead_given_back) + LOST_LEAD {
                lead_given_back = now;
                stalls += 1;
                self.give_back_lead();
            }
            if self.exchange(start)? {
                news = start.elapsed();
            }
        }
        self.finish(news, stalls)
    }

    fn begin(&mut self, traffic: Traffic) {
        self.run += 1;
        let count = self.publishers.len() as u64;
        for (index, publisher) in (0..).zip(&mut self.publishers) {
            let quota = match traffic.amount {
                Amount::For(_) => u64::MAX,
                Amount::Messages(all) => all / count + u64::from(index < all % count),
            };
            publisher.begin(self.run, quota, traffic.fresh_topics);
        }
        for subscriber in &mut self.subscribers {
            subscriber.begin(self.publishers.len());
        }
    }

    fn publish(&mut self, lead: Option<u64>) -> io::Result<()> {
        for index in 0..self.publishers.len() {
            let lead = lead.map(|lead| (lead, self.received_by_slowest(index)));
            self.publishers[index].publish(lead)?;
        }
        Ok(())
    }

    fn give_back_lead(&mut self) {
        for index in 0..self.publishers.len() {
            let received = self.received_by_slowest(index);
            self.publishers[index].give_back_lead(received);
        }
    }

    /// How many messages of a publisher the subscriber with the fewest of them has got.
    fn received_by_slowest(&self, publisher: usize) -> u64 {
        let received = self
            .subscribers
            .iter()
            .filter(|subscriber| subscriber.hears(publisher))
            .map(|subscriber| subscriber.seen[publisher].unique());
        received.min().unwrap_or(u64::MAX)
    }

    /// Waits for the sockets and handles what has come; true if there was news.
    fn exchange(&mut self, start: Instant) -> io::Result<bool> {
        let paced = self
            .subscribers
            .iter()
            .any(|one| one.is_held_back(start.elapsed()));
        let wait = Duration::from_millis(if paced { 1 } else { 10 });
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let mut news = false;
        for event in &self.events {
            let index = event.token().0;
            if let Some(publisher) = self.publishers.get_mut(index) {
                publisher.client.notice(event);
                news |= publisher.receive(start)?;
            } else {
                let subscriber = &mut self.subscribers[index - self.publishers.len()];
                subscriber.client.notice(event);
                news |= subscriber.receive(self.run, start)?;
            }
        }
        // A subscriber that was held back hears of no event for what waits in its socket.
        for subscriber in self.subscribers.iter_mut().filter(|one| one.pace.is_some()) {
            news |= subscriber.receive(self.run, start)?;
        }
        Ok(news)
    }

    fn is_complete(&self) -> bool {
        self.publishers.iter().all(|one| one.is_acknowledged())
            && self
                .subscribers
                .iter()
                .all(|one| one.unique() == self.wanted_by(one))
    }

    /// How many of the messages that were sent a subscriber is to get.
    fn wanted_by(&self, subscriber: &Subscriber) -> u64 {
        let publishers = self.publishers.iter().enumerate();
        publishers
            .filter(|(index, _)| subscriber.hears(*index))
            .map(|(_, publisher)| publisher.sent)
            .sum()
    }

    fn finish(&self, elapsed: Duration, stalls: u64) -> io::Result<Outcome> {
        let unacknowledged: u64 = self.publishers.iter().map(Publisher::unacknowledged).sum();
        if unacknowledged > 0 {
            return Err(broken(format!(
                "{unacknowledged} messages were never acknowledged"
            )));
        }
        let sent = self.publishers.iter().map(|one| one.sent).sum();
        Ok(Outcome {
            sent,
            sent_by: self.publishers.iter().map(|one| one.sent).collect(),
            elapsed,
            acknowledged: self
                .publishers
                .iter()
                .map(|one| one.news)
                .max()
                .unwrap_or_default(),
            stalls,
            received: self
                .subscribers
                .iter()
                .map(|one| one.received(self.wanted_by(one)))
                .collect(),
        })
    }
}
