//! Faults by chance.

use std::collections::BTreeMap;

use perennial_doubles::{Answer, Chaos, FirehoseDouble, IotAnalyticsDouble};

use crate::client::{Call, Heard};

/// What the senders of `count` requests hear, in short.
async fn hear(firehose: &FirehoseDouble, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    for number in 0..count {
        let call = Call::put_record_batch("s", [number.to_string(), "x".to_owned()]);
        heard.push(match call.send(&firehose.url()).await {
            Heard::Answer { status, body, .. } => format!("{status} {body}"),
            Heard::Broken { got, .. } => got,
        });
    }
    heard
}

#[tokio::test]
async fn the_same_seed_does_the_same_to_the_same_requests() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let firehose = FirehoseDouble::start().await.unwrap();
        firehose.start_chaos(Chaos::new(seed).with_all(0.5, FirehoseDouble::passing_faults()));
        let mut heard = hear(&firehose, 60).await;
        for line in &mut heard {
            // The head of an answer that was cut has a date.
            *line = line.split("\r\ndate").next().unwrap().to_owned();
        }
        runs.push((heard, firehose.end_chaos(), firehose.records("s")));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0].0, runs[2].0);
}

#[tokio::test]
async fn what_was_done_is_counted_and_what_was_taken_is_exact() {
    let firehose = FirehoseDouble::start().await.unwrap();
    firehose.start_chaos(
        Chaos::new(1)
            .with("throttling", 0.2, Answer::throttling())
            .with("reset", 0.2, Answer::ResetAfter)
            .with("unread", 0.2, Answer::CloseUnread)
            .with("never", 0.0, Answer::Hang),
    );
    let heard = hear(&firehose, 200).await;
    let found = |part: &str| heard.iter().filter(|line| line.contains(part)).count();
    let counts = firehose.chaos_counts();
    let of = |name: &str| counts[name] as usize;
    assert_eq!(of("throttling"), found("ThrottlingException"));
    assert_eq!(of("unread"), firehose.unread_count());
    assert_eq!(
        of("reset") + of("unread"),
        heard.iter().filter(|line| line.is_empty()).count()
    );
    assert_eq!(of("never"), 0);
    for name in ["throttling", "reset", "unread"] {
        assert!((20..=60).contains(&of(name)), "{counts:?}");
    }
    let taken = 200 - of("throttling") - of("unread");
    assert_eq!(firehose.record_count("s"), 2 * taken);

    assert_eq!(firehose.end_chaos(), counts);
    assert_eq!(firehose.chaos_counts(), BTreeMap::new());
    let calm = hear(&firehose, 50).await;
    assert!(calm.iter().all(|line| line.starts_with("200 ")), "{calm:?}");
}

#[tokio::test]
async fn scripted_answers_come_before_chaos_and_a_responder_after_it() {
    let firehose = FirehoseDouble::start().await.unwrap();
    firehose.script([Answer::internal_failure()]);
    firehose.start_chaos(Chaos::new(3).with("throttling", 0.5, Answer::throttling()));
    firehose.respond_with(|_| Answer::service_unavailable());
    let heard = hear(&firehose, 40).await;
    assert!(heard[0].contains("InternalFailure"), "{}", heard[0]);
    let throttled = heard.iter().filter(|line| line.contains("Throttling"));
    let throttled = throttled.count();
    let unavailable = heard.iter().filter(|line| line.contains("Unavailable"));
    assert_eq!(throttled + unavailable.count(), 39);
    assert!((10..30).contains(&throttled), "{throttled}");
    assert_eq!(firehose.chaos_counts()["throttling"] as usize, throttled);
}

#[tokio::test]
async fn every_passing_fault_is_met_by_those_who_try_long_enough() {
    let iot_analytics = IotAnalyticsDouble::start().await.unwrap();
    let faults = IotAnalyticsDouble::passing_faults();
    let names: Vec<_> = faults.iter().map(|(name, _)| (*name).to_owned()).collect();
    iot_analytics.start_chaos(Chaos::new(5).with_all(1.0, faults));
    for number in 0..400 {
        let call = Call::batch_put_message("c", [(number.to_string(), "a")]);
        call.send(&iot_analytics.url()).await;
    }
    let counts = iot_analytics.end_chaos();
    assert_eq!(counts.values().sum::<u64>(), 400);
    for name in names {
        assert!(counts[&name] > 0, "{name} in {counts:?}");
    }
}
