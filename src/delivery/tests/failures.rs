//! Outcomes that are not a delivery: retries, dead letters, the circuit.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

#[tokio::test]
async fn a_status_is_published_for_each_final_outcome_and_for_no_retry() {
    let house = House::scripted(Plan::default(), |number, batch| match number {
        0 => Reply::each(batch, |record| match &*record.id {
            "0" => retry(),
            "1" => rejected(),
            _ => delivered(),
        }),
        1 => Reply::Fail,
        _ => Reply::deliver(),
    });
    house.append("here", 0..3);
    house.settled().await;
    until("the statuses are published", || {
        house.statuses.all().len() == 2
    })
    .await;
    assert_eq!(house.statuses.all(), ["1 Invalid,2 success", "0 success"]);
}

#[tokio::test]
async fn a_rejected_record_becomes_a_dead_letter_that_tells_why() {
    let house = House::scripted(Plan::default(), |number, batch| match number {
        0 => Reply::Fail,
        _ => Reply::each(batch, |record| {
            if record.id == "1" {
                rejected()
            } else {
                delivered()
            }
        }),
    });
    let before = crate::clock::unix_millis();
    house.append("here", 0..3);
    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.dead), (2, 1));
    until("the dead letter is committed", || {
        !house.dead_letters().is_empty()
    })
    .await;

    let [letter] = &house.dead_letters()[..] else {
        panic!("one dead letter is expected")
    };
    assert_eq!(
        [&*letter.destination, &*letter.code, &*letter.message],
        ["here", "Invalid", "not like this"]
    );
    assert_eq!(letter.attempts, 2);
    assert!((before..=crate::clock::unix_millis()).contains(&letter.when));
    let record = record::read(letter.record.clone()).unwrap();
    assert_eq!(
        (&*record.id, &*record.topic, record.payload.len()),
        ("1", "t", 10)
    );
    assert_eq!(house.delivery.dead_letters(&house.connector), 1);
}

#[tokio::test]
async fn a_record_that_finds_no_room_among_the_dead_letters_counts_as_dropped() {
    let mut plan = Plan::default();
    plan.settings.dead_letter_records = 2;
    let house = House::scripted(plan, |_, _| Reply::Same(rejected()));
    house.append("here", 0..5);
    let counts = house.settled().await;
    assert_eq!((counts.dead, counts.dropped), (2, 3));
    assert_eq!(house.delivery.dead_letters(&house.connector), 2);
    until("all statuses are published", || {
        house.statuses.all().len() == 2
    })
    .await;
}

#[tokio::test]
async fn a_record_larger_than_the_upstream_takes_becomes_a_dead_letter_without_an_attempt() {
    let house = House::new(Plan::default());
    let sizes = [("small", 500), ("large", 501), ("other", 1)];
    house.append_sized("here", sizes.map(|(id, size)| (id.to_owned(), size)));
    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.dead), (2, 1));
    assert_eq!(house.upstream.delivered(), ["small", "other"]);
    until("the dead letter is committed", || {
        !house.dead_letters().is_empty()
    })
    .await;
    let letter = house.dead_letters().remove(0);
    assert_eq!(letter.attempts, 0);
    assert!(
        letter.message.contains("501") && letter.message.contains("500"),
        "{letter:?}"
    );
    until("its status is published", || {
        house
            .statuses
            .all()
            .contains(&"large InvalidArgumentException".to_owned())
    })
    .await;
}

#[tokio::test]
async fn bytes_that_are_no_record_become_a_dead_letter_and_the_rest_is_sent() {
    let house = House::new(Plan::default());
    let lane = house.lane("here").unwrap();
    let mut transaction = house.store.transaction();
    transaction
        .append(&lane.queue, |buf| write(buf, "0", 10, LONG_AGO))
        .unwrap();
    transaction
        .append(&lane.queue, |buf| buf.extend(b"\x63nonsense"))
        .unwrap();
    transaction.append(&lane.queue, |_| {}).unwrap();
    transaction
        .append(&lane.queue, |buf| write(buf, "3", 10, LONG_AGO))
        .unwrap();
    lane.counters.accepted(4);
    house.store.submit(transaction).unwrap();

    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.dead), (2, 2));
    assert_eq!(house.upstream.delivered(), ["0", "3"]);
    until("the dead letters are committed", || {
        house.dead_letters().len() == 2
    })
    .await;
    let letters = house.dead_letters();
    assert_eq!(&letters[0].record[..], b"\x63nonsense");
    assert_eq!(&*letters[0].code, "CorruptRecord");
    assert_eq!(&*letters[0].message, "format version 99 is not known");
    assert_eq!(&letters[1].record[..], b"");
}

#[tokio::test]
async fn a_batch_is_sent_again_when_the_upstream_panics_or_answers_for_other_records() {
    let house = House::scripted(Plan::default(), |number, _| match number {
        0 => Reply::Panic,
        1 => Reply::Answer(vec![delivered(); 2]),
        2 => Reply::Answer(vec![rejected(); 4]),
        _ => Reply::deliver(),
    });
    house.append("here", 0..3);
    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.dead, counts.retries), (3, 0, 9));
    assert_eq!(house.upstream.requests().len(), 4);
}

#[tokio::test]
async fn a_record_that_fails_all_the_time_does_not_hold_up_the_head_of_the_queue() {
    let cured = Arc::new(AtomicBool::new(false));
    let is_cured = Arc::clone(&cured);
    let house = House::scripted(Plan::default(), move |_, batch| {
        Reply::each(batch, |record| match &*record.id {
            "0" if !is_cured.load(Ordering::SeqCst) => retry(),
            _ => delivered(),
        })
    });
    house.append("here", 0..200);
    until("all others are delivered", || {
        house.upstream.delivered().len() == 199
    })
    .await;
    until("only it is in the queue", || house.counts().queued == 1).await;
    let lane = house.lane("here").unwrap();
    until("the head has passed its first place", || {
        lane.queue.head() > 100
    })
    .await;

    cured.store(true, Ordering::SeqCst);
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (200, 200));
    assert_eq!(house.upstream.delivered().last().unwrap(), "0");
}

#[tokio::test]
async fn one_request_at_a_time_tries_an_upstream_that_is_down_until_it_is_back() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let mut plan = Plan {
        linger: Duration::ZERO,
        ..Plan::default()
    };
    plan.settings.in_flight = Some(4);
    let house = House::scripted(plan, move |_, _| {
        if is_down.load(Ordering::SeqCst) {
            Reply::Fail
        } else {
            Reply::deliver()
        }
    });
    house.append("here", 0..50);
    until("the upstream was tried often", || {
        house.upstream.requests().len() > 60
    })
    .await;
    let together = house.upstream.log().together.clone();
    assert!(
        together[..20].iter().max() > Some(&1),
        "several at first: {together:?}"
    );
    assert_eq!(
        together[40..].iter().max(),
        Some(&1),
        "one in the end: {together:?}"
    );
    assert_eq!(house.counts().queued, 50);

    down.store(false, Ordering::SeqCst);
    let counts = house.settled().await;
    assert_eq!(counts.delivered, 50);
    let together = house.upstream.log().together.clone();
    assert!(
        together[60..].iter().max() > Some(&1),
        "several again: {together:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_ends_in_exactly_one_place_whatever_the_upstream_does() {
    let mut plan = Plan {
        linger: Duration::from_millis(1),
        ..Plan::default()
    };
    plan.limits.records = 7;
    plan.settings.in_flight = Some(3);
    plan.settings.dead_letter_records = 100;
    let mut chance = fastrand::Rng::with_seed(17);
    let house = House::scripted(plan, move |_, batch| match chance.u8(..10) {
        0 => Reply::Fail,
        1 => Reply::Panic,
        2 => Reply::Answer(Vec::new()),
        3..=5 => Reply::each(batch, |_| match chance.u8(..6) {
            0 => rejected(),
            1 => retry(),
            _ => delivered(),
        }),
        _ => Reply::deliver(),
    });
    let destinations = ["one", "two", "three"];
    for (destination, first) in destinations.into_iter().zip([0, 1_000, 2_000]) {
        for start in (first..first + 1_000).step_by(50) {
            house.append(destination, start..start + 50);
        }
    }
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.dead), (3_000, 100));
    assert!(
        counts.delivered > 1_000 && counts.dropped > 0 && counts.retries > 0,
        "{counts:?}"
    );

    let delivered = house.upstream.delivered();
    let unique: HashSet<_> = delivered.iter().cloned().collect();
    assert_eq!(
        delivered.len(),
        unique.len(),
        "a record was delivered twice"
    );
    assert_eq!(counts.delivered, unique.len() as u64);
    let statuses = house.statuses.all().join(",");
    let reported: HashSet<_> = statuses
        .split(',')
        .filter_map(|s| s.split(' ').next())
        .collect();
    assert_eq!(reported.len(), 3_000, "each record has a status");
    assert_eq!(statuses.split(',').count(), 3_000, "and one only");
    until("the dead letters are committed", || {
        house.dead_letters().len() == 100
    })
    .await;
    for letter in house.dead_letters() {
        assert!(!unique.contains(&*record::read(letter.record).unwrap().id));
    }
}

#[tokio::test]
async fn a_backlog_leaves_over_a_line_that_is_too_slow_for_full_batches() {
    for in_flight in [1, 4] {
        let mut plan = Plan::parallel(|it| it.ordered = false);
        plan.settings.in_flight = Some(in_flight);
        let house = House::scripted(plan, |_, batch| match batch.records.len() {
            ..=99 => Reply::deliver(),
            _ => Reply::Error(SendError::new(
                FailureClass::Late,
                "TimeoutError",
                "no answer",
            )),
        });
        house.append_sized("here", (0..2_000).map(|id| (id.to_string(), 400)));
        let counts = house.settled().await;
        assert_eq!(counts.delivered, 2_000);
        // Full batches have 500 records, which are halved three times.
        let requests = house.upstream.requests().len();
        assert!(requests < 100, "{requests} requests");
    }
}
