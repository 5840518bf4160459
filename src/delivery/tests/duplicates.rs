//! Records of a batch that have the same id.

use perennial_connectors::{DuplicateIds, WhenFull};

use super::*;

/// Batches of up to ten, all of what was appended before.
fn dropping() -> Plan {
    let mut plan = Plan::default();
    plan.limits.records = 10;
    plan.contract = |it| it.duplicate_ids = DuplicateIds::Drop;
    plan
}

#[tokio::test]
async fn of_the_records_of_a_batch_that_have_an_id_the_first_is_sent_and_the_others_count() {
    let house = House::new(dropping());
    house.append("here", ["a", "b", "a", "", "", "a", "c"]);
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (7, 5));
    assert_eq!((counts.dropped, counts.duplicates), (2, 2));
    assert_eq!(house.upstream.delivered(), ["a", "b", "", "", "c"]);
}

#[tokio::test]
async fn a_record_with_the_id_of_one_that_was_sent_before_is_sent() {
    let house = House::new(dropping());
    for _ in 0..3 {
        house.append("here", ["a"]);
        house.settled().await;
    }
    assert_eq!(house.upstream.delivered(), ["a", "a", "a"]);
    assert_eq!(house.counts().duplicates, 0);
}

#[tokio::test]
async fn duplicates_stay_dropped_when_the_batch_fails_and_is_sent_again() {
    let house = House::scripted(dropping(), |number, _| match number {
        0 => Reply::Fail,
        1 => Reply::refuse(),
        _ => Reply::deliver(),
    });
    house.append("here", ["a", "a", "b", "b", "c"]);
    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.duplicates), (3, 2));
    assert_eq!(house.upstream.delivered(), ["a", "b", "c"]);
}

#[tokio::test]
async fn records_with_the_same_id_can_be_sent_in_batches_of_their_own() {
    let mut plan = dropping();
    plan.contract = |it| it.duplicate_ids = DuplicateIds::Separate;
    let house = House::new(plan);
    house.append("here", ["a", "b", "a", "a", "c"]);
    let counts = house.settled().await;
    assert_eq!((counts.delivered, counts.dropped), (5, 0));
    let requests = house.upstream.requests();
    assert_eq!(requests, [vec!["a", "b"], vec!["a"], vec!["a", "c"]]);
}

#[tokio::test]
async fn a_duplicate_of_a_record_that_was_dropped_for_a_newer_one_is_sent() {
    let mut plan = dropping();
    plan.contract = |it| {
        it.duplicate_ids = DuplicateIds::Drop;
        it.when_full = WhenFull::DropOldest;
    };
    plan.queue_records = 3;
    let house = House::scripted(plan, |number, _| match number {
        0 => Reply::Turn,
        _ => Reply::deliver(),
    });
    house.offer_each(["first"]);
    until("it is in flight", || house.upstream.requests().len() == 1).await;
    house.offer_each(["a", "a"]);
    until("the others wait in memory", || {
        house.delivery.memory_held(MAIN) == 3 * 10
    })
    .await;
    house.offer_each(["b"]);
    assert_eq!(house.statuses.words(), ["a LimitExceededException"]);
    house.upstream.grant(1);
    let counts = house.settled().await;
    assert_eq!((counts.dropped, counts.duplicates), (1, 0));
    assert_eq!(house.upstream.delivered(), ["first", "a", "b"]);
}
