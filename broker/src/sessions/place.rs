//! A client's place in the router.

use std::{collections::HashSet, sync::Arc};

use perennial_rules::TopicFilter;
use tokio::sync::oneshot;
use tracing::trace;

use crate::{
    codec::{QoS, Reason, Subscribe, SubscriptionOptions, Unsubscribe},
    core::Core,
    hooks::Client,
    mailbox::Mailbox,
};

/// A client's client identifier, mailbox and subscriptions.
///
/// However the connection ends, dropping this gives the place back.
pub(crate) struct Presence {
    core: Arc<Core>,
    pub(crate) mailbox: Arc<Mailbox>,
    subscriptions: HashSet<TopicFilter>,
}

impl Presence {
    /// Takes the client identifier; the receiver hears when another connection takes it.
    pub(crate) fn new(core: Arc<Core>, client: Arc<Client>) -> (Presence, oneshot::Receiver<()>) {
        let mailbox = core.mailbox(client);
        core.counters.connections.add(1);
        let taken_over = core.router.register(&mailbox.client.id, mailbox.id);
        (
            Presence {
                core,
                mailbox,
                subscriptions: HashSet::new(),
            },
            taken_over,
        )
    }

    /// Subscribes to each filter; one reason for each.
    pub(crate) fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Vec<Reason> {
        let filters = subscribe.filters.iter();
        filters
            .map(|(text, options)| {
                if subscribe.has_identifier {
                    Reason::SubscriptionIdentifiersNotSupported
                } else {
                    self.subscribe_to(text, *options)
                }
            })
            .collect()
    }

    fn subscribe_to(&mut self, text: &str, options: SubscriptionOptions) -> Reason {
        let Ok(filter) = text.parse::<TopicFilter>() else {
            return Reason::TopicFilterInvalid;
        };
        if filter.share_group().is_some() {
            return Reason::SharedSubscriptionsNotSupported;
        }
        let is_new = !self.subscriptions.contains(&filter);
        if is_new && self.subscriptions.len() >= self.core.limits.max_subscriptions {
            return Reason::QuotaExceeded;
        }
        if let Err(reason) = self.core.hooks.subscribe(&self.mailbox.client, &filter) {
            return reason;
        }
        self.core.router.subscribe(&filter, &self.mailbox, options);
        trace!(client = %self.mailbox.client.id, filter = filter.as_str(), "subscribed");
        self.subscriptions.insert(filter);
        match options.qos {
            QoS::AtMostOnce => Reason::Success,
            QoS::AtLeastOnce => Reason::GrantedQos1,
            QoS::ExactlyOnce => Reason::GrantedQos2,
        }
    }

    /// Ends the subscription to each filter; one reason for each.
    pub(crate) fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) -> Vec<Reason> {
        unsubscribe
            .filters
            .iter()
            .map(|text| self.unsubscribe_from(text))
            .collect()
    }

    fn unsubscribe_from(&mut self, text: &str) -> Reason {
        let Ok(filter) = text.parse::<TopicFilter>() else {
            return Reason::TopicFilterInvalid;
        };
        if !self.subscriptions.remove(&filter) {
            return Reason::NoSubscriptionExisted;
        }
        self.core
            .router
            .unsubscribe(std::iter::once(&filter), self.mailbox.id);
        Reason::Success
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let id = self.mailbox.id;
        self.core.router.deregister(&self.mailbox.client.id, id);
        self.core.router.unsubscribe(self.subscriptions.iter(), id);
        self.core.counters.connections.subtract(1);
        if let Some(queue) = self.mailbox.close() {
            // A store that takes nothing forgets the queue when it opens next.
            self.core.store.remove(&queue).ok();
        }
    }
}
