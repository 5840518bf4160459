//! The oldest records make room for newer ones.

use std::{collections::HashSet, thread};

use super::*;

/// At most `records` wait, and the oldest make room.
fn bounded(records: u64) -> Plan {
    let mut plan = Plan {
        queue_records: records,
        contract: |it| it.when_full = perennial_connectors::WhenFull::DropOldest,
        ..Plan::default()
    };
    plan.limits.bytes = 1 << 20;
    plan.limits.record_bytes = 1 << 20;
    plan
}

fn ids(ids: impl IntoIterator<Item = u32>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

/// The ids of the records that were dropped, in the order in which it was told.
fn told(house: &House) -> Vec<String> {
    let words = house.statuses.words().into_iter();
    let dropped =
        words.filter_map(|words| Some(words.strip_suffix(" LimitExceededException")?.to_owned()));
    dropped.collect()
}

fn queued_bytes(house: &House) -> u64 {
    house.lane("here").unwrap().queue.bytes()
}

#[tokio::test]
async fn the_oldest_make_room_and_what_is_on_its_way_is_left_alone() {
    let house = House::scripted(bounded(10), |_, _| Reply::Hold);
    house.offer_all(0..3, 10);
    until("the first are in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    assert_eq!(house.offer_each(3..40), 37);
    assert_eq!(told(&house), ids(3..33), "each once and the oldest first");
    let counts = house.counts();
    assert_eq!((counts.queued, counts.dropped), (10, 30));
    assert_eq!(counts.accepted, 40);

    house.upstream.release();
    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.dropped), (10, 30));
    assert_eq!(house.upstream.delivered(), ids((0..3).chain(33..40)));
    assert_eq!(
        house.statuses.words().len(),
        40,
        "one status for each record"
    );
}

#[tokio::test]
async fn a_queue_of_one_keeps_the_latest() {
    let house = House::scripted(bounded(1), |_, _| Reply::Hold);
    house.offer_all([0], 10);
    until("it is in flight", || house.upstream.requests().len() == 1).await;
    house.offer_each(1..20);
    assert_eq!(told(&house), ids(1..19));
    house.upstream.release();
    house.settled().await;
    assert_eq!(house.upstream.delivered(), ["0", "19"]);
}

#[tokio::test]
async fn records_that_failed_can_be_dropped_and_are_not_sent_again() {
    let house = House::scripted(bounded(5), |number, _| match number {
        0 => Reply::Fail,
        _ => Reply::Hold,
    });
    house.offer_all(0..3, 10);
    until("they are sent again", || {
        house.upstream.requests().len() == 2
    })
    .await;
    house.offer_each(3..8);
    assert_eq!(told(&house), ids(3..6));
    house.upstream.release();
    house.settled().await;
    assert_eq!(house.upstream.delivered(), ids([0, 1, 2, 6, 7]));
}

#[tokio::test]
async fn a_burst_is_taken_and_the_record_after_it_restores_the_bound() {
    let house = House::scripted(bounded(10), |_, _| Reply::Hold);
    assert_eq!(house.offer_all(0..3_000, 10), 3_000);
    assert_eq!(told(&house), [""; 0], "none of them is committed before");
    assert_eq!(house.offer_each(3_000..3_010), 10);
    assert_eq!(house.counts().queued, 10);
    house.upstream.release();
    house.settled().await;
    assert_eq!(house.statuses.words().len(), 3_010);
}

#[tokio::test]
async fn bytes_make_room_for_as_many_and_no_more() {
    let mut plan = bounded(u64::MAX);
    plan.settings.queue_bytes = 100 * 1_000;
    plan.linger = Duration::from_secs(3_600);
    plan.limits.records = 1_000;
    let house = House::new(plan);
    // With its length, version, time and texts a record has 1,000 bytes in the queue.
    const PAYLOAD: usize = 1_000 - 4 - 1 - 8 - 4 - 2 - 2;
    let name = |id: u32| format!("{id:03}");
    house.offer_all((0..100).map(name), PAYLOAD);
    assert_eq!(queued_bytes(&house), 100 * 1_000);
    assert!(
        told(&house).len() <= 3,
        "the estimate is on the safe side by little"
    );
    for round in 1..=5 {
        let before = told(&house).len();
        // In one transaction: the store gives back what is dropped later than it is looked at.
        house.offer_all((round * 100..round * 100 + 80).map(name), PAYLOAD);
        let dropped = told(&house).len() - before;
        assert!((77..=83).contains(&dropped), "{dropped} for 80 that came");
    }
    house.offer_all((900..901).map(name), PAYLOAD);
    until("the store has given back its bytes", || {
        (96_000..=100_000).contains(&queued_bytes(&house))
    })
    .await;
    assert!(adds_up(house.counts()));
}

#[tokio::test]
async fn a_record_larger_than_the_bound_is_refused_and_drops_nothing() {
    let mut plan = bounded(100);
    plan.settings.queue_bytes = 2_000;
    let house = House::scripted(plan, |_, _| Reply::Hold);
    house.offer_all(0..10, 10);
    assert_eq!(house.offer_all([10], 2_000), 0);
    assert_eq!(told(&house), [""; 0]);
    let counts = house.counts();
    assert_eq!((counts.queued, counts.rejected, counts.dropped), (10, 1, 0));
    assert_eq!(house.offer_all([11], 1_900), 1);
    assert!(!told(&house).is_empty());
    house.upstream.release();
    house.settled().await;
}

#[tokio::test]
async fn where_dropping_frees_nothing_the_new_record_is_refused_and_the_old_ones_stay() {
    let mut plan = bounded(u64::MAX);
    plan.settings.queue_bytes = 1 << 20;
    let house = House::scripted(plan, |_, _| Reply::Hold);
    house.offer_all([0], 10);
    until("the head is in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    // The bytes of what is dropped count until the head has passed: 1 MiB and the spare 4 MiB.
    let taken: usize = (1..100)
        .map(|batch| house.offer_all((0..20).map(|id| batch * 100 + id), 5_000))
        .sum();
    assert!((1_000..1_050).contains(&taken), "{taken} were taken");
    let counts = house.counts();
    assert_eq!(counts.rejected as usize, 99 * 20 - taken);
    assert!(
        counts.queued > 200,
        "{} wait, about 1 MiB of them",
        counts.queued
    );
    house.upstream.release();
    let counts = house.settled().await;
    assert_eq!(counts.accepted as usize, taken + 1);
    until("the store has given back its bytes", || {
        queued_bytes(&house) == 0
    })
    .await;
    assert_eq!(house.offer_all([5_000], 5_000), 1);
    house.settled().await;
}

#[tokio::test]
async fn when_the_head_moves_on_no_more_is_dropped_than_came() {
    let mut plan = bounded(u64::MAX);
    plan.settings.queue_bytes = 1 << 20;
    plan.linger = Duration::from_secs(3_600);
    plan.limits.records = 1;
    let house = House::scripted(plan, |number, _| match number {
        0 => Reply::Turn,
        _ => Reply::Hold,
    });
    house.offer_all([0], 100);
    until("the head is in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    // Each in a block of its own, more of them than one commit removes.
    for id in 1..2_600 {
        house.offer_all([id], 1_000);
    }
    let (dropped, queued) = (house.counts().dropped, house.counts().queued);
    assert!(dropped > 1_300 && queued > 1_000, "{dropped} and {queued}");
    house.upstream.grant(1);
    until("the next is in flight", || {
        house.upstream.requests().len() == 2
    })
    .await;
    // The store gives back bytes step by step, and commits as these come.
    for id in 3_000..3_050 {
        house.offer_all([id], 1_000);
    }
    let more = house.counts().dropped - dropped;
    assert!((48..=52).contains(&more), "{more} were dropped for 50");
    house.upstream.release();
    house.settled().await;
}

#[tokio::test]
async fn a_queue_found_beyond_its_bound_comes_down_to_it_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    leave_behind(folder.path(), "c/main/here", 0..10_000);
    let house = House::in_folder(folder, bounded(100), |_, _| Reply::Hold);
    until("the first are in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    assert_eq!(
        house.counts().queued,
        10_000,
        "nothing is dropped by itself"
    );
    assert_eq!(house.offer_all([10_000], 10), 1);
    assert_eq!(house.counts().dropped, 1_000);
    assert_eq!(house.offer_all(10_001..10_050, 10), 49);
    assert_eq!(house.counts().queued, 100);
    house.upstream.release();
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (10_050, 100));
    let expected = ids((0..3).chain(9_953..10_050));
    assert_eq!(house.upstream.delivered(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_publishers_at_once_keep_the_bound_and_each_record_ends_once() {
    const EACH: u32 = 3_000;
    let mut plan = bounded(50);
    plan.settings.in_flight = Some(3);
    plan.linger = Duration::from_millis(1);
    plan.limits.records = 20;
    let mut chance = fastrand::Rng::with_seed(3);
    let house = House::scripted(plan, move |_, batch| match chance.u8(..8) {
        0 => Reply::Fail,
        1 => Reply::each(batch, |_| match chance.bool() {
            true => retry(),
            false => delivered(),
        }),
        2 if batch.records.len() > 1 => Reply::refuse(),
        _ => Reply::deliver(),
    });
    house.lane("here").unwrap();
    // Workers need the runtime; publishers have threads of their own.
    let house = Arc::new(house);
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let house = Arc::clone(&house);
            thread::spawn(move || {
                let mut most = 0;
                for start in (0..EACH).step_by(10) {
                    let first = publisher * EACH + start;
                    house.offer_all(first..first + 10, 10);
                    most = most.max(house.counts().queued);
                }
                most
            })
        })
        .collect();
    until("all has come", || {
        publishers.iter().all(thread::JoinHandle::is_finished)
    })
    .await;
    let most = publishers.into_iter().map(|it| it.join().unwrap()).max();
    // Three batches in flight, and what the other publishers hold in their hands.
    assert!(most <= Some(50 + 3 * 20 + 4), "{most:?} records");
    let counts = house.settled().await;
    assert_eq!(counts.accepted, u64::from(4 * EACH));
    assert!(counts.dropped > 0 && counts.dead == 0, "{counts:?}");

    let (dropped, delivered) = (told(&house), house.upstream.delivered());
    assert_eq!(dropped.len() as u64, counts.dropped);
    assert_eq!(delivered.len() as u64, counts.delivered);
    let all: HashSet<_> = dropped.iter().chain(&delivered).collect();
    assert_eq!(all.len() as u64, counts.accepted, "each in one place");
    assert_eq!(house.statuses.words().len() as u64, counts.accepted);
}

#[tokio::test]
async fn the_age_of_the_oldest_is_not_that_of_a_record_that_was_dropped() {
    let mut plan = bounded(5);
    let wait = Duration::from_millis(20);
    plan.settings.retry = Retry {
        initial: wait,
        max: wait,
    };
    let house = House::scripted(plan, |_, _| Reply::Fail);
    house.append_aged("here", 0..5, Duration::from_secs(100));
    until("it fails", || house.upstream.requests().len() > 1).await;
    let oldest = || house.delivery.status()[0].oldest;
    let long_ago = oldest().unwrap();
    until("the first are dropped", || {
        house.offer_all([7], 10);
        !["0", "1", "2", "3", "4"]
            .iter()
            .any(|id| !told(&house).contains(&(*id).to_owned()))
    })
    .await;
    until("others are the oldest", || {
        oldest().is_some_and(|time| time != long_ago)
    })
    .await;
}
