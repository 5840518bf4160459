//! The text format of Prometheus, version 0.0.4.
//!
//! Rules: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write};

/// What the format is called in HTTP.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a number does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It goes up, until a restart.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Metrics as text.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins the metric `name`; its samples follow.
    pub(super) fn metric(&mut self, name: &'static str, kind: Kind, help: &str) -> Metric<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.0 += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Metric {
            text: &mut self.0,
            name,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A metric to which samples are added.
pub(super) struct Metric<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Metric<'_> {
    /// Adds a sample; no other may have the same labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(value, self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        // Writing to a text does not fail.
        writeln!(self.text, " {value}").ok();
    }
}

/// Appends a label's value; these three characters have to be escaped and no other may be.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_below_their_metric() {
        let mut exposition = Exposition::default();
        let mut metric = exposition.metric("a_total", Kind::Counter, "What \\ is\ncounted.");
        metric.sample(&[("x", "1"), ("y", "")], 3_u64);
        metric.sample(&[("x", "2"), ("y", "z")], u64::MAX);
        exposition
            .metric("b", Kind::Gauge, "Up and down.")
            .sample(&[], 0.25);
        assert_eq!(
            exposition.into_text(),
            "# HELP a_total What \\\\ is\\ncounted.\n\
             # TYPE a_total counter\n\
             a_total{x=\"1\",y=\"\"} 3\n\
             a_total{x=\"2\",y=\"z\"} 18446744073709551615\n\
             # HELP b Up and down.\n\
             # TYPE b gauge\n\
             b 0.25\n"
        );
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut exposition = Exposition::default();
        let mut metric = exposition.metric("a", Kind::Gauge, "A.");
        metric.sample(&[("x", "\"} 1\na{x=\"\\")], 0);
        let text = exposition.into_text();
        let sample = text.lines().last().unwrap();
        assert_eq!(sample, r#"a{x="\"} 1\na{x=\"\\"} 0"#);
    }
}
