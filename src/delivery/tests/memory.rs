//! The memory of a connector, in shares for its lanes.

use super::*;

const LANES: usize = 50;
const MEMORY: usize = 100_000;
/// Each record is a block of its own in the queue, which is what a lane may go beyond its share.
const RECORD: usize = 1_000;

/// Little memory, and records that are large beside it.
fn narrow() -> Plan {
    let mut plan = Plan::parallel(|it| {
        it.ordered = false;
        it.memory_bytes = Some(MEMORY as u64);
    });
    plan.limits.record_bytes = 1 << 20;
    plan
}

fn fill(house: &House, destination: &str, records: u32) {
    for id in 0..records {
        let ticket = house.append_sized(destination, [(id.to_string(), RECORD)]);
        house.wait_for(ticket);
    }
}

#[tokio::test]
async fn what_is_held_for_many_lanes_stays_within_the_memory_and_drains() {
    let house = House::scripted(narrow(), |_, _| Reply::Hold);
    let held = || house.delivery.memory_held(MAIN);
    let mut most = 0;
    for lane in 0..LANES {
        // Lanes come one after another, and those that came first held more than their share.
        fill(&house, &lane.to_string(), 40);
        let requests = house.upstream.requests().len();
        until("it has sent what it may", || {
            house.upstream.requests().len() > lane
        })
        .await;
        assert!(house.upstream.requests().len() >= requests);
        most = most.max(held());
    }
    assert!(most > MEMORY / 2, "{most} bytes");
    assert!(most <= MEMORY + LANES * RECORD, "{most} bytes");
    let in_flight = house.upstream.requests().concat().len() * RECORD;
    assert!(held() >= in_flight, "what is in flight counts");

    house.upstream.release();
    let counts = house.settled().await;
    assert_eq!(counts.delivered, 40 * LANES as u64);
    until("nothing is held", || held() == 0).await;
}

#[tokio::test]
async fn a_lane_that_hangs_leaves_the_others_their_shares() {
    let house = House::scripted(narrow(), |_, batch| match &*batch.destination {
        "slow" => Reply::Hold,
        _ => Reply::deliver(),
    });
    fill(&house, "slow", 200);
    until("it hangs", || house.upstream.requests().len() >= 4).await;
    until("it has all", || {
        house.delivery.memory_held(MAIN) >= MEMORY - 2 * RECORD
    })
    .await;
    for lane in 0..5 {
        fill(&house, &lane.to_string(), 100);
    }
    until("the others are through", || house.counts().delivered == 500).await;
    house.upstream.release();
    assert_eq!(house.settled().await.delivered, 700);
}

#[tokio::test]
async fn records_larger_than_the_memory_leave_one_by_one() {
    let mut plan = narrow();
    plan.contract = |it| it.memory_bytes = Some(1);
    let house = House::new(plan);
    fill(&house, "here", 20);
    fill(&house, "there", 20);
    assert_eq!(house.settled().await.delivered, 40);
    assert!(house.upstream.requests().iter().all(|it| it.len() == 1));
}

#[tokio::test]
async fn a_lane_that_is_closed_gives_its_memory_back() {
    let mut plan = narrow();
    plan.settings.max_destinations = 1;
    let house = House::new(plan);
    for lane in 0..10 {
        fill(&house, &lane.to_string(), 3);
        house.settled().await;
        until("nothing is held", || house.delivery.memory_held(MAIN) == 0).await;
    }
    assert_eq!(house.counts().delivered, 30);
}
