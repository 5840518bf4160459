//! Pictures of what was measured over time: panels above each other with one time axis, as SVG.
//!
//! On a white background, so that it reads the same on a light and on a dark page.

use std::fmt::{self, Display, Formatter};

use axis::{Axis, ticks_of_time};

mod axis;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
/// Room for the title.
const TOP: f64 = 64.0;
/// Of a panel without its heading.
const PANEL: f64 = 150.0;
/// Room for a panel's heading.
const HEADING: f64 = 46.0;
/// Room for the time axis.
const BOTTOM: f64 = 44.0;
const PLOTTED: f64 = WIDTH - LEFT - RIGHT;

const STYLE: &str = "text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#444}\
    .title{font-size:16px;font-weight:600;fill:#111}.heading{font-weight:600;fill:#111}\
    .end{text-anchor:end}.middle{text-anchor:middle}.shade{fill:#fbe9e7}.away{fill:#b3402e}\
    .grid{stroke:#e3e3e3}.axis{stroke:#777}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}";

/// A picture.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// Where the time axis ends, in seconds.
    pub(crate) seconds: f64,
    pub(crate) shade: Shade,
    pub(crate) panels: Vec<Panel>,
}

/// A time that is set apart, in seconds.
pub(crate) struct Shade {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) label: &'static str,
}

/// A quantity, or several in the same unit.
pub(crate) struct Panel {
    pub(crate) heading: &'static str,
    pub(crate) scale: Scale,
    pub(crate) lines: Vec<Line>,
}

/// How values become heights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scale {
    Linear,
    /// A decade is as high as another; what is below 10 lies at the bottom, which is called 0.
    Logarithmic,
}

/// One quantity over time.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// As CSS writes it.
    pub(crate) color: &'static str,
    /// Seconds and values, in the order of time.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Display for Plot {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let bottom = TOP + self.panels.len() as f64 * (HEADING + PANEL);
        let height = bottom + BOTTOM;
        writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">"#
        )?;
        writeln!(out, "<title>{}</title>", Escaped(&self.title))?;
        writeln!(out, "<style>{STYLE}</style>")?;
        writeln!(out, r##"<rect width="100%" height="100%" fill="#fff"/>"##)?;
        text(out, "title", LEFT, 28.0, &self.title)?;
        text(out, "", LEFT, 48.0, &self.subtitle)?;
        for (index, panel) in self.panels.iter().enumerate() {
            let top = TOP + index as f64 * (HEADING + PANEL) + HEADING;
            self.draw_panel(out, panel, top, index == 0)?;
        }
        for time in ticks_of_time(self.seconds) {
            let label = format!("{}:{:02}", time / 60, time % 60);
            text(out, "middle", self.x(time as f64), bottom + 18.0, &label)?;
        }
        let middle = LEFT + PLOTTED / 2.0;
        text(out, "middle", middle, bottom + 36.0, "time (min:s)")?;
        writeln!(out, "</svg>")
    }
}

impl Plot {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + PLOTTED * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn draw_panel(
        &self,
        out: &mut Formatter<'_>,
        panel: &Panel,
        top: f64,
        is_first: bool,
    ) -> fmt::Result {
        let (right, bottom) = (LEFT + PLOTTED, top + PANEL);
        let (from, to) = (self.x(self.shade.from), self.x(self.shade.to));
        writeln!(
            out,
            r#"<rect class="shade" x="{from:.1}" y="{top}" width="{:.1}" height="{PANEL}"/>"#,
            to - from
        )?;
        if is_first {
            text(
                out,
                "away middle",
                (from + to) / 2.0,
                top + 18.0,
                self.shade.label,
            )?;
        }
        text(out, "heading", LEFT, top - 12.0, panel.heading)?;
        draw_legend(out, panel, top - 12.0)?;
        let axis = panel.axis();
        for &tick in &axis.ticks {
            let y = bottom - PANEL * axis.height(tick);
            segment(out, "grid", [LEFT, y, right, y])?;
            text(out, "end", LEFT - 8.0, y + 4.0, &axis.label(tick))?;
        }
        for time in ticks_of_time(self.seconds) {
            let x = self.x(time as f64);
            segment(out, "axis", [x, bottom, x, bottom + 4.0])?;
        }
        segment(out, "axis", [LEFT, bottom, right, bottom])?;
        for line in &panel.lines {
            write!(out, r#"<path class="line" stroke="{}" d=""#, line.color)?;
            for (index, &(time, value)) in line.points.iter().enumerate() {
                let (x, y) = (self.x(time), bottom - PANEL * axis.height(value));
                let command = if index == 0 { 'M' } else { 'L' };
                write!(out, "{command}{x:.1} {y:.1}")?;
            }
            writeln!(out, r#""/>"#)?;
        }
        Ok(())
    }
}

impl Panel {
    fn axis(&self) -> Axis {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let highest = values.fold(0.0, |highest, &(_, value)| f64::max(highest, value));
        Axis::new(self.scale, highest)
    }
}

/// The names of the lines on the right, each behind a piece of its line.
fn draw_legend(out: &mut Formatter<'_>, panel: &Panel, y: f64) -> fmt::Result {
    // Fonts differ; a letter of the widest of them takes 7 on average.
    let width = |line: &Line| 26.0 + 7.0 * line.name.chars().count() as f64;
    let mut x = LEFT + PLOTTED - panel.lines.iter().map(width).sum::<f64>();
    for line in &panel.lines {
        writeln!(
            out,
            r#"<path class="line" stroke="{}" d="M{x:.1} {:.1}h20"/>"#,
            line.color,
            y - 4.0
        )?;
        text(out, "", x + 26.0, y, line.name)?;
        x += width(line);
    }
    Ok(())
}

fn text(out: &mut Formatter<'_>, class: &str, x: f64, y: f64, text: &str) -> fmt::Result {
    let text = Escaped(text);
    writeln!(
        out,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
    )
}

fn segment(out: &mut Formatter<'_>, class: &str, [x1, y1, x2, y2]: [f64; 4]) -> fmt::Result {
    writeln!(
        out,
        r#"<path class="{class}" d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}"/>"#
    )
}

/// Text between tags.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => out.write_str("&amp;"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            letter => write!(out, "{letter}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(scale: Scale, highest: f64) -> Panel {
        Panel {
            heading: "<depth> & more",
            scale,
            lines: vec![Line {
                name: "waiting",
                color: "#1f6fb2",
                points: vec![(0.0, 0.0), (50.0, highest), (100.0, 0.0)],
            }],
        }
    }

    #[test]
    fn a_line_goes_from_the_axis_to_the_top_and_back_and_its_text_is_escaped() {
        let plot = Plot {
            title: "an outage".to_owned(),
            subtitle: "of a minute".to_owned(),
            seconds: 100.0,
            shade: Shade {
                from: 25.0,
                to: 75.0,
                label: "away",
            },
            panels: vec![panel(Scale::Linear, 40.0)],
        };
        let svg = plot.to_string();
        let line = r#"d="M64.0 260.0L470.0 110.0L876.0 260.0""#;
        assert!(svg.contains(line), "{svg}");
        let shade = r#"<rect class="shade" x="267.0" y="110" width="406.0""#;
        assert!(svg.contains(shade), "{svg}");
        assert!(svg.contains(">&lt;depth&gt; &amp; more<"), "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }
}
