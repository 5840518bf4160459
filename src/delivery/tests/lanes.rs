//! Lanes: found, opened, bounded, closed.

use super::*;

fn narrow() -> Plan {
    let mut plan = Plan::default();
    plan.settings.max_destinations = 2;
    plan
}

#[tokio::test]
async fn the_same_destination_has_the_same_lane() {
    let house = House::new(Plan::default());
    let lane = house.lane("here").unwrap();
    assert!(Arc::ptr_eq(&lane, &house.lane("here").unwrap()));
    assert!(!Arc::ptr_eq(&lane, &house.lane("there").unwrap()));
}

#[tokio::test]
async fn a_destination_that_the_upstream_does_not_know_is_rejected() {
    let house = House::new(Plan::default());
    let rejection = house.lane("nowhere").unwrap_err();
    assert_eq!(rejection.code, "InvalidArgumentException");
    assert_eq!(rejection.message, "nowhere is no place");
    let rejection = house.lane(&"x".repeat(1025)).unwrap_err();
    assert_eq!(
        rejection.message,
        "the destination has 1025 bytes; it may have 1024"
    );
    assert!(
        house
            .store
            .queue_names()
            .iter()
            .all(|name| !name.starts_with("c/"))
    );
}

#[tokio::test]
async fn at_the_bound_a_destination_is_rejected_while_all_others_hold_records() {
    let house = House::scripted(narrow(), |_, _| Reply::Hold);
    house.append("one", [1]);
    house.append("two", [2]);
    assert_eq!(
        house.lane("three").unwrap_err().code,
        "LimitExceededException"
    );
    assert!(house.lane("one").is_ok());

    house.upstream.release();
    house.settled().await;
    assert!(house.lane("three").is_ok());
}

#[tokio::test]
async fn an_idle_lane_makes_place_and_what_it_counted_stays() {
    let house = House::new(narrow());
    for round in 0..3 {
        for destination in ["one", "two", "three", "four"] {
            house.append(destination, [format!("{round}{destination}")]);
            house.settled().await;
        }
    }
    let queues = house.store.queue_names();
    let queues = queues.iter().filter(|name| name.starts_with("c/")).count();
    assert_eq!(queues, 2, "the queues of closed lanes are gone");
    let counts = house.counts();
    assert_eq!((counts.accepted, counts.delivered), (12, 12));
    assert_eq!(house.upstream.delivered().len(), 12);
    assert_eq!(
        house.delivery.lane_counts().len(),
        3,
        "two lanes and the closed ones"
    );
}

#[tokio::test]
async fn a_lane_that_somebody_holds_is_not_closed() {
    let house = House::new(narrow());
    let (one, two) = (house.lane("one").unwrap(), house.lane("two").unwrap());
    assert!(house.lane("three").is_err());

    let mut transaction = house.store.transaction();
    transaction
        .append(&one.queue, |buf| write(buf, "1", 10, LONG_AGO))
        .unwrap();
    one.counters.accepted(1);
    drop((one, two));
    // The record is in a transaction, which is as good as in the queue.
    assert!(house.lane("three").is_ok());
    let queues = house.store.queue_names();
    assert!(queues.contains(&"c/main/one".to_owned()), "{queues:?}");
    assert!(!queues.contains(&"c/main/two".to_owned()), "{queues:?}");
    house.store.submit(transaction).unwrap();
    house.settled().await;
    assert_eq!(house.upstream.delivered(), ["1"]);
}

#[tokio::test]
async fn a_lane_takes_as_many_records_as_the_contract_says() {
    let plan = Plan {
        queue_records: 2,
        ..Plan::default()
    };
    let house = House::scripted(plan, |_, _| Reply::Hold);
    house.append("here", 0..2);
    let lane = house.lane("here").unwrap();
    let mut transaction = house.store.transaction();
    assert!(
        transaction
            .append(&lane.queue, |buf| write(buf, "2", 10, LONG_AGO))
            .is_err()
    );
    lane.counters.rejected(1);
    house.upstream.release();
    let counts = house.settled().await;
    assert_eq!((counts.accepted, counts.rejected), (2, 1));
}
