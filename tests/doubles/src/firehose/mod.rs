//! A double of Amazon Data Firehose.

mod answer;
mod connection;
mod log;
mod request;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{net::TcpSocket, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use crate::firehose::{
    answer::Answer,
    request::{Operation, Request},
};
use crate::firehose::{connection::accept_all, log::Log};

/// A Firehose that keeps what it is sent, and fails when it is told to.
///
/// It answers each request by the next answer of [`script`](Self::script), then by
/// [`respond_with`](Self::respond_with), and else takes every record. A request that
/// Firehose would refuse is refused first and uses up no answer.
pub struct FirehoseDouble {
    address: SocketAddr,
    log: Arc<Log>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl FirehoseDouble {
    /// Listens on a free port.
    ///
    /// # Errors
    /// The system gives no port.
    pub async fn start() -> io::Result<Self> {
        let mut double = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            log: Arc::default(),
            running: None,
        };
        double.restart().await?;
        Ok(double)
    }

    /// Listens on the same port again after [`stop`](Self::stop); what came before is remembered.
    ///
    /// # Errors
    /// Somebody else has taken the port.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(128)?;
        self.address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept_all(listener, Arc::clone(&self.log), stop.clone()));
        self.running = Some(Running { stop, tasks });
        Ok(())
    }

    /// Closes the port and every connection: an outage. New connections are refused.
    pub async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.stop.cancel();
            while running.tasks.join_next().await.is_some() {}
        }
    }

    /// The `endpoint_url` that leads here.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests so, one each, after those that were scripted before.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.log.script(answers);
    }

    /// Answers requests that no scripted answer is left for.
    pub fn respond_with(&self, respond: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        self.log.respond_with(Box::new(respond));
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.log.requests()
    }

    /// Every record that `stream` has taken, in the order of arrival.
    #[must_use]
    pub fn records(&self, stream: &str) -> Vec<Bytes> {
        self.log.records(stream)
    }

    /// Waits until `stream` has taken `count` records, and returns all that it has then.
    ///
    /// # Errors
    /// The records that it has when `limit` is over.
    pub async fn wait_for_records(
        &self,
        stream: &str,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Bytes>, Vec<Bytes>> {
        let enough = self.log.wait(|log| log.record_count(stream) >= count);
        match tokio::time::timeout(limit, enough).await {
            Ok(()) => Ok(self.records(stream)),
            Err(_) => Err(self.records(stream)),
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
    ) -> Result<Vec<Request>, Vec<Request>> {
        let enough = self.log.wait(|log| log.request_count() >= count);
        match tokio::time::timeout(limit, enough).await {
            Ok(()) => Ok(self.requests()),
            Err(_) => Err(self.requests()),
        }
    }
}
