//! Stops, kills, and what lies in the store afterwards.

use super::*;

#[tokio::test]
async fn records_from_before_a_kill_are_sent_after_the_start() {
    let folder = tempfile::tempdir().unwrap();
    leave_behind(folder.path(), "c/main/here/and/there", 0..10);
    leave_behind(folder.path(), "c/main/here/and/there", 10..20);
    let house = House::in_folder(folder, Plan::default(), |_, batch| {
        assert_eq!(batch.destination, "here/and/there");
        Reply::deliver()
    });
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (20, 20));
    let ids: Vec<_> = (0..20).map(|id| id.to_string()).collect();
    assert_eq!(house.upstream.delivered(), ids);
}

#[tokio::test]
async fn queues_from_before_are_opened_beyond_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    for destination in 0..5 {
        leave_behind(
            folder.path(),
            &format!("c/main/{destination}"),
            [destination],
        );
    }
    let mut plan = Plan::default();
    plan.settings.max_destinations = 2;
    let house = House::in_folder(folder, plan, |_, _| Reply::deliver());
    assert_eq!(house.settled().await.delivered, 5);
}

#[tokio::test]
async fn records_of_a_connector_that_is_not_configured_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    leave_behind(folder.path(), "c/former/here", 0..3);
    leave_behind(folder.path(), "c/main/nowhere", 3..5);
    leave_behind(folder.path(), "sessions/c", 5..6);
    let house = House::in_folder(folder, Plan::default(), |_, _| Reply::deliver());
    house.append("here", [9]);
    house.settled().await;
    let folder = house.close().await;

    let store = open_store(folder.path());
    assert_eq!(ids_in(&store, "c/former/here"), ["0", "1", "2"]);
    assert_eq!(ids_in(&store, "c/main/nowhere"), ["3", "4"]);
    assert_eq!(ids_in(&store, "sessions/c"), ["5"]);
}

#[tokio::test]
async fn a_stop_waits_for_the_answers_that_are_on_their_way() {
    let house = House::scripted(Plan::default(), |_, _| Reply::Hold);
    house.append("here", 0..5);
    until("a request is in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    let stop = house.delivery.stop();
    let release = async {
        tokio::task::yield_now().await;
        house.upstream.release();
    };
    tokio::join!(stop, release);
    assert_eq!(
        house.upstream.requests().len(),
        1,
        "no request starts after the stop"
    );
    assert_eq!(house.statuses.all(), ["0 success,1 success,2 success"]);
    let folder = house.close().await;
    assert_eq!(
        ids_in(&open_store(folder.path()), "c/main/here"),
        ["3", "4"]
    );
}

#[tokio::test]
async fn a_stop_in_the_middle_keeps_what_has_no_answer_and_repeats_nothing_else() {
    let house = House::scripted(Plan::default(), |number, batch| match number {
        0 => Reply::deliver(),
        1 => Reply::each(batch, |record| {
            if record.id == "5" {
                retry()
            } else {
                delivered()
            }
        }),
        _ => Reply::Hold,
    });
    house.append("here", 0..10);
    until("the third request is in flight", || {
        house.upstream.requests().len() == 3
    })
    .await;
    // From here on the clock moves whenever everybody waits: the stop need not really take long.
    tokio::time::pause();
    let stopped = tokio::time::Instant::now();
    house.delivery.stop().await;
    assert!(
        stopped.elapsed() >= Duration::from_secs(10),
        "it waited for {:?}",
        stopped.elapsed()
    );
    tokio::time::resume();
    assert_eq!(house.counts().queued, 5);

    let folder = house.close().await;
    let house = House::in_folder(folder, Plan::default(), |_, _| Reply::deliver());
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (5, 5));
    assert_eq!(house.upstream.delivered(), ["5", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn what_was_delivered_before_an_earlier_record_is_not_sent_again_after_a_restart() {
    let house = House::scripted(Plan::default(), |_, batch| {
        Reply::each(batch, |record| {
            if record.id == "1" {
                retry()
            } else {
                delivered()
            }
        })
    });
    house.append("here", 0..10);
    until("all but one are delivered", || {
        house.counts().delivered == 9
    })
    .await;
    house.delivery.stop().await;

    let folder = house.close().await;
    let house = House::in_folder(folder, Plan::default(), |_, _| Reply::deliver());
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (1, 1));
    assert_eq!(house.upstream.delivered(), ["1"]);
}

#[tokio::test]
async fn a_store_that_ends_first_ends_the_workers() {
    let house = House::scripted(Plan::default(), |_, _| Reply::Hold);
    house.append("here", 0..5);
    until("a request is in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    house.store.clone().close().unwrap();
    house.upstream.release();
    house.delivery.stop().await;
    assert_eq!(
        house.statuses.all(),
        ["0 success,1 success,2 success"],
        "the upstream has them, and a status comes before what it tells of is settled"
    );
    assert_eq!(
        house.lane("there").unwrap_err().code,
        "ServiceUnavailableException"
    );
}
