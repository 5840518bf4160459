//! What every upstream does, whatever is behind it. A kind in the table without a
//! stage here fails.

use std::{
    fs,
    future::Future,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use perennial_connectors::{UPSTREAMS, Upstream};
use perennial_doubles::HttpSink;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    iot_analytics_upstream::IotAnalytics,
    kinesis_upstream::KinesisStream,
    moto::MotoAccess,
    sqs_upstream::{SqsQueue, payload_of},
    support::{
        ARN, CredentialsFile, Firehose, all_delivered, batch, build_upstream, payload_in, payloads,
        payloads_in, record,
    },
};

/// The timeout that stages configure, and what a loaded machine may add to it.
const TIMEOUT: Duration = Duration::from_secs(20);
const MARGIN: Duration = Duration::from_secs(5);

/// A place for an upstream to act: what is behind it, and how to break and mend that.
trait Stage {
    /// Whether a batch is taken whole before another begins, also when they are sent at once or
    /// the first was given up.
    const ONE_BATCH_AT_A_TIME: bool = true;

    async fn set() -> Self;
    fn upstream(&self) -> Box<dyn Upstream>;
    fn destination(&self) -> &str;
    /// The payloads that have arrived so far, in order.
    async fn arrived(&self) -> Vec<Bytes>;
    async fn break_it(&mut self);
    async fn mend_it(&mut self);
}

struct FirehoseStage(Firehose);

impl Stage for FirehoseStage {
    async fn set() -> Self {
        Self(Firehose::start().await)
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        let timeout = json!({"timeout": TIMEOUT.as_secs()});
        build_upstream("firehose", self.0.settings(timeout))
    }

    fn destination(&self) -> &str {
        ARN
    }

    async fn arrived(&self) -> Vec<Bytes> {
        self.0.double.records("stream-a")
    }

    async fn break_it(&mut self) {
        self.0.double.stop().await;
    }

    async fn mend_it(&mut self) {
        self.0.double.restart().await.unwrap();
    }
}

struct FileStage(TempDir);

impl FileStage {
    fn records(&self) -> PathBuf {
        self.0.path().join("deep/records")
    }

    fn aside(&self) -> PathBuf {
        self.0.path().join("deep/aside")
    }
}

impl Stage for FileStage {
    async fn set() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        build_upstream(
            "file",
            json!({"path": self.records(), "rotate_size": 65_536}),
        )
    }

    fn destination(&self) -> &str {
        "archive"
    }

    async fn arrived(&self) -> Vec<Bytes> {
        payloads_in(&self.records())
    }

    async fn break_it(&mut self) {
        fs::create_dir_all(self.records()).unwrap();
        fs::rename(self.records(), self.aside()).unwrap();
        fs::write(self.records(), "a file where the directory should be").unwrap();
    }

    async fn mend_it(&mut self) {
        fs::remove_file(self.records()).unwrap();
        fs::rename(self.aside(), self.records()).unwrap();
    }
}

struct IotAnalyticsStage(IotAnalytics);

impl Stage for IotAnalyticsStage {
    async fn set() -> Self {
        Self(IotAnalytics::start().await)
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        let timeout = json!({"timeout": TIMEOUT.as_secs()});
        self.0.upstream_with(timeout)
    }

    fn destination(&self) -> &str {
        "my_channel"
    }

    async fn arrived(&self) -> Vec<Bytes> {
        let messages = self.0.double.messages("my_channel").into_iter();
        messages.map(|(_, payload)| payload).collect()
    }

    async fn break_it(&mut self) {
        self.0.double.stop().await;
    }

    async fn mend_it(&mut self) {
        self.0.double.restart().await.unwrap();
    }
}

struct KinesisStage(MotoAccess, KinesisStream);

impl Stage for KinesisStage {
    /// The service orders requests that come at once as it likes.
    const ONE_BATCH_AT_A_TIME: bool = false;

    async fn set() -> Self {
        Self(MotoAccess::new(), KinesisStream::create().await)
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        let timeout = json!({"timeout": TIMEOUT.as_secs()});
        build_upstream("kinesis", self.0.settings(timeout))
    }

    fn destination(&self) -> &str {
        self.1.name()
    }

    async fn arrived(&self) -> Vec<Bytes> {
        let records = self.1.records().await.into_iter();
        records
            .map(|record| record.data.into_inner().into())
            .collect()
    }

    async fn break_it(&mut self) {
        self.0.proxy.break_it().await;
    }

    async fn mend_it(&mut self) {
        self.0.proxy.mend_it().await;
    }
}

struct SqsStage(MotoAccess, SqsQueue);

impl Stage for SqsStage {
    /// The service orders requests that come at once as it likes.
    const ONE_BATCH_AT_A_TIME: bool = false;

    async fn set() -> Self {
        Self(MotoAccess::new(), SqsQueue::create("").await)
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        let timeout = json!({"timeout": TIMEOUT.as_secs()});
        build_upstream("sqs", self.0.settings(timeout))
    }

    fn destination(&self) -> &str {
        self.1.url()
    }

    async fn arrived(&self) -> Vec<Bytes> {
        self.1.messages().await.iter().map(payload_of).collect()
    }

    async fn break_it(&mut self) {
        self.0.proxy.break_it().await;
    }

    async fn mend_it(&mut self) {
        self.0.proxy.mend_it().await;
    }
}

struct HttpStage(HttpSink);

impl Stage for HttpStage {
    async fn set() -> Self {
        Self(HttpSink::start().await.unwrap())
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        let url = format!("{}/ingest/${{channel}}", self.0.url());
        build_upstream("http", json!({"url": url, "timeout": TIMEOUT.as_secs()}))
    }

    fn destination(&self) -> &str {
        "archive"
    }

    async fn arrived(&self) -> Vec<Bytes> {
        self.0.objects().iter().map(payload_in).collect()
    }

    async fn break_it(&mut self) {
        self.0.stop().await;
    }

    async fn mend_it(&mut self) {
        self.0.restart().await.unwrap();
    }
}

/// What a bucket is sent comes in order here, which a bucket forgets.
struct S3Stage(HttpSink, CredentialsFile);

impl Stage for S3Stage {
    async fn set() -> Self {
        Self(
            HttpSink::start().await.unwrap(),
            CredentialsFile::new("AKIDTEST"),
        )
    }

    fn upstream(&self) -> Box<dyn Upstream> {
        let more = json!({
            "timeout": TIMEOUT.as_secs(),
            "region": "us-east-1",
            "envelope": "json",
            "object_size": 1 << 20,
            "object_records": 10_000,
        });
        build_upstream("s3", self.1.settings(&self.0.url(), more))
    }

    fn destination(&self) -> &str {
        "archive"
    }

    async fn arrived(&self) -> Vec<Bytes> {
        let mut payloads = Vec::new();
        for object in self.0.taken() {
            let lines = std::str::from_utf8(&object.body).unwrap().lines();
            payloads.extend(lines.map(|line| payload_in(&serde_json::from_str(line).unwrap())));
        }
        payloads
    }

    async fn break_it(&mut self) {
        self.0.stop().await;
    }

    async fn mend_it(&mut self) {
        self.0.restart().await.unwrap();
    }
}

/// Runs a test on every upstream of the table.
macro_rules! on_every_upstream {
    ($test:ident) => {
        for kind in UPSTREAMS {
            eprintln!("upstream {}", kind.name);
            match kind.name {
                "file" => $test(FileStage::set().await).await,
                "firehose" => $test(FirehoseStage::set().await).await,
                "http" => $test(HttpStage::set().await).await,
                "iot-analytics" => $test(IotAnalyticsStage::set().await).await,
                "kinesis" => $test(KinesisStage::set().await).await,
                "s3" => $test(S3Stage::set().await).await,
                "sqs" => $test(SqsStage::set().await).await,
                name => panic!("the upstream {name} has no stage"),
            }
        }
    };
}

#[tokio::test]
async fn records_arrive_in_order_with_their_exact_bytes_and_one_outcome_each() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        let all_bytes: Vec<u8> = (0..=255).collect();
        let sent = batch(
            stage.destination(),
            [
                b"text".as_slice(),
                b"",
                b"{\"t\": 1}\r\n",
                "\u{1F600} \u{0} \u{7f} \u{2028} \" \\ /".as_bytes(),
                &all_bytes,
                b"\xff",
                b"ends with a newline\n",
                b"",
                b"text",
            ],
        );
        let outcomes = upstream.send(&sent).await.unwrap();
        assert!(all_delivered(&outcomes, 9), "{outcomes:?}");
        assert_eq!(stage.arrived().await, payloads(&sent));
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn a_batch_of_one_record_arrives() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        for payload in [b"one".as_slice(), b"", b"\xfe\xff"] {
            let outcomes = upstream
                .send(&batch(stage.destination(), [payload]))
                .await
                .unwrap();
            assert!(all_delivered(&outcomes, 1), "{outcomes:?}");
        }
        assert_eq!(stage.arrived().await, [b"one".as_slice(), b"", b"\xfe\xff"]);
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn nothing_is_sent_for_a_batch_without_records() {
    async fn test(stage: impl Stage) {
        let outcomes = stage
            .upstream()
            .send(&batch::<&[u8]>(stage.destination(), []))
            .await
            .unwrap();
        assert_eq!(outcomes, []);
        assert_eq!(stage.arrived().await, Vec::<Bytes>::new());
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn batches_as_large_as_the_limits_arrive() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        let limits = upstream.limits();
        assert!(limits.record_bytes <= limits.bytes && limits.in_flight > 0);

        let many = (0..limits.records).map(|number| number.to_string());
        let most_records = batch(stage.destination(), many);
        let outcomes = upstream.send(&most_records).await.unwrap();
        assert!(all_delivered(&outcomes, limits.records));

        let mut sizes = vec![limits.record_bytes; limits.bytes / limits.record_bytes];
        sizes.push(limits.bytes % limits.record_bytes);
        let payloads_of_those = sizes
            .iter()
            .filter_map(|&size| largest_payload(&*upstream, stage.destination(), size));
        let most_bytes = batch(stage.destination(), payloads_of_those);
        let count = most_bytes.records.len();
        assert!(count > 0);
        let outcomes = upstream.send(&most_bytes).await.unwrap();
        assert!(all_delivered(&outcomes, count), "{:?}", outcomes.first());

        let sent = [payloads(&most_records), payloads(&most_bytes)].concat();
        assert!(
            stage.arrived().await == sent,
            "what arrived is not what was sent"
        );
    }
    on_every_upstream!(test);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_are_sent_at_once_all_arrive_whole() {
    async fn test<S: Stage>(stage: S) {
        let upstream = stage.upstream();
        let count = upstream.limits().records.min(20);
        let batches: Vec<_> = (0..8)
            .map(|batch_number| {
                let names = (0..count).map(move |number| format!("{batch_number}-{number}"));
                batch(stage.destination(), names)
            })
            .collect();
        let results = join_all(batches.iter().map(|batch| upstream.send(batch)).collect()).await;
        for result in results {
            assert!(all_delivered(&result.unwrap(), count));
        }
        let arrived = stage.arrived().await;
        assert_eq!(arrived.len(), 8 * count);
        for sent in batches.iter().map(payloads) {
            assert_eq!(only(&sent, &arrived), sent);
            if S::ONE_BATCH_AT_A_TIME {
                assert!(arrived.windows(count).any(|window| window == sent));
            }
        }
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn what_is_behind_may_be_away_and_come_back() {
    async fn test(mut stage: impl Stage) {
        let upstream = stage.upstream();
        let [before, during, after] =
            ["before", "during", "after"].map(|name| batch(stage.destination(), [name, "second"]));
        upstream.send(&before).await.unwrap();

        stage.break_it().await;
        let started = Instant::now();
        let error = upstream.send(&during).await.unwrap_err();
        assert!(
            started.elapsed() < TIMEOUT + MARGIN,
            "took {:?}",
            started.elapsed()
        );
        assert!(
            !error.code.is_empty() && !error.message.is_empty(),
            "{error:?}"
        );

        stage.mend_it().await;
        assert_eq!(
            stage.arrived().await,
            payloads(&before),
            "an error means that nothing arrived"
        );
        assert!(all_delivered(&upstream.send(&after).await.unwrap(), 2));
        assert_eq!(
            stage.arrived().await,
            [payloads(&before), payloads(&after)].concat()
        );
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn what_is_behind_may_be_away_when_the_first_batch_comes() {
    async fn test(mut stage: impl Stage) {
        stage.break_it().await;
        let upstream = stage.upstream();
        let sent = batch(stage.destination(), ["a", "b"]);
        upstream.send(&sent).await.unwrap_err();
        stage.mend_it().await;
        assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
        assert_eq!(stage.arrived().await, payloads(&sent));
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn an_attempt_that_is_given_up_leaves_the_upstream_usable() {
    async fn test<S: Stage>(stage: S) {
        let upstream = stage.upstream();
        let abandoned = batch(stage.destination(), ["abandoned", "too"]);
        for polls in 0..6 {
            give_up_after(polls, upstream.send(&abandoned)).await;
        }
        let sent = batch(stage.destination(), ["a", "b"]);
        assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
        let (arrived, sent) = (stage.arrived().await, payloads(&sent));
        assert_eq!(only(&sent, &arrived), sent);
        if S::ONE_BATCH_AT_A_TIME {
            assert!(arrived.ends_with(&sent), "{arrived:?}");
        }
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn building_and_checking_touch_nothing() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        assert_eq!(upstream.check(stage.destination()), Ok(()));
        assert_eq!(stage.arrived().await, Vec::<Bytes>::new());
    }
    on_every_upstream!(test);
}

/// What of `arrived` is one of `sent`.
fn only(sent: &[Bytes], arrived: &[Bytes]) -> Vec<Bytes> {
    let arrived = arrived.iter().filter(|payload| sent.contains(payload));
    arrived.cloned().collect()
}

/// The largest payload whose record takes no more than `size` of a batch, if there is one.
fn largest_payload(upstream: &dyn Upstream, destination: &str, size: usize) -> Option<Vec<u8>> {
    let fits = |length: &usize| {
        let record = record(vec![0xa5; *length]);
        upstream.size(destination, (&record).into()) <= size
    };
    // Halving the step finds the last length that fits, since sizes grow with payloads.
    let mut length = fits(&0).then_some(0)?;
    let mut step = size.next_power_of_two();
    while step > 0 {
        length = Some(length + step).filter(fits).unwrap_or(length);
        step /= 2;
    }
    Some(vec![0xa5; length])
}

pub(crate) async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        match results.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Drops a future after it has been polled so often, or when it is done.
async fn give_up_after<F: Future + Unpin>(polls: usize, mut future: F) {
    for _ in 0..polls {
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(context))
        });
        if polled.await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
