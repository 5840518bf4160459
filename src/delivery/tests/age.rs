//! Records that grow too old are given up.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// Records may be an hour old.
fn short_lived() -> Plan {
    let mut plan = Plan::default();
    plan.settings.max_age = Some(HOUR);
    plan
}

/// Before the worker that is down tries again, nothing else than the age ends a record.
fn patient(mut plan: Plan) -> Plan {
    plan.settings.retry = Retry {
        initial: 24 * HOUR,
        max: 24 * HOUR,
    };
    plan
}

fn expired(house: &House) -> Vec<String> {
    let words = house.statuses.words().into_iter();
    let expired =
        words.filter_map(|words| Some(words.strip_suffix(" RecordExpiredException")?.to_owned()));
    expired.collect()
}

fn names(ids: impl IntoIterator<Item = u32>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn an_old_record_is_not_sent_and_its_device_is_told() {
    let house = House::new(short_lived());
    house.append_aged("here", 0..2, 2 * HOUR);
    house.append_aged("here", 2..4, HOUR / 2);
    let counts = house.settled().await;
    assert_eq!((counts.expired, counts.delivered), (2, 2));
    assert_eq!(house.upstream.delivered(), ["2", "3"]);
    assert_eq!(expired(&house), ["0", "1"]);
}

#[tokio::test]
async fn a_record_of_a_clock_that_was_not_set_is_not_too_old() {
    let house = House::new(short_lived());
    // In the seventies.
    house.append_aged("here", 0..2, 24 * 365 * 50 * HOUR);
    house.append_aged("here", 2..3, 2 * HOUR);
    let counts = house.settled().await;
    assert_eq!((counts.expired, counts.delivered), (1, 2));
    assert_eq!(house.upstream.delivered(), ["0", "1"]);
}

#[tokio::test]
async fn a_record_grows_too_old_while_it_waits_for_others() {
    let mut plan = short_lived();
    plan.linger = 24 * HOUR;
    let house = House::new(plan);
    house.append_aged("here", [0], HOUR - Duration::from_millis(300));
    house.append_aged("here", [1], HOUR / 2);
    until("the first has expired", || house.counts().expired == 1).await;
    assert_eq!(house.counts().queued, 1);
    assert_eq!(expired(&house), ["0"]);
    assert!(house.upstream.requests().is_empty());
}

#[tokio::test]
async fn records_expire_while_the_upstream_is_down_and_the_circuit_waits() {
    let house = House::scripted(patient(short_lived()), |_, _| Reply::Fail);
    house.append_aged("here", 0..3, HOUR - Duration::from_millis(300));
    until("the upstream was tried", || {
        house.upstream.requests().len() == 1
    })
    .await;
    until("they have expired", || house.counts().expired == 3).await;
    assert_eq!(expired(&house), names(0..3));
    assert_eq!(house.upstream.requests().len(), 1);
}

#[tokio::test]
async fn records_in_flight_are_left_alone_however_old_they_grow() {
    let house = House::scripted(short_lived(), |_, _| Reply::Hold);
    house.append_aged("here", 0..3, HOUR - Duration::from_millis(100));
    until("they are in flight", || {
        house.upstream.requests().len() == 1
    })
    .await;
    house.append_aged("here", 3..4, HOUR - Duration::from_millis(100));
    until("one that waits has expired", || house.counts().expired == 1).await;
    house.upstream.release();
    house.settled().await;
    assert_eq!(house.upstream.delivered(), names(0..3));
    assert_eq!(expired(&house), ["3"]);
}

#[tokio::test]
async fn an_old_backlog_on_disk_expires_while_the_upstream_is_down() {
    const RECORDS: u32 = 50_000;
    let folder = tempfile::tempdir().unwrap();
    leave_behind(folder.path(), "c/main/here", 0..RECORDS);
    let mut plan = patient(short_lived());
    plan.limits.records = 500;
    let house = House::in_folder(folder, plan, |_, _| Reply::Fail);
    let counts = house.settled().await;
    assert_eq!(counts.expired, u64::from(RECORDS));
    assert_eq!(expired(&house), names(0..RECORDS));
    assert_eq!(house.upstream.requests(), [[""; 0]; 0]);
}

#[tokio::test]
async fn an_old_backlog_expires_within_a_small_memory() {
    let folder = tempfile::tempdir().unwrap();
    for block in 0..40 {
        leave_behind(folder.path(), "c/main/here", block * 100..block * 100 + 100);
    }
    let mut plan = patient(short_lived());
    plan.limits.records = 10_000;
    plan.limits.bytes = 1 << 20;
    // Less than the payload of a block.
    plan.contract = |it| it.memory_bytes = Some(200);
    let house = House::in_folder(folder, plan, |_, _| Reply::Fail);
    let counts = house.settled().await;
    assert_eq!((counts.expired, counts.delivered), (4_000, 0));
}

#[tokio::test]
async fn parts_of_a_refused_batch_grow_too_old_like_all_others() {
    let plan = patient(short_lived());
    let house = House::scripted(plan, |number, _| match number {
        0 => Reply::refuse(),
        _ => Reply::Fail,
    });
    house.append_aged("here", 0..3, HOUR - Duration::from_millis(300));
    until("a part was sent", || house.upstream.requests().len() == 2).await;
    let counts = house.settled().await;
    assert_eq!((counts.expired, counts.dead), (3, 0));
    let mut expired = expired(&house);
    expired.sort();
    assert_eq!(expired, names(0..3));
}

#[tokio::test]
async fn a_record_that_was_dropped_for_a_newer_one_does_not_expire_as_well() {
    let mut plan = patient(short_lived());
    plan.contract = |it| it.when_full = perennial_connectors::WhenFull::DropOldest;
    plan.queue_records = 3;
    let house = House::scripted(plan, |_, _| Reply::Fail);
    house.append_aged("here", 0..3, HOUR - Duration::from_millis(500));
    until("they are back from upstream", || {
        house.upstream.answered() == 1
    })
    .await;
    let now = crate::clock::unix_millis();
    let mut transaction = house.store.transaction();
    assert!(house.offer_from(&mut transaction, "here", (3, 10), now));
    assert!(house.offer_from(&mut transaction, "here", (4, 10), now));
    house.commit(transaction);
    assert_eq!(house.counts().dropped, 2);
    until("the third has expired", || house.counts().expired >= 1).await;
    assert!(adds_up(house.counts()), "{:?}", house.counts());
    let words = house.statuses.words();
    let ends = ["0 LimitExceededException", "1 LimitExceededException"];
    assert_eq!(words[..2], ends);
    assert_eq!(words[2..], ["2 RecordExpiredException"]);
}
