//! The plug is pulled: what was acknowledged is upstream, whenever it happens.

use std::time::{Duration, Instant};

use crate::support::{
    alone,
    firehose::Firehose,
    gateway::{Gateway, quiet_port},
    numbered::{Publishers, Tally, wait_for_all},
    random::Random,
    records,
    wait::{PATIENCE, pause, wait_for},
};

const PUBLISHERS: usize = 20;
const SIZE: usize = 64;

#[test]
fn every_message_acknowledged_before_any_of_twenty_kills_reaches_the_file_in_order() {
    let _alone = alone();
    let mut gateway = Gateway::start_on(
        quiet_port(),
        r#"
        [[connector]]
        name = "archive"
        contract = "plain"
        upstream = "file"
        parameters = { destination = "archive", publish_interval = "20ms" }
        upstream_parameters = { path = "records", rotate_size = "1MiB" }
        [[rule]]
        filter = "plug/#"
        connector = "archive"
        "#,
    );
    let acknowledged = publish_through_kills(&mut gateway, 20);

    let directory = gateway.data_dir().join("records");
    let tally = wait_for_all(&acknowledged, || {
        Tally::of_lines(&records::text(&directory))
    });
    report(&acknowledged, &tally);
    assert_eq!(
        tally.early, 0,
        "each publisher's messages are in their order"
    );
}

#[test]
fn every_message_acknowledged_before_any_of_five_kills_reaches_firehose() {
    let _alone = alone();
    let firehose = Firehose::start();
    let mut gateway = Gateway::start_on(quiet_port(), &firehose.plain_connector("plug/#", "plug"));
    let acknowledged = publish_through_kills(&mut gateway, 5);

    let tally = wait_for_all(&acknowledged, || {
        Tally::of(firehose.records("plug").iter().map(|record| &record[..]))
    });
    report(&acknowledged, &tally);
}

/// Kills and restarts the gateway `rounds` times at random moments under full load; what
/// was acknowledged in all.
fn publish_through_kills(gateway: &mut Gateway, rounds: usize) -> Vec<u64> {
    let (mut random, seed) = Random::seeded();
    println!("PERENNIAL_TEST_SEED={seed}");
    let publishers = Publishers::new(PUBLISHERS, "plug", SIZE);
    publishers.run(gateway.address(), || {
        for round in 1..=rounds {
            wait_for_progress(&publishers);
            pause(Duration::from_millis(random.within(0..300)));
            gateway.kill9();
            let total = publishers.total();
            let down = Instant::now();
            gateway.restart();
            println!(
                "kill {round}: {total} acknowledged, up after {:?}",
                down.elapsed()
            );
        }
        wait_for_progress(&publishers);
        publishers.stop();
    });
    publishers.acknowledged()
}

/// Waits until every publisher is connected again and has been acknowledged something.
fn wait_for_progress(publishers: &Publishers) {
    let before = publishers.acknowledged();
    wait_for(PATIENCE, "every publisher goes on", || {
        let after = publishers.acknowledged();
        before
            .iter()
            .zip(after)
            .all(|(before, after)| after > *before)
    });
}

fn report(acknowledged: &[u64], tally: &Tally) {
    let total: u64 = acknowledged.iter().sum();
    let (missing, repeated) = (tally.missing(acknowledged), tally.repeated);
    println!("{total} acknowledged, {missing} missing, {repeated} repeated");
    assert!(total > 1_000, "the publishers hardly ran");
}
