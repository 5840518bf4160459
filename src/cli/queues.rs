//! `perennial queues`: how full the queues are.

use clap::Args;
use perennial::operator::{CircuitRow, QueueRow, Queues};

use super::{
    Failure, json,
    place::Place,
    print,
    table::{Table, bytes, shown, span},
};

#[derive(Args, Debug)]
pub(crate) struct QueuesArgs {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the queues of a gateway.
pub(super) fn queues(args: &QueuesArgs) -> Result<(), Failure> {
    let queues = args.place.with(async |access| Ok(access.queues().await?))?;
    match args.json {
        true => print(&json(&queues)?),
        false => print(&table(&queues)),
    }
}

fn table(queues: &Queues) -> String {
    let now = queues.time.unwrap_or_default();
    let mut text = String::new();
    if !queues.running {
        text += "No gateway runs; this is what it left.\n";
    }
    let mut table = Table::new([
        "CONNECTOR",
        "DESTINATION",
        "QUEUED",
        "BYTES",
        "OLDEST",
        "IN/S",
        "OUT/S",
        "CIRCUIT",
        "EMPTY IN",
    ]);
    for row in &queues.queues {
        table.push(cells(row, queues.running, now));
    }
    match queues.queues.is_empty() {
        true => text += "There are no queues.\n",
        false => text += &table.take(true),
    }
    for row in &queues.queues {
        if let Some(CircuitRow::Open { failing_for, error }) = &row.circuit {
            text += &format!(
                "{} to {} fails for {}: {}\n",
                shown(&row.connector),
                shown(&row.destination),
                span(*failing_for),
                shown(error)
            );
        }
    }
    let mut table = Table::new(["CONNECTOR", "DEAD LETTERS", "BYTES"]);
    for row in &queues.dead_letters {
        let connector = row.connector.clone();
        table.push([connector, row.records.to_string(), bytes(row.bytes)]);
    }
    if !queues.dead_letters.is_empty() {
        text += &format!("\n{}", table.take(true));
    }
    text
}

fn cells(row: &QueueRow, running: bool, now: u64) -> [String; 9] {
    let none = || "-".to_owned();
    let age = |oldest: u64| span(now.saturating_sub(oldest) as f64 / 1_000.0);
    let rate = |rate: Option<f64>| rate.map_or_else(none, |rate| format!("{rate:.1}"));
    let circuit = match &row.circuit {
        Some(CircuitRow::Closed) => "closed".to_owned(),
        Some(CircuitRow::Open { .. }) => "open".to_owned(),
        None if running => "not sent".to_owned(),
        None => none(),
    };
    let drain = match (row.records, row.time_to_drain) {
        (0, _) => none(),
        (_, Some(seconds)) => span(seconds),
        (_, None) if row.circuit.is_some() => "never".to_owned(),
        (_, None) => none(),
    };
    [
        row.connector.clone(),
        row.destination.clone(),
        row.records.to_string(),
        bytes(row.bytes),
        row.oldest.map_or_else(none, age),
        rate(row.arrival_rate),
        rate(row.rate),
        circuit,
        drain,
    ]
}

#[cfg(test)]
mod tests {
    use perennial::operator::DeadLetterRow;

    use super::*;

    fn row(destination: &str, circuit: Option<CircuitRow>) -> QueueRow {
        let rate = circuit.as_ref().map(|_| 12.34);
        QueueRow {
            connector: "firehose".to_owned(),
            destination: destination.to_owned(),
            records: 3,
            bytes: 2048,
            oldest: Some(1_000),
            arrival_rate: rate,
            rate,
            time_to_drain: rate.map(|_| 61.0),
            circuit,
        }
    }

    #[test]
    fn a_running_gateway_shows_rates_circuits_and_the_last_error() {
        let open = CircuitRow::Open {
            failing_for: 12.0,
            error: "ThrottlingException: slow\x07 down".to_owned(),
        };
        let queues = Queues {
            running: true,
            time: Some(91_000),
            queues: vec![
                row("a", Some(CircuitRow::Closed)),
                row("b", Some(open)),
                row("c", None),
            ],
            dead_letters: vec![DeadLetterRow {
                connector: "firehose".to_owned(),
                records: 7,
                bytes: 100,
            }],
        };
        let expected = "\
CONNECTOR  DESTINATION  QUEUED  BYTES    OLDEST  IN/S  OUT/S  CIRCUIT   EMPTY IN
firehose   a            3       2.0 KiB  1m 30s  12.3  12.3   closed    1m 1s
firehose   b            3       2.0 KiB  1m 30s  12.3  12.3   open      1m 1s
firehose   c            3       2.0 KiB  1m 30s  -     -      not sent  -
firehose to b fails for 12s: ThrottlingException: slow\\u{7} down

CONNECTOR  DEAD LETTERS  BYTES
firehose   7             100 B
";
        assert_eq!(table(&queues), expected);
    }

    #[test]
    fn a_stopped_gateway_shows_what_the_store_holds() {
        let queues = Queues {
            running: false,
            time: Some(2_000),
            queues: vec![row("a", None)],
            dead_letters: Vec::new(),
        };
        let expected = "\
No gateway runs; this is what it left.
CONNECTOR  DESTINATION  QUEUED  BYTES    OLDEST  IN/S  OUT/S  CIRCUIT  EMPTY IN
firehose   a            3       2.0 KiB  1s      -     -      -        -
";
        assert_eq!(table(&queues), expected);
    }
}
