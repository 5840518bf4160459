//! A double of a service: what tests hold in their hands.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use crate::{
    answer::Answer,
    call::Call,
    chaos::Chaos,
    log::{Log, Request},
    perform::Service,
    server::Server,
    signature::{Credentials, Gate, KeyRing},
};

/// A service that keeps what it is sent, and fails when it is told to.
///
/// It answers each request by the next answer of [`script`](Self::script), then by what
/// [`start_chaos`](Self::start_chaos) draws, then by [`respond_with`](Self::respond_with), and
/// else takes every record. A request that the service would refuse is refused first and uses
/// up no answer.
///
/// Signatures are checked. Known are `test` with the secret `test`, every access key that
/// begins with `AKID` with the secret `secret`, and what [`accept`](Self::accept) adds.
pub struct Double<C: Call> {
    server: Server<Service<C>>,
    service: Arc<Service<C>>,
}

impl<C: Call> Double<C> {
    /// Listens on a free port.
    ///
    /// # Errors
    /// The system gives no port.
    pub async fn start() -> io::Result<Self> {
        let service = Arc::new(Service {
            log: Log::default(),
            gate: Gate::default(),
        });
        let server = Server::start(Arc::clone(&service)).await?;
        Ok(Self { server, service })
    }

    /// Listens on the same port again after [`stop`](Self::stop); what came before is remembered.
    ///
    /// # Errors
    /// Somebody else has taken the port.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.server.restart().await
    }

    /// Closes the port and every connection: an outage. New connections are refused.
    pub async fn stop(&mut self) {
        self.server.stop().await;
    }

    /// The `endpoint_url` that leads here.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Answers the next requests so, one each, after those that were scripted before.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.log().script(answers);
    }

    /// Answers requests that neither a scripted answer nor a fault by chance is for.
    pub fn respond_with(&self, respond: impl Fn(&Request<C>) -> Answer + Send + Sync + 'static) {
        self.log().respond_with(Box::new(respond));
    }

    /// Draws a fault for every request that no scripted answer is for, until
    /// [`end_chaos`](Self::end_chaos).
    pub fn start_chaos(&self, chaos: Chaos) {
        self.log().start_chaos(chaos);
    }

    /// How often each fault has been done since chaos began, by its name.
    #[must_use]
    pub fn chaos_counts(&self) -> BTreeMap<String, u64> {
        self.log().chaos_counts()
    }

    /// Draws no more faults; how often each has been done, by its name.
    pub fn end_chaos(&self) -> BTreeMap<String, u64> {
        self.log().end_chaos()
    }

    /// Makes a destination unknown to the service, which refuses records for it.
    pub fn delete(&self, destination: &str) {
        self.log().delete(destination);
    }

    /// Makes a destination known that [`delete`](Self::delete) made unknown; all others are.
    pub fn create(&self, destination: &str) {
        self.log().create(destination);
    }

    /// Knows these credentials.
    pub fn accept(&self, credentials: Credentials) {
        self.service.gate.keys().accept(credentials);
    }

    /// Knows these credentials no longer, also when they are known from the start.
    pub fn revoke(&self, access_key: &str) {
        self.service.gate.keys().revoke(access_key);
    }

    /// Knows the credentials of another's ring as well, also those that come to it later.
    pub fn trust(&self, keys: &KeyRing) {
        self.service.gate.trust(keys);
    }

    /// Refuses requests that are signed for another region.
    pub fn expect_region(&self, region: &str) {
        self.service.gate.expect_region(region);
    }

    /// Sets the clock that requests are compared with this many seconds ahead of the system's.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.service.gate.set_clock_ahead(seconds);
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<C>> {
        self.log().requests()
    }

    /// How many requests so far, as [`requests`](Self::requests) has them.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.log().request_count()
    }

    /// How many requests so far were left unread.
    #[must_use]
    pub fn unread_count(&self) -> usize {
        self.log().unread_count()
    }

    /// Every record that `destination` has taken, in the order of arrival.
    #[must_use]
    pub fn records(&self, destination: &str) -> Vec<C::Record> {
        self.log().records(destination)
    }

    /// How many records `destination` has taken.
    #[must_use]
    pub fn record_count(&self, destination: &str) -> usize {
        self.log().record_count(destination)
    }

    /// Waits until `destination` has taken `count` records, and returns all that it has then.
    ///
    /// # Errors
    /// The records that it has when `limit` is over.
    pub async fn wait_for_records(
        &self,
        destination: &str,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<C::Record>, Vec<C::Record>> {
        let enough = |log: &Log<C>| log.record_count(destination) >= count;
        match tokio::time::timeout(limit, self.log().wait(enough)).await {
            Ok(()) => Ok(self.records(destination)),
            Err(_) => Err(self.records(destination)),
        }
    }

    /// Waits until `count` requests have come, answered or not, and returns all that have then.
    ///
    /// # Errors
    /// The requests that have come when `limit` is over.
    pub async fn wait_for_requests(
        &self,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Request<C>>, Vec<Request<C>>> {
        let enough = |log: &Log<C>| log.request_count() >= count;
        match tokio::time::timeout(limit, self.log().wait(enough)).await {
            Ok(()) => Ok(self.requests()),
            Err(_) => Err(self.requests()),
        }
    }

    fn log(&self) -> &Log<C> {
        &self.service.log
    }
}
