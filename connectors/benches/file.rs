//! What the file upstream costs per record, in processor time and in wall time:
//! `cargo bench -p perennial-connectors --bench file`.
//!
//! Records of 256 bytes in batches of several sizes; every batch is written and synced.
//! The processor time is that of the process as the kernel counts it.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use perennial_connectors::{Batch, Record, Settings, Upstream, upstream};

const ROUNDS: usize = 5;
const PAYLOAD: usize = 256;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let directory = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let text: Vec<u8> = (0..PAYLOAD)
        .map(|at| b"{\"t\": 21.5, \"unit\": \"C\"} "[at % 25])
        .collect();
    let plain = vec![b'x'; PAYLOAD];
    let binary: Vec<u8> = (0..PAYLOAD).map(|at| (at as u8) | 0x80).collect();
    println!("payload      batch    us CPU/record    us wall/record    records/s");
    for (name, payload) in [
        ("JSON text", text),
        ("plain text", plain),
        ("binary", binary),
    ] {
        for records in [16, 256, 4_096] {
            let folder = tempfile::tempdir_in(&directory).expect("a folder");
            let file = upstream("file").expect("the upstream");
            let mut settings = Folder(folder.path().to_owned());
            let upstream = file.build(&mut settings).expect("an upstream");
            let batch = batch_of(records, &payload);
            let (cpu, wall) = runtime.block_on(measure(&*upstream, &batch));
            println!(
                "{name:<12} {records:>5}    {cpu:>13.3}    {wall:>14.3}    {:>9.0}",
                1e6 / wall
            );
        }
    }
}

/// Medians over rounds of about half a second each.
async fn measure(upstream: &dyn Upstream, batch: &Batch) -> (f64, f64) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (cpu, start) = (cpu_time(), Instant::now());
        let mut records = 0;
        while start.elapsed() < Duration::from_millis(500) {
            records += upstream.send(batch).await.expect("a written batch").len();
        }
        let per_record = |time: Duration| time.as_secs_f64() * 1e6 / records as f64;
        rounds.push((per_record(cpu_time() - cpu), per_record(start.elapsed())));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    rounds[ROUNDS / 2]
}

fn batch_of(records: usize, payload: &[u8]) -> Batch {
    let record = |number: usize| Record {
        id: "".into(),
        topic: format!("sensors/{}/temperature", number % 50).into(),
        client_id: format!("publisher-{}", number % 50).into(),
        time: 1_795_169_730_123 + number as u64,
        payload: Bytes::copy_from_slice(payload),
    };
    Batch {
        destination: "archive".to_owned(),
        records: (0..records).map(record).collect(),
    }
}

/// The processor time of all threads of this process, from the scheduler's own count.
fn cpu_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("threads");
    let nanoseconds = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split(' ')
            .next()
            .and_then(|first| first.parse::<u64>().ok())
            .unwrap_or_default()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The directory, and every other parameter left out.
struct Folder(std::path::PathBuf);

impl Settings for Folder {
    fn text(&mut self, _: &str) -> Option<String> {
        None
    }
    fn integer(&mut self, _: &str, _: std::ops::RangeInclusive<u64>) -> Option<u64> {
        None
    }
    fn boolean(&mut self, _: &str) -> Option<bool> {
        None
    }
    fn duration(&mut self, _: &str, _: std::ops::RangeInclusive<Duration>) -> Option<Duration> {
        None
    }
    fn size(&mut self, _: &str, _: std::ops::RangeInclusive<u64>) -> Option<u64> {
        None
    }
    fn texts(&mut self, _: &str) -> Option<Vec<String>> {
        None
    }
    fn pairs(&mut self, _: &str) -> Option<Vec<(String, String)>> {
        None
    }
    fn has(&self, _: &str) -> bool {
        false
    }
    fn path(&mut self, _: &str) -> Option<std::path::PathBuf> {
        Some(self.0.clone())
    }
    fn refuse(&mut self, key: &str, problem: String) {
        panic!("{key}: {problem}");
    }
    fn missing(&mut self, key: &str, _: &str) {
        panic!("{key} is missing");
    }
}
