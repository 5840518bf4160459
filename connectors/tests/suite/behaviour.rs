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
use serde_json::json;
use tempfile::TempDir;

use crate::support::{ARN, Firehose, all_delivered, batch, build_upstream, payloads, payloads_in};

/// The timeout that stages configure, and what a loaded machine may add to it.
const TIMEOUT: Duration = Duration::from_secs(2);
const MARGIN: Duration = Duration::from_secs(5);

/// A place for an upstream to act: what is behind it, and how to break and mend that.
trait Stage {
    async fn set() -> Self;
    fn upstream(&self) -> Box<dyn Upstream>;
    fn destination(&self) -> &str;
    /// The payloads that have arrived, in order.
    fn arrived(&self) -> Vec<Bytes>;
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

    fn arrived(&self) -> Vec<Bytes> {
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

    fn arrived(&self) -> Vec<Bytes> {
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

/// Runs a test on every upstream of the table.
macro_rules! on_every_upstream {
    ($test:ident) => {
        for kind in UPSTREAMS {
            eprintln!("upstream {}", kind.name);
            match kind.name {
                "file" => $test(FileStage::set().await).await,
                "firehose" => $test(FirehoseStage::set().await).await,
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
        assert_eq!(stage.arrived(), payloads(&sent));
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
        assert_eq!(stage.arrived(), [b"one".as_slice(), b"", b"\xfe\xff"]);
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
        assert_eq!(stage.arrived(), Vec::<Bytes>::new());
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
        let most_bytes = batch(
            stage.destination(),
            sizes.iter().map(|&size| vec![0xa5; size]),
        );
        let outcomes = upstream.send(&most_bytes).await.unwrap();
        assert!(
            all_delivered(&outcomes, sizes.len()),
            "{:?}",
            outcomes.first()
        );

        let sent = [payloads(&most_records), payloads(&most_bytes)].concat();
        assert!(stage.arrived() == sent, "what arrived is not what was sent");
    }
    on_every_upstream!(test);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_are_sent_at_once_all_arrive_whole() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        let batches: Vec<_> = (0..8)
            .map(|batch_number| {
                let names = (0..20).map(move |number| format!("{batch_number}-{number}"));
                batch(stage.destination(), names)
            })
            .collect();
        let results = join_all(batches.iter().map(|batch| upstream.send(batch)).collect()).await;
        for result in results {
            assert!(all_delivered(&result.unwrap(), 20));
        }
        let arrived = stage.arrived();
        assert_eq!(arrived.len(), 160);
        for sent in &batches {
            let sent = payloads(sent);
            let start = arrived
                .iter()
                .position(|payload| *payload == sent[0])
                .unwrap();
            assert_eq!(arrived[start..start + 20], sent, "a batch stays together");
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
            stage.arrived(),
            payloads(&before),
            "an error means that nothing arrived"
        );
        assert!(all_delivered(&upstream.send(&after).await.unwrap(), 2));
        assert_eq!(
            stage.arrived(),
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
        assert_eq!(stage.arrived(), payloads(&sent));
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn an_attempt_that_is_given_up_leaves_the_upstream_usable() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        let abandoned = batch(stage.destination(), ["abandoned", "too"]);
        for polls in 0..6 {
            give_up_after(polls, upstream.send(&abandoned)).await;
        }
        let sent = batch(stage.destination(), ["a", "b"]);
        assert!(all_delivered(&upstream.send(&sent).await.unwrap(), 2));
        let arrived = stage.arrived();
        assert!(arrived.ends_with(&payloads(&sent)), "{arrived:?}");
    }
    on_every_upstream!(test);
}

#[tokio::test]
async fn building_and_checking_touch_nothing() {
    async fn test(stage: impl Stage) {
        let upstream = stage.upstream();
        assert_eq!(upstream.check(stage.destination()), Ok(()));
        assert_eq!(stage.arrived(), Vec::<Bytes>::new());
    }
    on_every_upstream!(test);
}

async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
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
