//! Batches, their limits, and the order in which records leave.

use std::time::Duration;

use perennial_connectors::BatchLimits;
use tokio_util::sync::CancellationToken;

use super::*;

const NEVER: Duration = Duration::from_secs(3600);

fn ids(ids: impl IntoIterator<Item = u32>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn records_leave_in_batches_as_large_as_the_limits_allow() {
    let house = House::new(Plan::default());
    house.append("here", 0..8);
    house.settled().await;
    assert_eq!(house.upstream.requests(), [ids(0..3), ids(3..6), ids(6..8)]);
}

#[tokio::test]
async fn a_batch_has_no_more_payload_than_the_upstream_takes() {
    let limits = BatchLimits {
        records: 100,
        bytes: 100,
        record_bytes: 100,
        in_flight: 1,
        linger: None,
    };
    let house = House::new(Plan {
        limits,
        ..Plan::default()
    });
    let sizes = [60, 40, 1, 99, 100, 0, 50].into_iter().zip(0..);
    house.append_sized(
        "here",
        sizes.map(|(size, id): (usize, u32)| (id.to_string(), size)),
    );
    house.settled().await;
    assert_eq!(
        house.upstream.requests(),
        [ids(0..2), ids(2..4), ids(4..6), ids(6..7)]
    );
}

#[tokio::test]
async fn without_a_linger_each_record_is_a_request() {
    let house = House::new(Plan {
        linger: Duration::ZERO,
        ..Plan::default()
    });
    house.append("here", 0..4);
    house.settled().await;
    assert_eq!(
        house.upstream.requests(),
        [ids([0]), ids([1]), ids([2]), ids([3])]
    );
}

#[tokio::test]
async fn a_batch_that_is_not_full_waits_for_more_records() {
    let house = House::new(Plan {
        linger: NEVER,
        ..Plan::default()
    });
    for id in 0..3 {
        let ticket = house.append("here", [id]);
        // Each record is committed before the next one, so that each comes in a block of its own.
        house.store.durable().reached(ticket).await.unwrap();
        tokio::task::yield_now().await;
    }
    house.settled().await;
    assert_eq!(house.upstream.requests(), [ids(0..3)]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_full_leaves_when_the_linger_is_over() {
    let house = House::new(Plan {
        linger: NEVER,
        ..Plan::default()
    });
    let ticket = house.append("here", 0..2);
    // The paused clock moves on whenever everybody waits, so this one waits without tokio.
    while !house.store.durable().has_reached(ticket) {
        std::thread::yield_now();
    }
    let start = tokio::time::Instant::now();
    while house.upstream.requests().is_empty() {
        assert!(start.elapsed() < NEVER * 100, "nothing was sent");
        tokio::time::sleep(NEVER / 100).await;
    }
    assert_eq!(house.upstream.requests(), [ids(0..2)]);
    assert!(
        start.elapsed() >= NEVER,
        "it left after {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn records_leave_in_their_order_also_when_requests_fail() {
    let house = House::scripted(Plan::default(), |number, batch| match number % 4 {
        0 => Reply::Fail,
        1 => Reply::each(batch, |_| retry()),
        2 => Reply::Panic,
        _ => Reply::deliver(),
    });
    house.append("here", 0..20);
    let counts = house.settled().await;
    assert_eq!(house.upstream.delivered(), ids(0..20));
    assert_eq!((counts.delivered, counts.retries), (20, 60));
}

#[tokio::test]
async fn the_records_of_a_batch_that_failed_are_sent_before_all_others() {
    let house = House::scripted(Plan::default(), |number, batch| match number {
        0 => Reply::each(batch, |record| {
            if record.id == "1" {
                delivered()
            } else {
                retry()
            }
        }),
        _ => Reply::deliver(),
    });
    house.append("here", 0..7);
    house.settled().await;
    let requests = house.upstream.requests();
    assert_eq!(requests[..2], [ids(0..3), ids([0, 2, 3])]);
    assert_eq!(requests[2..].concat(), ids(4..7));
}

#[tokio::test]
async fn as_many_requests_are_in_flight_as_the_settings_allow() {
    let mut plan = Plan {
        linger: Duration::ZERO,
        ..Plan::default()
    };
    plan.settings.in_flight = Some(4);
    let house = House::scripted(plan, |_, _| Reply::Hold);
    house.append("here", 0..20);
    until("four requests are in flight", || {
        house.upstream.requests().len() == 4
    })
    .await;
    house.upstream.release();
    house.settled().await;
    let together = house.upstream.log().together.iter().copied().max();
    assert_eq!(together, Some(4));
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_the_upstream_gains_from() {
    let limits = BatchLimits {
        in_flight: 2,
        ..Plan::default().limits
    };
    let mut plan = Plan {
        limits,
        linger: Duration::ZERO,
        ..Plan::default()
    };
    plan.settings.in_flight = Some(64);
    let house = House::scripted(plan, |_, _| Reply::Hold);
    house.append("here", 0..20);
    until("two requests are in flight", || {
        house.upstream.requests().len() == 2
    })
    .await;
    house.upstream.release();
    house.settled().await;
    assert_eq!(house.upstream.log().together.iter().copied().max(), Some(2));
}

#[tokio::test]
async fn a_destination_that_hangs_does_not_hold_up_another() {
    let house = House::scripted(Plan::default(), |_, batch| match &*batch.destination {
        "slow" => Reply::Hold,
        _ => Reply::deliver(),
    });
    house.append("slow", 0..10);
    house.append("fast", 10..20);
    until("the fast destination has its records", || {
        house.upstream.delivered().len() == 10
    })
    .await;
    assert_eq!(house.upstream.delivered(), ids(10..20));
    house.upstream.release();
    house.settled().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_there_is_enough_for_the_next_batch() {
    let house = House::scripted(Plan::default(), |_, _| Reply::Hold);
    let (mut worker, queue, _) = house.worker("here");
    for block in 0..50 {
        let mut transaction = house.store.transaction();
        for id in block * 10..block * 10 + 10 {
            transaction
                .append(&queue, |buf| write(buf, &id.to_string(), 10, LONG_AGO))
                .unwrap();
        }
        let ticket = house.store.submit(transaction).unwrap();
        house.store.durable().reached(ticket).await.unwrap();
    }
    let never = CancellationToken::new();
    let working = worker.work(&never);
    // The paused clock moves on when nobody has anything to do.
    assert!(tokio::time::timeout(NEVER, working).await.is_err());
    assert_eq!(house.upstream.requests().len(), 1);
    assert_eq!(
        worker.waiting(),
        7,
        "the rest of the first block is more than a batch"
    );
}
