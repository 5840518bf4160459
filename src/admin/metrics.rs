//! Metrics, from what is counted anyway: a scrape takes snapshots, a record costs nothing.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering::{Acquire, Relaxed},
};

use perennial_broker::BrokerCounters;

use super::{
    Subject, Watched,
    exposition::{Exposition, Kind},
};
use crate::{
    clock,
    delivery::{CircuitState, Counts, LaneCounts, LaneStatus},
    operator::DeadLetterRow,
};

/// All metrics of a gateway.
pub(super) fn text(subject: &Subject) -> String {
    let mut exposition = Exposition::default();
    about(subject, &mut exposition);
    records(subject.delivery.lane_counts(), &mut exposition);
    queues(
        &subject.delivery.status(),
        clock::unix_millis(),
        &mut exposition,
    );
    dead_letters(&subject.operator.dead_letters(), &mut exposition);
    broker(&(subject.broker)(), &mut exposition);
    if let Some(watched) = &subject.access {
        access(watched, &mut exposition);
    }
    exposition.into_text()
}

fn about(subject: &Subject, exposition: &mut Exposition) {
    exposition
        .metric(
            "perennial_build_info",
            Kind::Gauge,
            "Always 1; the label is the version.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let ready = u8::from(!subject.operator.is_poisoned());
    exposition
        .metric(
            "perennial_ready",
            Kind::Gauge,
            "1 while the store takes messages, 0 when a write has failed and a restart is needed.",
        )
        .sample(&[], ready);
}

/// A metric about records: its name, its help and which count it is.
type OfCounts = (&'static str, Kind, &'static str, fn(&Counts) -> u64);

/// When nothing moves, the first is the sum of the five that follow.
const RECORDS: [OfCounts; 9] = [
    (
        "perennial_records_accepted_total",
        Kind::Counter,
        "Records that were taken, with those found queued at the start and dead letters that are \
         sent again; when nothing moves, accepted = delivered + dead + dropped + expired + queued. \
         Closed destinations are summed under destination=\"\".",
        |counts| counts.accepted,
    ),
    (
        "perennial_records_delivered_total",
        Kind::Counter,
        "Accepted records that the upstream has.",
        |counts| counts.delivered,
    ),
    (
        "perennial_records_dead_total",
        Kind::Counter,
        "Accepted records that became dead letters.",
        |counts| counts.dead,
    ),
    (
        "perennial_records_dropped_total",
        Kind::Counter,
        "Accepted records that were given up: for a newer one, because the dead letters had no \
         room, or as duplicates.",
        |counts| counts.dropped,
    ),
    (
        "perennial_records_duplicate_total",
        Kind::Counter,
        "Of the dropped records, those whose id another record of their batch had.",
        |counts| counts.duplicates,
    ),
    (
        "perennial_records_expired_total",
        Kind::Counter,
        "Accepted records that were given up for their age.",
        |counts| counts.expired,
    ),
    (
        "perennial_records_queued",
        Kind::Gauge,
        "Accepted records that wait to be sent or for an answer.",
        |counts| counts.queued,
    ),
    (
        "perennial_records_rejected_total",
        Kind::Counter,
        "Records that were not accepted, for want of room.",
        |counts| counts.rejected,
    ),
    (
        "perennial_records_retries_total",
        Kind::Counter,
        "Records that were to be sent again, counted each time.",
        |counts| counts.retries,
    ),
];

fn records(lanes: Vec<LaneCounts>, exposition: &mut Exposition) {
    // What is summed for closed lanes has no destination, and a lane could have that name.
    let mut sums: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for lane in lanes {
        let labels = (lane.connector, lane.destination.unwrap_or_default());
        *sums.entry(labels).or_default() += lane.counts;
    }
    for (name, kind, help, of) in RECORDS {
        let mut metric = exposition.metric(name, kind, help);
        for ((connector, destination), counts) in &sums {
            metric.sample(&labels(connector, destination), of(counts));
        }
    }
}

fn queues(lanes: &[LaneStatus], now: u64, exposition: &mut Exposition) {
    let mut bytes = exposition.metric(
        "perennial_queue_bytes",
        Kind::Gauge,
        "Bytes that the queue of a destination has on disk.",
    );
    for lane in lanes {
        bytes.sample(
            &labels(&lane.connector, &lane.destination),
            lane.queued_bytes,
        );
    }
    let mut oldest = exposition.metric(
        "perennial_queue_oldest_seconds",
        Kind::Gauge,
        "How long the record has waited that waits longest; 0 when none waits.",
    );
    for lane in lanes {
        let waited = match (lane.oldest, lane.counts.queued) {
            (Some(oldest), _) => now.saturating_sub(oldest),
            (None, 0) => 0,
            (None, _) => continue,
        };
        let seconds = waited as f64 / 1_000.0;
        oldest.sample(&labels(&lane.connector, &lane.destination), seconds);
    }
    let mut circuit = exposition.metric(
        "perennial_circuit_open",
        Kind::Gauge,
        "1 while requests to the destination fail, 0 otherwise.",
    );
    for lane in lanes {
        let open = u8::from(lane.circuit != CircuitState::Closed);
        circuit.sample(&labels(&lane.connector, &lane.destination), open);
    }
}

fn dead_letters(connectors: &[DeadLetterRow], exposition: &mut Exposition) {
    let mut records = exposition.metric(
        "perennial_dead_letters",
        Kind::Gauge,
        "Dead letters that are kept.",
    );
    for row in connectors {
        records.sample(&[("connector", &row.connector)], row.records);
    }
    let mut bytes = exposition.metric(
        "perennial_dead_letter_bytes",
        Kind::Gauge,
        "Bytes that dead letters have on disk.",
    );
    for row in connectors {
        bytes.sample(&[("connector", &row.connector)], row.bytes);
    }
}

fn labels<'a>(connector: &'a str, destination: &'a str) -> [(&'static str, &'a str); 2] {
    [("connector", connector), ("destination", destination)]
}

/// What the broker has counted; a counter that is new there does not compile here.
fn broker(counters: &BrokerCounters, exposition: &mut Exposition) {
    let BrokerCounters {
        connections,
        connections_failed,
        connections_refused_limit,
        connections_refused_address,
        connections_refused_rate,
        tls_handshakes_failed,
        handshakes_evicted,
        connections_expelled,
        connections_panicked,
        messages_received,
        messages_refused,
        messages_sent,
        messages_spilled,
        mailbox_bytes,
        messages_dropped_oldest,
        sessions_expired,
        publishers_throttled,
        messages_withheld,
        messages_dropped_qos0,
        messages_dropped_full,
        messages_dropped_oversize,
        messages_expired,
    } = *counters;
    let metrics = [
        (
            "perennial_broker_connections",
            Kind::Gauge,
            "Connections that are open.",
            connections,
        ),
        (
            "perennial_broker_connections_failed_total",
            Kind::Counter,
            "Connections that were refused or ended with an error.",
            connections_failed,
        ),
        (
            "perennial_broker_connections_refused_limit_total",
            Kind::Counter,
            "Connections that were refused because too many were open.",
            connections_refused_limit,
        ),
        (
            "perennial_broker_connections_refused_address_total",
            Kind::Counter,
            "Connections that were refused because too many were open from their address.",
            connections_refused_address,
        ),
        (
            "perennial_broker_connections_refused_rate_total",
            Kind::Counter,
            "Connections that were refused because too many came in a second.",
            connections_refused_rate,
        ),
        (
            "perennial_broker_tls_handshakes_failed_total",
            Kind::Counter,
            "Connections that were refused in their TLS handshake.",
            tls_handshakes_failed,
        ),
        (
            "perennial_broker_handshakes_evicted_total",
            Kind::Counter,
            "Connections that were closed before their CONNECT because their place was needed.",
            handshakes_evicted,
        ),
        (
            "perennial_broker_connections_expelled_total",
            Kind::Counter,
            "Connections that were closed because their client may not be connected any more.",
            connections_expelled,
        ),
        (
            "perennial_broker_connections_panicked_total",
            Kind::Counter,
            "Connections whose task panicked.",
            connections_panicked,
        ),
        (
            "perennial_broker_messages_received_total",
            Kind::Counter,
            "Messages that clients published.",
            messages_received,
        ),
        (
            "perennial_broker_messages_refused_total",
            Kind::Counter,
            "Publishes that a hook refused.",
            messages_refused,
        ),
        (
            "perennial_broker_messages_sent_total",
            Kind::Counter,
            "Messages that were written to subscribers.",
            messages_sent,
        ),
        (
            "perennial_broker_messages_spilled_total",
            Kind::Counter,
            "Messages that went to a session's queue because its subscriber was behind.",
            messages_spilled,
        ),
        (
            "perennial_broker_mailbox_bytes",
            Kind::Gauge,
            "Bytes of messages that wait in memory for subscribers.",
            mailbox_bytes,
        ),
        (
            "perennial_broker_messages_dropped_oldest_total",
            Kind::Counter,
            "Messages that the full queue of a session dropped for newer ones.",
            messages_dropped_oldest,
        ),
        (
            "perennial_broker_sessions_expired_total",
            Kind::Counter,
            "Sessions that ended because nobody came back to them in time.",
            sessions_expired,
        ),
        (
            "perennial_broker_publishers_throttled_total",
            Kind::Counter,
            "Times that a client was not read from because it published too fast.",
            publishers_throttled,
        ),
        (
            "perennial_broker_messages_withheld_total",
            Kind::Counter,
            "Messages in a session's queue that its subscriber may not see when it comes back.",
            messages_withheld,
        ),
        (
            "perennial_broker_messages_dropped_qos0_total",
            Kind::Counter,
            "Messages at QoS 0 that a subscriber's full mailbox could not take.",
            messages_dropped_qos0,
        ),
        (
            "perennial_broker_messages_dropped_full_total",
            Kind::Counter,
            "Messages that a session's full queue could not take.",
            messages_dropped_full,
        ),
        (
            "perennial_broker_messages_dropped_oversize_total",
            Kind::Counter,
            "Messages larger than their subscriber's maximum packet size.",
            messages_dropped_oversize,
        ),
        (
            "perennial_broker_messages_expired_total",
            Kind::Counter,
            "Messages whose expiry interval passed before they were sent.",
            messages_expired,
        ),
    ];
    for (name, kind, help, value) in metrics {
        exposition.metric(name, kind, help).sample(&[], value);
    }
}

fn access(watched: &Watched, exposition: &mut Exposition) {
    let Watched { figures, audit } = watched;
    let single = [
        (
            "perennial_access_reloads_total",
            Kind::Counter,
            "Readings of the access directory that were taken since the start.",
            figures.reloads.load(Acquire),
        ),
        (
            "perennial_access_reload_failed",
            Kind::Gauge,
            "1 while the access directory is wrong and an earlier reading is in force, 0 otherwise.",
            u64::from(figures.failed.load(Relaxed)),
        ),
        (
            "perennial_audit_lines_lost_total",
            Kind::Counter,
            "Lines of the audit log that were not written: too many came, or the disk took none.",
            audit.lost(),
        ),
    ];
    for (name, kind, help, value) in single {
        exposition.metric(name, kind, help).sample(&[], value);
    }
    let mut ends = exposition.metric(
        "perennial_certificate_not_after_seconds",
        Kind::Gauge,
        "When a certificate ends, in seconds since the Unix epoch.",
    );
    for (certificate, not_after) in [
        ("server", &figures.server_ends),
        ("ca", &figures.authority_ends),
    ] {
        let not_after = not_after.load(Relaxed);
        if not_after > 0 {
            ends.sample(&[("certificate", certificate)], not_after);
        }
    }
    let mut refusals = exposition.metric(
        "perennial_refusals_total",
        Kind::Counter,
        "What clients were refused; Receive counts subscribers and topics, not messages.",
    );
    for (action, reason, count) in audit.counts() {
        if count > 0 {
            refusals.sample(&[("action", action), ("reason", reason)], count);
        }
    }
}
