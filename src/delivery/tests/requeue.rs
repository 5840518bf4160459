//! Records that failed alone go to the end of the queue, where the contract says so.

use perennial_connectors::AfterFailure;

use super::*;

fn sends_last() -> Plan {
    Plan {
        contract: |it| it.after_failure = AfterFailure::SendLast,
        ..Plan::default()
    }
}

/// Where the queue ends: the sequence that the next record gets.
fn end(house: &House) -> u64 {
    house.lane("here").unwrap().queue.reader_from_end().1
}

#[tokio::test]
async fn a_record_that_failed_alone_leaves_after_all_that_waited_and_counts_once() {
    let house = House::scripted(sends_last(), |number, batch| match number {
        0 => Reply::each(batch, |record| match &*record.id {
            "1" => retry(),
            _ => delivered(),
        }),
        _ => Reply::deliver(),
    });
    house.append("here", 0..8);
    let counts = house.settled().await;
    assert_eq!(
        (counts.accepted, counts.delivered, counts.retries),
        (8, 8, 1)
    );
    let expected = ["0", "2", "3", "4", "5", "6", "7", "1"];
    assert_eq!(house.upstream.delivered(), expected);
    assert_eq!(end(&house), 9, "one was appended again");
}

#[tokio::test]
async fn records_of_a_batch_that_failed_whole_stay_in_front_and_are_not_written_again() {
    let house = House::scripted(sends_last(), |number, batch| match number {
        0..50 if number % 2 == 0 => Reply::each(batch, |_| retry()),
        0..50 => Reply::Fail,
        _ => Reply::deliver(),
    });
    house.append("here", 0..8);
    house.settled().await;
    let expected: Vec<_> = (0..8).map(|id| id.to_string()).collect();
    assert_eq!(house.upstream.delivered(), expected);
    assert_eq!(end(&house), 8, "nothing was appended again");
}

#[tokio::test]
async fn a_full_queue_keeps_the_record_in_front() {
    let mut plan = sends_last();
    plan.queue_records = 6;
    let house = House::scripted(plan, |number, batch| match number {
        0 => Reply::each(batch, |record| match &*record.id {
            "2" => delivered(),
            _ => retry(),
        }),
        _ => Reply::deliver(),
    });
    house.append("here", 0..6);
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (6, 6));
    // The end of one makes room for one.
    let expected = ["2", "1", "3", "4", "5", "0"];
    assert_eq!(house.upstream.delivered(), expected);
}

#[tokio::test]
async fn a_record_at_the_end_survives_a_stop_and_is_sent_once() {
    let house = House::scripted(sends_last(), |number, batch| match number {
        0 => Reply::each(batch, |record| match &*record.id {
            "0" => retry(),
            _ => delivered(),
        }),
        _ => Reply::Fail,
    });
    house.append("here", 0..6);
    until("the second batch was tried", || {
        house.upstream.requests().len() > 2
    })
    .await;
    house.delivery.stop().await;
    let folder = house.close().await;
    let house = House::in_folder(folder, sends_last(), |_, _| Reply::deliver());
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.delivered), (4, 4));
    assert_eq!(house.upstream.delivered(), ["3", "4", "5", "0"]);
}
