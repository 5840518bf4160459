//! What a person is shown of a lane through an outage.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    super::status::{CircuitState, LaneStatus},
    *,
};

fn here(house: &House) -> LaneStatus {
    house.delivery.status().remove(0)
}

#[tokio::test]
async fn a_lane_tells_its_oldest_record_and_its_circuit_through_an_outage() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let house = House::scripted(Plan::default(), move |_, _| {
        match is_down.load(Ordering::SeqCst) {
            true => Reply::Fail,
            false => Reply::deliver(),
        }
    });
    house.lane("here").unwrap();
    assert_eq!(here(&house).oldest, None);
    assert_eq!(here(&house).circuit, CircuitState::Closed);
    assert_eq!(here(&house).time_to_drain, Some(Duration::ZERO));

    let now = crate::clock::unix_millis();
    house.append_aged("here", 0..5, Duration::from_secs(60));
    house.append_aged("here", 5..10, Duration::ZERO);
    until("the circuit is open", || {
        matches!(here(&house).circuit, CircuitState::Open { .. })
    })
    .await;
    let status = here(&house);
    let CircuitState::Open { error, .. } = status.circuit else {
        panic!("it was open")
    };
    assert_eq!(error, "Down: no answer");
    let oldest = status.oldest.unwrap();
    assert!((now - 60_001..now - 59_000).contains(&oldest), "{oldest}");
    assert_eq!(status.counts.queued, 10);
    assert!(status.queued_bytes > 100);
    assert_eq!((&*status.connector, &*status.destination), (MAIN, "here"));

    down.store(false, Ordering::SeqCst);
    house.settled().await;
    until("the circuit is closed", || {
        here(&house).circuit == CircuitState::Closed
    })
    .await;
    let status = here(&house);
    assert_eq!((status.oldest, status.counts.queued), (None, 0));
    until("the store has given back its bytes", || {
        here(&house).queued_bytes == 0
    })
    .await;
}

#[tokio::test]
async fn a_lane_tells_its_rates_and_how_long_its_queue_takes() {
    const SECOND: Duration = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    leave_behind(folder.path(), "c/main/here", 0..30_000);
    let mut plan = Plan::parallel(|_| {});
    plan.settings.max_rate.records = Some(100);
    // The clock moves on when everybody waits.
    tokio::time::pause();
    let house = House::in_folder(folder, plan, |_, _| Reply::deliver());
    assert_eq!(here(&house).time_to_drain, None, "nothing is known yet");
    tokio::time::sleep(60 * SECOND).await;
    let status = here(&house);
    assert!((90.0..110.0).contains(&status.rate), "{}", status.rate);
    assert!(status.arrival_rate < 1.0, "{}", status.arrival_rate);
    let left = status.time_to_drain.unwrap();
    assert!((200 * SECOND..280 * SECOND).contains(&left), "{left:?}");

    tokio::time::sleep(300 * SECOND).await;
    let status = here(&house);
    assert_eq!(status.time_to_drain, Some(Duration::ZERO));
    assert_eq!(status.oldest, None);
    assert!(status.rate < 20.0, "{}", status.rate);
}
