//! Tables for terminals.

/// Columns with a title each, as wide as what is in them.
pub(super) struct Table<const N: usize> {
    titles: [&'static str; N],
    rows: Vec<[String; N]>,
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    pub(super) fn new(titles: [&'static str; N]) -> Self {
        Self {
            widths: titles.map(str::len),
            titles,
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: [String; N]) {
        let row = row.map(|cell| shown(&cell));
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = cell.chars().count().max(*width);
        }
        self.rows.push(row);
    }

    /// The rows that were pushed, below the titles the first time; later ones are as wide at least.
    pub(super) fn take(&mut self, with_titles: bool) -> String {
        let mut text = String::new();
        if with_titles {
            self.line(&self.titles.map(str::to_owned), &mut text);
        }
        for row in std::mem::take(&mut self.rows) {
            self.line(&row, &mut text);
        }
        text
    }

    fn line(&self, cells: &[String; N], text: &mut String) {
        let mut line = String::new();
        for (cell, &width) in cells.iter().zip(&self.widths) {
            line += &format!("{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// A text that does nothing to a terminal: devices choose their topics and ids.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if character.is_control() || is_invisible(character) => {
                shown.extend(character.escape_default());
            }
            character => shown.push(character),
        }
    }
    shown
}

/// Whether a character turns the direction of writing or takes no place.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The beginning of `text`, of `most` characters at most.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A number of bytes, to three digits or so.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(size < 100.0);
    format!("{size:.digits$} {}", UNITS[unit])
}

/// A time in its two largest units.
pub(super) fn span(seconds: f64) -> String {
    if seconds < 1.0 {
        return "0s".to_owned();
    }
    let seconds = seconds as u64;
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let largest = units.iter().position(|(_, unit)| seconds >= *unit);
    let units = &units[largest.unwrap_or_default()..];
    let mut left = seconds;
    let mut words = Vec::new();
    for (name, unit) in units.iter().take(2) {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            words.push(format!("{count}{name}"));
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(["A", "LONGER"]);
        table.push(["ä-wide".to_owned(), "1".to_owned()]);
        assert_eq!(table.take(true), "A       LONGER\nä-wide  1\n");
        table.push(["b".to_owned(), String::new()]);
        table.push(["c".to_owned(), "2".to_owned()]);
        assert_eq!(table.take(false), "b\nc       2\n");
    }

    #[test]
    fn what_a_device_has_chosen_does_nothing_to_a_terminal() {
        let mut table = Table::new(["TOPIC"]);
        table.push(["a\x1b[2J\nb\u{202e}c\u{9b}é".to_owned()]);
        assert_eq!(table.take(false), "a\\u{1b}[2J\\nb\\u{202e}c\\u{9b}é\n");
    }

    #[test]
    fn numbers_are_written_for_people() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
        ];
        for (size, text) in sizes {
            assert_eq!(bytes(size), text);
        }
        assert_eq!(bytes(200 << 20), "200 MiB");
        assert_eq!(bytes(u64::MAX), "16384 PiB");
        let spans = [
            (0.4, "0s"),
            (59.9, "59s"),
            (3_600.0, "1h"),
            (93_784.0, "1d 2h"),
        ];
        for (time, text) in spans {
            assert_eq!(span(time), text);
        }
        assert_eq!([cut("äbc", 2), cut("äb", 2)], ["äb...", "äb"]);
    }
}
