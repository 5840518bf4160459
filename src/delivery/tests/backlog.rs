//! A backlog beside what is fresh.

use super::{speed::cpu_time, *};

const BATCH: usize = 500;
const BACKLOG: u32 = 100_000;

fn with_share(share: f64) -> Plan {
    let mut plan = Plan::parallel(|it| it.ordered = false);
    plan.queue_records = u64::MAX;
    plan.settings.fresh_share = Some(share);
    plan
}

fn number(id: &str) -> u32 {
    id.parse().unwrap()
}

/// Sends a backlog in which `fresh` records come when ten batches of it are through, one
/// request answered after another; where the fresh records came, counted in batches from there.
async fn positions(share: f64, fresh: u32) -> (Vec<usize>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    leave_behind(folder.path(), "c/main/here", 0..BACKLOG);
    let house = House::in_folder(folder, with_share(share), |_, _| Reply::Turn);
    house.upstream.grant(10);
    until("ten batches are through", || {
        house.upstream.delivered().len() == 10 * BATCH
    })
    .await;
    let ticket = house.append_aged("here", BACKLOG..BACKLOG + fresh, Duration::ZERO);
    house.wait_for(ticket);
    for answered in 11..60 {
        house.upstream.grant(1);
        until("one more is through", || {
            house.upstream.answered() == answered
        })
        .await;
    }
    house.upstream.grant(usize::MAX >> 4);
    let counts = house.settled().await;
    assert_eq!(counts.delivered, u64::from(BACKLOG + fresh));
    let delivered = house.upstream.delivered();
    let positions = delivered.iter().enumerate();
    let positions = positions.filter(|(_, id)| number(id) >= BACKLOG);
    let positions = positions.map(|(position, _)| position / BATCH - 10);
    (positions.collect(), delivered)
}

#[tokio::test]
async fn what_is_fresh_gets_its_share_of_the_batches_while_a_backlog_drains() {
    // Four batches are in flight and one has formed when the fresh records come.
    const AHEAD: usize = 5;
    for (share, batches_for_four) in [(0.2, 20), (0.5, 8), (1.0, 4)] {
        let (positions, delivered) = positions(share, 2_000).await;
        let last = *positions.last().unwrap();
        assert!(
            (4..=batches_for_four + AHEAD + 1).contains(&last),
            "with {share} the last fresh record came {last} batches later"
        );
        // The backlog is not starved either: two batches at most have been saved up.
        let others = last + 1 - 4;
        let least = 2.0 * (1.0 / share - 1.0) - 1.0;
        assert!(others as f64 >= least, "with {share}: {others}");
        let mut ids: Vec<_> = delivered.iter().map(|id| number(id)).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..BACKLOG + 2_000));
    }
}

#[tokio::test]
async fn without_a_share_what_is_fresh_comes_last() {
    let (positions, _) = positions(0.0, 2_000).await;
    let backlog = BACKLOG as usize / BATCH - 10;
    assert!(positions[0] + 4 >= backlog, "{}", positions[0]);
}

#[tokio::test]
async fn a_contract_that_keeps_the_order_has_no_fresh_feed() {
    let mut plan = Plan::parallel(|_| {});
    plan.limits.in_flight = 16;
    let house = House::scripted(plan, |_, _| Reply::Turn);
    house.append("here", 0..5_000);
    house.upstream.grant(2);
    until("two batches are through", || {
        house.upstream.delivered().len() == 1_000
    })
    .await;
    house.append_aged("here", 5_000..6_000, Duration::ZERO);
    house.upstream.grant(100);
    house.settled().await;
    let ids: Vec<_> = house
        .upstream
        .delivered()
        .iter()
        .map(|id| number(id))
        .collect();
    assert!(ids.into_iter().eq(0..6_000));
}

#[tokio::test]
async fn a_fresh_feed_that_fell_behind_itself_makes_place_for_another() {
    let house = House::scripted(with_share(0.5), |_, _| Reply::Turn);
    let go_on = async |batches: usize| {
        let before = house.upstream.answered();
        house.upstream.grant(batches);
        until("the batches are through", || {
            house.upstream.answered() == before + batches
        })
        .await;
    };
    house.wait_for(house.append("here", 0..40_000));
    go_on(10).await;
    // A second outage: what was fresh when it began is not when it ends.
    let outage = Duration::from_secs(3_600);
    house.wait_for(house.append_aged("here", 40_000..60_000, outage));
    go_on(16).await;
    house.wait_for(house.append_aged("here", 60_000..62_000, Duration::ZERO));
    let before = house.upstream.delivered().len();
    go_on(24).await;
    let delivered = house.upstream.delivered();
    let fresh = delivered[before..].iter().filter(|id| number(id) >= 60_000);
    assert_eq!(fresh.count(), 2_000, "all that is fresh, before the rest");
    let stale = delivered.iter().filter(|id| number(id) >= 40_000).count();
    assert!(
        stale < 8_000,
        "the former feed stopped when it was known to be late"
    );

    house.upstream.grant(1_000);
    assert_eq!(house.settled().await.delivered, 62_000);
    let mut ids: Vec<_> = house
        .upstream
        .delivered()
        .iter()
        .map(|id| number(id))
        .collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..62_000), "each record once");
}

#[tokio::test]
async fn a_stale_feed_whose_records_wait_does_not_keep_the_worker_busy() {
    let mut plan = with_share(0.5);
    plan.contract = |it| {
        it.ordered = false;
        it.memory_bytes = Some(8_000);
    };
    let mut late = 0;
    let house = House::scripted(plan, move |_, batch| {
        late += usize::from(number(&batch.records[0].id) >= 3_000);
        match late {
            0 | 1 => Reply::Turn,
            _ if number(&batch.records[0].id) < 3_000 => Reply::Turn,
            _ => Reply::Hold,
        }
    });
    house.wait_for(house.append("here", 0..3_000));
    house.upstream.grant(1);
    until("the backlog is known", || house.upstream.answered() == 1).await;
    house.wait_for(house.append("here", 3_000..5_000));
    house.upstream.grant(1_000);
    // What is in memory of the second feed leaves no room to read on.
    until("the first feed has nothing left", || {
        let delivered = house.upstream.delivered();
        delivered.iter().filter(|id| number(id) < 3_000).count() == 3_000
    })
    .await;
    let before = cpu_time();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let busy = cpu_time() - before;
    assert!(busy < Duration::from_millis(100), "{busy:?} of 400 ms");
    house.upstream.release();
    assert_eq!(house.settled().await.delivered, 5_000);
}

#[tokio::test]
async fn one_old_record_among_young_ones_is_no_backlog() {
    let mut plan = with_share(1.0);
    plan.limits.records = 10;
    plan.settings.in_flight = Some(1);
    let house = House::scripted(plan, |_, _| Reply::Turn);
    let now = crate::clock::unix_millis();
    let age = |id: u32| if id == 0 { LONG_AGO } else { now };
    let records = (0..100).map(|id| (id.to_string(), 10, age(id)));
    house.wait_for(house.append_all("here", records));
    house.upstream.grant(2);
    until("the first batches are through", || {
        house.upstream.delivered().len() == 20
    })
    .await;
    house.wait_for(house.append_aged("here", 100..110, Duration::ZERO));
    house.upstream.grant(100);
    house.settled().await;
    let ids = house.upstream.delivered();
    assert!(ids.iter().map(|id| number(id)).eq(0..110), "{ids:?}");
}

#[tokio::test]
async fn records_that_waited_for_a_full_batch_are_no_backlog() {
    const LINGER: Duration = Duration::from_secs(60);
    let mut plan = with_share(1.0);
    plan.linger = LINGER;
    plan.limits.records = 10;
    plan.settings.in_flight = Some(1);
    let house = House::scripted(plan, |_, _| Reply::Turn);
    house.wait_for(house.append_aged("here", 0..100, LINGER));
    house.upstream.grant(2);
    until("the first batches are through", || {
        house.upstream.answered() == 2
    })
    .await;
    house.wait_for(house.append_aged("here", 100..110, Duration::ZERO));
    house.upstream.grant(100);
    house.settled().await;
    let ids = house.upstream.delivered();
    assert!(ids.iter().map(|id| number(id)).eq(0..110), "{ids:?}");
}
