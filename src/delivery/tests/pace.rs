//! A rate that all destinations of a connector keep together.
//!
//! The clock is paused and moves on when everybody waits: an hour takes a moment.

use std::collections::HashMap;

use tokio::time;

use super::{super::MaxRate, *};

const LANES: u32 = 5;
const EACH: u32 = 200;

/// When each request began, and the destination, records and bytes of it.
type Times = Arc<Mutex<Vec<(Duration, String, usize, usize)>>>;

/// Sends what lies in five queues, and tells when what was sent.
async fn sent_at(max_rate: MaxRate) -> Vec<(Duration, String, usize, usize)> {
    let folder = tempfile::tempdir().unwrap();
    for lane in 0..LANES {
        let ids = lane * EACH..(lane + 1) * EACH;
        leave_behind(folder.path(), &format!("c/main/{lane}"), ids);
    }
    let mut plan = Plan::parallel(|it| it.ordered = false);
    plan.settings.max_rate = max_rate;
    time::pause();
    let (times, start) = (Times::default(), time::Instant::now());
    let noted = Arc::clone(&times);
    let house = House::in_folder(folder, plan, move |_, batch| {
        let bytes = batch.records.iter().map(|it| it.payload.len()).sum();
        let destination = batch.destination.clone();
        let noted = &mut *noted.lock().unwrap();
        noted.push((start.elapsed(), destination, batch.records.len(), bytes));
        Reply::deliver()
    });
    while house.counts().queued > 0 {
        assert!(start.elapsed() < Duration::from_secs(3_600));
        time::sleep(Duration::from_millis(100)).await;
    }
    house.delivery.stop().await;
    let times = times.lock().unwrap();
    times.clone()
}

/// Checks that no window of some seconds has more than its rate, but for the batch that opens it.
fn assert_paced(amounts: &[(Duration, usize)], rate: usize, batch: usize) {
    for (index, (since, _)) in amounts.iter().enumerate() {
        for seconds in [1, 3, 6] {
            let until = *since + Duration::from_secs(seconds);
            let window = amounts[index..].iter().take_while(|(at, _)| *at < until);
            let sum: usize = window.map(|(_, amount)| amount).sum();
            assert!(
                sum <= rate * seconds as usize + batch,
                "{sum} within {seconds} s from {since:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_records_of_all_lanes_keep_to_the_rate_and_no_lane_is_left_out() {
    let sent = sent_at(MaxRate {
        records: Some(50),
        bytes: None,
    })
    .await;
    let records: Vec<_> = sent
        .iter()
        .map(|(at, _, records, _)| (*at, *records))
        .collect();
    assert_eq!(records.iter().map(|(_, it)| it).sum::<usize>(), 1_000);
    assert_paced(&records, 50, 50);
    let last = records.last().unwrap().0;
    // The last batch leaves when those before are paid for.
    let expected = Duration::from_secs(18)..Duration::from_secs(23);
    assert!(expected.contains(&last), "{last:?}");

    // While all have records, each gets some of the turns.
    let mut turns: HashMap<_, usize> = HashMap::new();
    for (_, destination, records, _) in &sent[..sent.len() / 2] {
        *turns.entry(destination).or_default() += records;
    }
    assert_eq!(turns.len(), LANES as usize, "{turns:?}");
}

#[tokio::test]
async fn the_bytes_of_all_lanes_keep_to_the_rate() {
    let sent = sent_at(MaxRate {
        records: Some(1_000_000),
        bytes: Some(1_000),
    })
    .await;
    let bytes: Vec<_> = sent.iter().map(|(at, _, _, bytes)| (*at, *bytes)).collect();
    assert_eq!(bytes.iter().map(|(_, it)| it).sum::<usize>(), 10_000);
    assert_paced(&bytes, 1_000, 1_000);
    let last = bytes.last().unwrap().0;
    let expected = Duration::from_secs(8)..Duration::from_secs(11);
    assert!(expected.contains(&last), "{last:?}");
}
