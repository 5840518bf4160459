//! What was measured, round by round, and the table that says it.

use std::{cmp::Ordering, fmt::Write as _};

/// A column: what its values mean and how they are put together over the rounds.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) digits: usize,
    pub(crate) over_rounds: OverRounds,
    /// True if the table has a column for its ratio to each baseline.
    pub(crate) compared: bool,
}

#[derive(Debug)]
pub(crate) enum OverRounds {
    Median,
    Max,
    Sum,
}

impl Metric {
    pub(crate) const fn median(name: &'static str, digits: usize) -> Self {
        Self {
            name,
            digits,
            over_rounds: OverRounds::Median,
            compared: false,
        }
    }

    pub(crate) const fn compared(name: &'static str, digits: usize) -> Self {
        Self {
            name,
            digits,
            over_rounds: OverRounds::Median,
            compared: true,
        }
    }

    pub(crate) const fn max(name: &'static str, digits: usize) -> Self {
        Self {
            name,
            digits,
            over_rounds: OverRounds::Max,
            compared: false,
        }
    }

    pub(crate) const fn sum(name: &'static str) -> Self {
        Self {
            name,
            digits: 0,
            over_rounds: OverRounds::Sum,
            compared: false,
        }
    }

    fn aggregate(&self, values: &[f64]) -> Option<f64> {
        match self.over_rounds {
            OverRounds::Median => median(values),
            OverRounds::Max => values.iter().copied().reduce(f64::max),
            OverRounds::Sum => values.iter().copied().reduce(|sum, value| sum + value),
        }
    }
}

/// The figures of one round, in the order of the columns.
pub(crate) type Sample = Vec<(&'static Metric, f64)>;

/// All rounds of one work: a row for each broker.
pub(crate) struct Table {
    rows: Vec<(String, Vec<Sample>)>,
}

impl Table {
    /// An empty table with its rows in this order.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            rows: names
                .into_iter()
                .map(|name| (name.to_owned(), Vec::new()))
                .collect(),
        }
    }

    /// Adds one round of `name`.
    pub(crate) fn push(&mut self, name: &str, sample: Sample) {
        match self.rows.iter_mut().find(|(row, _)| row == name) {
            Some((_, samples)) => samples.push(sample),
            None => self.rows.push((name.to_owned(), vec![sample])),
        }
    }

    /// True if nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.iter().all(|(_, samples)| samples.is_empty())
    }

    /// The table as text, with a ratio to each of the `baselines` that has such a figure.
    pub(crate) fn render(&self, baselines: &[&str]) -> String {
        let metrics = self.metrics();
        let compared = metrics.iter().filter(|metric| metric.compared);
        let ratios: Vec<(&Metric, &str)> = compared
            .flat_map(|&metric| baselines.iter().map(move |&baseline| (metric, baseline)))
            .filter(|(metric, baseline)| self.value(baseline, metric).is_some())
            .collect();
        let mut header = vec![String::new()];
        header.extend(metrics.iter().map(|metric| metric.name.to_owned()));
        header.extend(ratios.iter().map(|(metric, baseline)| {
            let quantity = metric.name.split(' ').next().unwrap_or(metric.name);
            format!("{quantity}/{baseline}")
        }));
        header.extend(["spread".to_owned(), "rounds".to_owned()]);
        let mut lines = vec![header];
        for (name, samples) in self.rows.iter().filter(|(_, samples)| !samples.is_empty()) {
            let mut line = vec![name.clone()];
            line.extend(metrics.iter().map(|metric| {
                let value = self.value(name, metric);
                value.map_or("-".to_owned(), |value| number(value, metric.digits))
            }));
            line.extend(
                ratios
                    .iter()
                    .map(|(metric, base)| self.ratio(name, base, metric)),
            );
            line.push(
                metrics
                    .first()
                    .map_or(String::new(), |first| spread(&values(samples, first))),
            );
            line.push(samples.len().to_string());
            lines.push(line);
        }
        align(&lines)
    }

    /// The columns of all rows, in the order in which they first come.
    fn metrics(&self) -> Vec<&'static Metric> {
        let mut metrics: Vec<&'static Metric> = Vec::new();
        for (metric, _) in self
            .rows
            .iter()
            .flat_map(|(_, samples)| samples.iter().flatten())
        {
            if metrics.iter().all(|known| known.name != metric.name) {
                metrics.push(metric);
            }
        }
        metrics
    }

    fn value(&self, name: &str, metric: &Metric) -> Option<f64> {
        let (_, samples) = self.rows.iter().find(|(row, _)| row == name)?;
        metric.aggregate(&values(samples, metric))
    }

    fn ratio(&self, name: &str, baseline: &str, metric: &Metric) -> String {
        match (self.value(name, metric), self.value(baseline, metric)) {
            (Some(value), Some(base)) if name != baseline && base > 0.0 => {
                format!("{:.2}", value / base)
            }
            _ => "-".to_owned(),
        }
    }
}

fn values(samples: &[Sample], metric: &Metric) -> Vec<f64> {
    let figures = samples.iter().flatten();
    figures
        .filter(|(known, _)| known.name == metric.name)
        .map(|&(_, value)| value)
        .collect()
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0),
    }
}

/// The smallest of `sorted` that is not below a share of `percent` of them.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: f64) -> Option<T> {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// How far the rounds of the first column lie apart, in percent of their median.
fn spread(values: &[f64]) -> String {
    let (low, high) = values
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
    match median(values) {
        Some(middle) if middle > 0.0 => format!("{:.0}%", (high - low) / middle * 100.0),
        _ => "-".to_owned(),
    }
}

/// With a blank between thousands.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 && &whole[..index] != "-" {
            out.push(' ');
        }
        out.push(digit);
    }
    out + fraction
}

/// Columns as wide as their widest cell; names to the left, numbers to the right.
fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for line in lines {
        for (index, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let result = match index.cmp(&0) {
                Ordering::Equal => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
            debug_assert!(result.is_ok(), "writing to a String does not fail");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    static RATE: Metric = Metric::compared("rate /s", 0);
    static LOST: Metric = Metric::sum("missing");
    static PEAK: Metric = Metric::max("peak MB", 1);

    #[test]
    fn rounds_become_medians_sums_and_maxima_with_ratios_to_the_baseline() {
        let mut table = Table::new(["a", "b", "never"]);
        for (rate, lost) in [(1000.0, 0.0), (3000.0, 2.0), (2000.0, 1.0)] {
            table.push("a", vec![(&RATE, rate), (&LOST, lost)]);
            table.push(
                "b",
                vec![(&RATE, rate * 2.5), (&LOST, 0.0), (&PEAK, rate / 1000.0)],
            );
        }
        let wanted = "   rate /s  missing  peak MB  rate/a  spread  rounds\n\
                      a    2 000        3        -       -    100%       3\n\
                      b    5 000        0      3.0    2.50    100%       3\n";
        assert_eq!(table.render(&["a"]), wanted);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<u32> = (1..=200).collect();
        assert_eq!(percentile(&sorted, 50.0), Some(100));
        assert_eq!(percentile(&sorted, 99.0), Some(198));
        assert_eq!(percentile(&sorted, 100.0), Some(200));
        assert_eq!(percentile::<u32>(&[], 99.0), None);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(1_234_567.0, 0), "1 234 567");
        assert_eq!(number(999.96, 1), "1 000.0");
        assert_eq!(number(-123.0, 0), "-123");
    }
}
