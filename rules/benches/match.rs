//! The cost of one match beside 10, 1,000 and 100,000 filters that have nothing to do
//! with it, and the memory that a filter takes.
//!
//! `cargo bench -p perennial-rules`

#![expect(clippy::print_stdout, reason = "a bench says what it measured")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use perennial_rules::{FilterTrie, TopicFilter, TopicName};

const SIZES: [usize; 3] = [10, 1_000, 100_000];
const ROUNDS: usize = 31;
const MATCHES_PER_ROUND: usize = 20_000;

/// What is looked up: a name, the topic, and the filters that match it.
const CASES: [(&str, &str, &[&str]); 6] = [
    ("nothing matches", "plant/7/line/3/temperature", &[]),
    (
        "one exact filter",
        "fleet/me/line/3/temperature",
        &["fleet/me/line/3/temperature"],
    ),
    (
        "one filter with +",
        "fleet/me/line/3/temperature",
        &["fleet/me/line/+/temperature"],
    ),
    (
        "one filter with #",
        "fleet/me/line/3/temperature",
        &["fleet/me/#"],
    ),
    (
        "exact, + and # at once",
        "fleet/me/line/3/temperature",
        &[
            "fleet/me/line/3/temperature",
            "fleet/+/line/+/temperature",
            "+/me/#",
        ],
    ),
    (
        "a $ topic, one # filter",
        "$aws/things/pump/shadow/update",
        &["$aws/things/pump/#"],
    ),
];

fn main() {
    // First, while the allocator has no freed memory that would hide the growth.
    for size in SIZES {
        print_cost_of_filters(size);
    }
    println!();
    println!(
        "{:<26}{:>12}{:>12}{:>12}   ns per match, median of {ROUNDS} rounds",
        "unrelated filters", SIZES[0], SIZES[1], SIZES[2]
    );
    for (name, topic, filters) in CASES {
        print!("{name:<26}");
        for size in SIZES {
            print!("{:>12.1}", nanoseconds_per_match(size, topic, filters));
        }
        println!();
    }
    print!("{:<26}", "each filter in its turn");
    for size in SIZES {
        print!("{:>12.1}", nanoseconds_in_turn(size));
    }
    println!();
}

/// Filters beside those of the cases: the same prefixes, exact, `+` and `#` in turn.
fn unrelated(index: usize) -> TopicFilter {
    let text = match index % 4 {
        0 => format!("fleet/{index}/line/3/temperature"),
        1 => format!("fleet/{index}/line/+/temperature"),
        2 => format!("fleet/{index}/#"),
        _ => format!("+/device-{index}/line/+/temperature/#"),
    };
    TopicFilter::parse(text).expect("the filter is valid")
}

fn trie_of(size: usize, shared: &Arc<str>) -> FilterTrie<Arc<str>> {
    let mut trie = FilterTrie::new();
    for index in 0..size {
        trie.insert(&unrelated(index), Arc::clone(shared));
    }
    trie
}

fn nanoseconds_per_match(size: usize, topic: &str, filters: &[&str]) -> f64 {
    let value: Arc<str> = "unrelated".into();
    let mut trie = trie_of(size, &value);
    for filter in filters {
        let filter = filter.parse().expect("the filter is valid");
        trie.insert(&filter, Arc::clone(&value));
    }
    let topic = TopicName::parse(topic.to_owned()).expect("the topic is valid");
    median_of_rounds(|| {
        let mut found = 0;
        for _ in 0..MATCHES_PER_ROUND {
            trie.visit(black_box(&topic), |value| {
                black_box(value);
                found += 1;
            });
        }
        assert_eq!(found, filters.len() * MATCHES_PER_ROUND);
    })
}

/// Matches with a topic of another filter each time: what grows with their number is
/// the share of the trie that is not in the processor's caches.
fn nanoseconds_in_turn(size: usize) -> f64 {
    let value: Arc<str> = "in turn".into();
    let trie = trie_of(size, &value);
    let topics: Vec<TopicName> = (0..size)
        .filter(|index| index % 4 != 3)
        .map(|index| format!("fleet/{index}/line/3/temperature"))
        .map(|topic| TopicName::parse(topic).expect("the topic is valid"))
        .collect();
    // Far apart from one to the next, in an order that no cache foresees.
    let turns: Vec<usize> = (0..MATCHES_PER_ROUND)
        .map(|turn| turn.wrapping_mul(7_919) % topics.len())
        .collect();
    median_of_rounds(|| {
        let mut found = 0;
        for &turn in &turns {
            trie.visit(black_box(&topics[turn]), |value| {
                black_box(value);
                found += 1;
            });
        }
        assert_eq!(found, MATCHES_PER_ROUND);
    })
}

fn median_of_rounds(mut round: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_nanos() as f64 / MATCHES_PER_ROUND as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn print_cost_of_filters(size: usize) {
    let value: Arc<str> = "unrelated".into();
    let filters: Vec<TopicFilter> = (0..size).map(unrelated).collect();
    let text: usize = filters.iter().map(|filter| filter.as_str().len()).sum();
    let mut trie = FilterTrie::new();
    let memory = resident_bytes();
    let start = Instant::now();
    for filter in &filters {
        trie.insert(filter, Arc::clone(&value));
    }
    let inserting = start.elapsed();
    let grown = memory.zip(resident_bytes()).map(|(from, to)| to - from);
    let start = Instant::now();
    for filter in &filters {
        trie.remove(filter, |_| true);
    }
    let removing = start.elapsed();
    assert!(trie.is_empty());
    let each = |total: f64| total / size as f64;
    print!(
        "{size:>7} filters of {:.0} bytes: {:.0} ns to insert, {:.0} ns to remove one",
        each(text as f64),
        each(inserting.as_nanos() as f64),
        each(removing.as_nanos() as f64),
    );
    match grown {
        // Pages are too coarse to tell what a few filters take.
        Some(bytes) if size >= 100_000 => println!(", {:.0} bytes resident", each(bytes)),
        _ => println!(),
    }
}

/// What the process holds in memory, where the system tells (Linux).
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}
