//! Batches that the upstream refuses whole: the records at fault are found and end alone.

use std::{collections::HashSet, ops::Range};

use super::*;

/// An upstream that refuses every batch with one of `poison` in it.
fn wary(poison: &[u32]) -> impl Fn(&Batch) -> bool + Send + 'static {
    let poison: HashSet<String> = poison.iter().map(u32::to_string).collect();
    move |batch| batch.records.iter().any(|it| poison.contains(&*it.id))
}

fn wary_house(plan: Plan, poison: &[u32]) -> House {
    let is_bad = wary(poison);
    House::scripted(plan, move |_, batch| match is_bad(batch) {
        true => Reply::refuse(),
        false => Reply::deliver(),
    })
}

/// One request at a time, with batches as large as a service's.
fn in_order() -> Plan {
    let mut plan = Plan::parallel(|_| {});
    plan.settings.in_flight = Some(1);
    plan
}

fn except(all: Range<u32>, poison: &[u32]) -> Vec<String> {
    let good = all.filter(|id| !poison.contains(id));
    good.map(|id| id.to_string()).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_by_key(|id| id.parse::<u32>().unwrap());
    ids
}

/// The dead letters, once there are so many.
async fn dead(house: &House, count: usize) -> Vec<String> {
    until("the dead letters are committed", || {
        house.dead_letters().len() == count
    })
    .await;
    let letters = house.dead_letters().into_iter();
    sorted(
        letters
            .map(|letter| record::read(letter.record).unwrap().id.to_string())
            .collect(),
    )
}

#[tokio::test]
async fn exactly_the_records_at_fault_become_dead_letters_after_few_requests() {
    // Each halving is two requests, and 500 records are halved nine times until one is alone.
    let all: Vec<_> = (0..500).collect();
    let cases: [(&[u32], usize); 4] = [
        (&[250], 2 * 9 + 1),
        (&[0, 499, 250], 3 * 2 * 9 + 1),
        (&[7, 8], 2 * 2 * 9 + 1),
        (&all, 2 * 500 - 1),
    ];
    for (poison, most) in cases {
        let house = wary_house(in_order(), poison);
        house.append("here", 0..500);
        let counts = house.settled().await;
        let found = poison.len() as u64;
        assert_eq!((counts.delivered, counts.dead), (500 - found, found));
        assert_eq!(house.upstream.delivered(), except(0..500, poison));
        let requests = house.upstream.requests().len();
        assert!(requests <= most, "{requests} requests for {poison:?}");
        let expected = sorted(poison.iter().map(u32::to_string).collect());
        assert_eq!(dead(&house, poison.len()).await, expected);
    }
}

#[tokio::test]
async fn a_record_that_is_refused_alone_tells_the_services_reason() {
    let house = wary_house(in_order(), &[1]);
    house.append("here", 0..4);
    house.settled().await;
    dead(&house, 1).await;
    let letter = house.dead_letters().remove(0);
    assert_eq!([&*letter.code, &*letter.message], ["Poison", "not these"]);
    assert_eq!(letter.attempts, 3, "with four, with two, alone");
    let words = house.statuses.words();
    assert!(words.contains(&"1 Poison".to_owned()), "{words:?}");
    assert_eq!(words.len(), 4);
}

#[tokio::test]
async fn parts_of_several_batches_are_in_flight_at_once_and_each_record_ends_once() {
    let poison: Vec<_> = (0..2_000).step_by(97).collect();
    let house = wary_house(Plan::parallel(|it| it.ordered = false), &poison);
    house.append("here", 0..2_000);
    let counts = house.settled().await;
    assert_eq!(counts.dead, poison.len() as u64);
    assert_eq!(
        sorted(house.upstream.delivered()),
        except(0..2_000, &poison)
    );
    let together = house.upstream.log().together.iter().copied().max();
    assert_eq!(together, Some(4));
}

#[tokio::test]
async fn parts_keep_the_order_when_requests_fail_in_between() {
    let poison = [3, 130, 131, 400];
    let is_bad = wary(&poison);
    let house = House::scripted(in_order(), move |number, batch| match number % 5 {
        1 => Reply::Fail,
        2 => Reply::Panic,
        3 => Reply::each(batch, |_| retry()),
        _ if is_bad(batch) => Reply::refuse(),
        _ => Reply::deliver(),
    });
    house.append("here", 0..800);
    let counts = house.settled().await;
    assert_eq!(counts.dead, 4);
    assert_eq!(house.upstream.delivered(), except(0..800, &poison));
    let requests = house.upstream.requests();
    let answered = (0..requests.len())
        .filter(|n| [0, 4].contains(&(n % 5)))
        .count();
    assert!(
        answered <= 4 * 2 * 9 + 2,
        "a failure in between does not begin the halving anew: {answered} requests"
    );
}

#[tokio::test]
async fn records_of_a_part_that_fail_alone_leave_before_the_parts_behind_them() {
    let mut busy = true;
    let house = House::scripted(in_order(), move |_, batch| {
        let has = |id| batch.records.iter().any(|record| record.id == id);
        if has("7") {
            return Reply::refuse();
        }
        Reply::each(batch, |record| {
            if record.id == "1" && std::mem::take(&mut busy) {
                retry()
            } else {
                delivered()
            }
        })
    });
    house.append("here", 0..8);
    house.settled().await;
    let expected = ["0", "2", "3", "1", "4", "5", "6"];
    assert_eq!(house.upstream.delivered(), expected);
}

#[tokio::test]
async fn a_batch_of_what_is_fresh_is_divided_beside_the_backlog() {
    let mut plan = Plan::parallel(|it| it.ordered = false);
    plan.settings.fresh_share = Some(0.5);
    let poison: Vec<_> = (20_000..21_000).step_by(200).collect();
    let is_bad = wary(&poison);
    let house = House::scripted(plan, move |number, batch| match number {
        _ if is_bad(batch) => Reply::refuse(),
        0..40 => Reply::Turn,
        _ => Reply::deliver(),
    });
    house.append("here", 0..20_000);
    house.upstream.grant(4);
    until("the backlog is known", || {
        house.upstream.delivered().len() >= 2_000
    })
    .await;
    let ticket = house.append_aged("here", 20_000..21_000, Duration::ZERO);
    house.wait_for(ticket);
    house.upstream.grant(1_000);
    let counts = house.settled().await;
    assert_eq!((counts.dead, counts.delivered), (5, 20_995));
    let delivered = house.upstream.delivered();
    let last = delivered
        .iter()
        .rposition(|id| id.parse::<u32>().unwrap() >= 20_000);
    assert!(
        last < Some(15_000),
        "the fresh records came at {last:?} of 20995"
    );
    assert_eq!(sorted(delivered), except(0..21_000, &poison));
}

#[tokio::test]
async fn a_stop_among_the_parts_loses_and_repeats_nothing() {
    let poison = [100, 333];
    let is_bad = wary(&poison);
    let house = House::scripted(in_order(), move |number, batch| match number {
        12.. => Reply::Hold,
        _ if is_bad(batch) => Reply::refuse(),
        _ => Reply::deliver(),
    });
    house.append("here", 0..500);
    until("a part is in flight", || {
        house.upstream.requests().len() == 13
    })
    .await;
    tokio::time::pause();
    house.delivery.stop().await;
    tokio::time::resume();
    let before = house.upstream.delivered();
    assert!(!before.is_empty());
    let folder = house.close().await;

    let is_bad = wary(&poison);
    let house = House::in_folder(folder, in_order(), move |_, batch| match is_bad(batch) {
        true => Reply::refuse(),
        false => Reply::deliver(),
    });
    house.settled().await;
    let all = [before, house.upstream.delivered()].concat();
    assert_eq!(all, except(0..500, &poison));
    assert_eq!(dead(&house, 2).await, ["100", "333"]);
}

#[tokio::test]
async fn parts_count_as_memory_until_they_have_ended() {
    let mut plan = in_order();
    plan.contract = |it| it.memory_bytes = Some(100);
    let house = House::scripted(plan, |_, batch| match batch.records.len() {
        1 => Reply::deliver(),
        _ => Reply::refuse(),
    });
    for start in (0..200).step_by(5) {
        let ticket = house.append("here", start..start + 5);
        house.wait_for(ticket);
    }
    house.settled().await;
    assert_eq!(house.upstream.delivered(), except(0..200, &[]));
    let largest = house.upstream.requests().iter().map(Vec::len).max();
    assert_eq!(largest, Some(5), "a batch is half of the memory");
}
