//! The doubles of AWS services for tests that are not async.

use std::{ops::Deref, time::Duration};

use perennial_doubles::{BatchCall, Call, Double, FirehoseCall};
use tokio::runtime::{Builder, Runtime};

/// A Firehose double and the thread that it runs on.
pub(crate) type Firehose = Service<FirehoseCall>;

/// An IoT Analytics double, likewise.
pub(crate) type IotAnalytics = Service<BatchCall>;

/// A double and the thread that it runs on.
pub(crate) struct Service<C: Call> {
    double: Double<C>,
    runtime: Runtime,
}

impl<C: Call> Service<C> {
    /// A double on a port of its own.
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let double = runtime.block_on(Double::start()).expect("a double starts");
        Self { double, runtime }
    }

    /// Closes the port and every connection: an outage.
    pub(crate) fn stop(&mut self) {
        self.runtime.block_on(self.double.stop());
    }

    /// Ends the outage.
    pub(crate) fn restart(&mut self) {
        self.runtime
            .block_on(self.double.restart())
            .expect("the port is free again");
    }

    /// Waits until `count` requests have come, answered or not.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, count: usize, limit: Duration) {
        if let Err(requests) = self
            .runtime
            .block_on(self.double.wait_for_requests(count, limit))
        {
            panic!("{} requests came in {limit:?}, not {count}", requests.len());
        }
    }

    /// Waits until `destination` takes a record beyond those that it has.
    #[track_caller]
    pub(crate) fn wait_for_more_records(&self, destination: &str, limit: Duration) {
        let count = self.double.record_count(destination) + 1;
        let more = self.double.wait_for_records(destination, count, limit);
        if self.runtime.block_on(more).is_err() {
            panic!("{destination} took no record in {limit:?}");
        }
    }

    /// The parameters of an upstream that sends here. It waits for an answer for as long as a
    /// busy machine may need: what it sends again arrives twice.
    pub(crate) fn upstream_parameters(&self) -> String {
        self.upstream_parameters_and("")
    }

    /// The same with others, each of which is followed by a comma.
    pub(crate) fn upstream_parameters_and(&self, others: &str) -> String {
        format!(
            "{{ {others} endpoint_url = \"{}\", region = \"us-east-1\" }}",
            self.url()
        )
    }
}

impl Firehose {
    /// A plain connector that sends what matches `filter` to the stream `destination` here.
    pub(crate) fn plain_connector(&self, filter: &str, destination: &str) -> String {
        format!(
            r#"
            [[connector]]
            name = "archive"
            contract = "plain"
            upstream = "firehose"
            parameters = {{ destination = "{destination}", publish_interval = "20ms" }}
            upstream_parameters = {}
            [[rule]]
            filter = "{filter}"
            connector = "archive"
            "#,
            self.upstream_parameters()
        )
    }
}

impl<C: Call> Deref for Service<C> {
    type Target = Double<C>;

    fn deref(&self) -> &Double<C> {
        &self.double
    }
}
