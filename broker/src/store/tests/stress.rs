//! A measurement: CPU, memory and the slowest commit under a full load.
//!
//! `STRESS=records,per_block,lag,queues cargo test --release -p perennial-broker -- --ignored --nocapture stress`,
//! in the folder `STRESS_DIR` when it is set.

use std::collections::VecDeque;

use super::*;

#[test]
#[ignore = "a measurement that writes a gigabyte"]
#[expect(clippy::print_stdout, reason = "its result is what it prints")]
fn stress() {
    let setting = std::env::var("STRESS").unwrap_or_else(|_| "3000000,256,8,1".into());
    let numbers: Vec<u64> = setting.split(',').map(|n| n.parse().unwrap()).collect();
    let [records, per_block, lag, queues] = numbers[..] else {
        panic!("STRESS=records,per_block,lag,queues");
    };
    let place = std::env::var_os("STRESS_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(place).unwrap();
    let store = Store::open(StoreConfig {
        durability: Durability::Sync,
        ..config(folder.path())
    })
    .unwrap();
    let queues: Vec<_> = (0..queues)
        .map(|index| durable(&store, &format!("queue {index}")))
        .collect();
    let mut readers: Vec<_> = queues.iter().map(Queue::reader).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut view = store.durable();
    let mut unsettled = VecDeque::new();
    let mut latencies = Vec::new();
    let bare = bare_sync(&folder.path().join("bare"), per_block as usize * 300);
    let before = resident();
    let (cpu, written, begin) = (cpu(), written(), Instant::now());
    let (mut memory, mut appended) = (0, 0);
    while appended < records {
        for (queue, reader) in queues.iter().zip(&mut readers) {
            let mut transaction = store.transaction();
            for _ in 0..per_block {
                transaction
                    .append(queue, |buffer| buffer.resize(buffer.len() + 300, 7))
                    .unwrap();
            }
            appended += per_block;
            if unsettled.len() as u64 >= lag * queues.len() as u64
                && lag > 0
                && let Some((queue, range)) = unsettled.pop_front()
            {
                transaction.settle(queue, range);
            }
            let submitted = Instant::now();
            let ticket = store.submit(transaction).unwrap();
            runtime.block_on(view.reached(ticket)).unwrap();
            latencies.push(submitted.elapsed());
            if lag > 0 {
                let block = reader.try_next().unwrap().unwrap();
                let first = block.first();
                assert_eq!(block.records().count() as u64, per_block);
                unsettled.push_back((queue, first..first + per_block));
            }
        }
        memory = memory.max(resident());
    }
    let seconds = begin.elapsed().as_secs_f64();
    latencies.sort();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{setting}: {:.0} records/s, {:.2} us CPU/record, {:.2} B written/B, resident {} KiB before, {} KiB at most, {} KiB at the end, \
         commit p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        appended as f64 / seconds,
        (self::cpu() - cpu) * 1e6 / appended as f64,
        (self::written() - written) as f64 / (appended * 300) as f64,
        before,
        memory,
        resident(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    );
    println!("bare write and fdatasync of as much: {bare}");
    println!(
        "user and system CPU {:?}, sealed {} unmerged {} folder {} MiB",
        user_and_system(),
        store.core().disk.sealed(),
        store.core().disk.unmerged(),
        folder_size(folder.path()) >> 20
    );
}

/// What the disk does without a store, at the same moment.
fn bare_sync(path: &Path, bytes: usize) -> String {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    let block = vec![7; bytes];
    let cpu = cpu();
    let mut latencies: Vec<_> = (0..2000)
        .map(|_| {
            let begin = Instant::now();
            file.write_all(&block).unwrap();
            file.sync_data().unwrap();
            begin.elapsed()
        })
        .collect();
    latencies.sort();
    let at = |part: usize| latencies[part * 2 - 1];
    std::fs::remove_file(path).unwrap();
    format!(
        "p50 {:?} p99 {:?} p99.9 {:?} max {:?}, {:.0} us CPU each",
        at(500),
        at(990),
        at(999),
        at(1000),
        (self::cpu() - cpu) * 1e6 / 2000.0
    )
}

fn cpu() -> f64 {
    let (user, system) = user_and_system();
    user + system
}

fn user_and_system() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let seconds = |field: &str| field.parse::<f64>().unwrap() / 100.0;
    (seconds(fields[11]), seconds(fields[12]))
}

fn written() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn resident() -> u64 {
    field("/proc/self/status", "VmRSS:")
}

fn field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn folder_size(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folder_size(&entry.path())
            } else {
                metadata.blocks() * 512
            }
        })
        .sum()
}
