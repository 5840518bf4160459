//! What was seen of an outage, told and drawn.

use std::time::Duration;

use super::DEVICES;
use crate::plot::{Line, Panel, Plot, Scale, Shade};

/// What was seen.
pub(crate) struct Record {
    pub(super) samples: Vec<Sample>,
    /// When the upstream went and when it came back.
    pub(super) away: (Duration, Duration),
    /// When what was queued had left, if it had.
    pub(super) drained: Option<Duration>,
    pub(super) published: u64,
    pub(crate) lost: u64,
    pub(super) duplicates: u64,
}

/// One look.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) at: Duration,
    /// Messages, since the start.
    pub(super) acknowledged: u64,
    /// Different records, since the start.
    pub(super) delivered: u64,
    /// Bytes.
    pub(super) resident: u64,
}

impl Sample {
    /// Records that are acknowledged and not delivered.
    pub(super) fn depth(&self) -> u64 {
        self.acknowledged.saturating_sub(self.delivered)
    }
}

impl Record {
    /// What happened, in one line.
    pub(crate) fn summary(&self) -> String {
        let (gone, back) = self.away;
        let peak = self.samples.iter().map(Sample::depth).max().unwrap_or(0);
        let resident = |from: Duration, to: Duration| {
            let within = self
                .samples
                .iter()
                .filter(|sample| (from..to).contains(&sample.at));
            let most = within.map(|sample| sample.resident).max().unwrap_or(0);
            megabytes(most)
        };
        let drained = match self.drained {
            Some(drained) => {
                let seconds = drained.saturating_sub(back).as_secs_f64();
                format!("drained in {seconds:.0} s")
            }
            None => "not drained".to_owned(),
        };
        let last = self.samples.last().map_or(0, |sample| sample.resident);
        format!(
            "upstream away for {:.0} s at {} msg/s: at most {peak} records queued; RSS {:.1} MB before, \
             {:.1} MB during, {:.1} MB at most while draining, {:.1} MB at the end; {drained}; \
             of {} acknowledged {} lost, {} twice",
            (back - gone).as_secs_f64(),
            DEVICES.per_second,
            resident(Duration::ZERO, gone),
            resident(gone, back),
            resident(back, Duration::MAX),
            megabytes(last),
            self.published,
            self.lost,
            self.duplicates,
        )
    }

    /// What happened, as SVG.
    pub(crate) fn draw(&self) -> String {
        let (gone, back) = self.away;
        let line = |name, color, value: fn(&Sample) -> f64| Line {
            name,
            color,
            points: self
                .samples
                .iter()
                .map(|sample| (sample.at.as_secs_f64(), value(sample)))
                .collect(),
        };
        let length = match (back - gone).as_secs_f64().round() as u64 {
            seconds if seconds % 60 == 0 => format!("{} minutes", seconds / 60),
            seconds => format!("{seconds} seconds"),
        };
        let plot = Plot {
            title: format!("{length} without the upstream"),
            subtitle: format!(
                "{} devices publish {} messages of {} B a second at QoS 1; each is on disk before its \
                 acknowledgement",
                DEVICES.count, DEVICES.per_second, DEVICES.payload
            ),
            seconds: self
                .samples
                .last()
                .map_or(1.0, |last| last.at.as_secs_f64()),
            shade: Shade {
                from: gone.as_secs_f64(),
                to: back.as_secs_f64(),
                label: "upstream away",
            },
            panels: vec![
                Panel {
                    heading: "Queue on disk (records)",
                    scale: Scale::Linear,
                    lines: vec![line("acknowledged, not delivered", "#1f6fb2", |sample| {
                        sample.depth() as f64
                    })],
                },
                Panel {
                    heading: "Memory (MB)",
                    scale: Scale::Linear,
                    lines: vec![line(
                        "resident memory of the gateway",
                        "#7a4fa3",
                        |sample| megabytes(sample.resident),
                    )],
                },
                Panel {
                    heading: "Rates (per second)",
                    scale: Scale::Logarithmic,
                    lines: vec![
                        Line {
                            name: "records that reach the upstream",
                            color: "#d9730d",
                            points: self.rates(|sample| sample.delivered),
                        },
                        Line {
                            name: "acknowledgements to the devices",
                            color: "#2a8a57",
                            points: self.rates(|sample| sample.acknowledged),
                        },
                    ],
                },
            ],
        };
        plot.to_string()
    }

    /// How much `count` grew from each look to the next, in a second.
    fn rates(&self, count: fn(&Sample) -> u64) -> Vec<(f64, f64)> {
        let pairs = self.samples.windows(2);
        pairs
            .map(|pair| {
                let more = count(&pair[1]) - count(&pair[0]);
                let time = (pair[1].at - pair[0].at).as_secs_f64();
                (pair[1].at.as_secs_f64(), more as f64 / time)
            })
            .collect()
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let sample = |second, acknowledged, delivered, megabytes: u64| Sample {
            at: Duration::from_secs(second),
            acknowledged,
            delivered,
            resident: megabytes * 1_000_000,
        };
        Record {
            samples: vec![
                sample(0, 0, 0, 9),
                sample(1, 2000, 1500, 10),
                sample(2, 4000, 1500, 12),
                sample(4, 8000, 1500, 11),
                sample(5, 10_000, 9900, 14),
            ],
            away: (Duration::from_secs(1), Duration::from_secs(4)),
            drained: Some(Duration::from_secs(5)),
            published: 10_000,
            lost: 0,
            duplicates: 3,
        }
    }

    #[test]
    fn the_summary_has_the_peaks_of_each_part() {
        assert_eq!(
            record().summary(),
            "upstream away for 3 s at 2000 msg/s: at most 6500 records queued; RSS 9.0 MB before, \
             12.0 MB during, 14.0 MB at most while draining, 14.0 MB at the end; drained in 1 s; \
             of 10000 acknowledged 0 lost, 3 twice"
        );
    }

    #[test]
    fn a_rate_is_what_came_between_two_looks_in_a_second() {
        let delivered = record().rates(|sample| sample.delivered);
        assert_eq!(
            delivered,
            [(1.0, 1500.0), (2.0, 0.0), (4.0, 0.0), (5.0, 8400.0)]
        );
        let acknowledged = record().rates(|sample| sample.acknowledged);
        assert_eq!(acknowledged[2], (4.0, 2000.0));
    }

    #[test]
    fn the_picture_has_three_panels_and_the_outage_in_each() {
        let svg = record().draw();
        assert_eq!(svg.matches(r#"class="heading""#).count(), 3);
        assert_eq!(svg.matches(r#"class="shade""#).count(), 3);
        assert_eq!(svg.matches(r#"<path class="line""#).count(), 2 * 4);
    }
}
