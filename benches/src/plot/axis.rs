//! Where values and times stand on their axes, and how they are written there.

use super::Scale;

/// The vertical axis of a panel.
pub(super) struct Axis {
    scale: Scale,
    pub(super) ticks: Vec<f64>,
    /// The value at the top.
    end: f64,
}

impl Axis {
    /// An axis for values up to `highest`.
    pub(super) fn new(scale: Scale, highest: f64) -> Self {
        match scale {
            Scale::Linear => {
                let step = round_step(highest / 4.0);
                let count = (highest / step).ceil().max(1.0);
                Axis {
                    scale,
                    ticks: (0..=count as u32)
                        .map(|tick| f64::from(tick) * step)
                        .collect(),
                    end: count * step,
                }
            }
            Scale::Logarithmic => {
                let decades = highest.max(100.0).log10().ceil() as i32;
                Axis {
                    scale,
                    ticks: (1..=decades).map(|decade| 10_f64.powi(decade)).collect(),
                    end: 10_f64.powi(decades),
                }
            }
        }
    }

    /// 0 at the bottom of the panel, 1 at its top.
    pub(super) fn height(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value / self.end,
            Scale::Logarithmic => (value.max(10.0).log10() - 1.0) / (self.end.log10() - 1.0),
        }
    }

    pub(super) fn label(&self, value: f64) -> String {
        match self.scale {
            Scale::Logarithmic if value <= 10.0 => "0".to_owned(),
            _ => short(value),
        }
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, and not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0].map(|step| step * power);
    let found = steps.into_iter().find(|&step| step >= least * (1.0 - 1e-9));
    found.unwrap_or(10.0 * power)
}

/// Whole seconds, at most ten of them and the start.
pub(super) fn ticks_of_time(end: f64) -> impl Iterator<Item = u64> {
    let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800];
    let step = steps.into_iter().find(|&step| end / step as f64 <= 10.0);
    (0..=end as u64).step_by(step.unwrap_or(3600) as usize)
}

/// `1.5M`, `20k`, `400`.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    // As few digits as say it: 2.50 is 2.5, and 20.0 is 20.
    let digits = format!("{value:.2}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_not_far_above_the_highest_value() {
        let ticks = |highest| Axis::new(Scale::Linear, highest).ticks;
        assert_eq!(ticks(1_180_000.0), [0.0, 5e5, 1e6, 1.5e6]);
        assert_eq!(ticks(31.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(40.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(0.0).first(), Some(&0.0));
    }

    #[test]
    fn on_a_logarithmic_axis_decades_are_equal_and_nothing_lies_at_the_bottom() {
        let axis = Axis::new(Scale::Logarithmic, 42_000.0);
        let heights = [0.0, 10.0, 100.0, 1e3, 1e5].map(|value| axis.height(value));
        assert_eq!(heights, [0.0, 0.0, 0.25, 0.5, 1.0]);
        let labels: Vec<String> = axis.ticks.iter().map(|&tick| axis.label(tick)).collect();
        assert_eq!(labels, ["0", "100", "1k", "10k", "100k"]);
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let all = [0.0, 400.0, 2_500.0, 20_000.0, 1_250_000.0].map(short);
        assert_eq!(all, ["0", "400", "2.5k", "20k", "1.25M"]);
    }

    #[test]
    fn the_time_axis_has_at_most_ten_steps_of_a_round_length() {
        let ticks = |end| ticks_of_time(end).collect::<Vec<_>>();
        assert_eq!(ticks(25.0), [0, 5, 10, 15, 20, 25]);
        assert_eq!(ticks(720.0), [0, 120, 240, 360, 480, 600, 720]);
    }
}
