//! The text of a configuration and where it came from.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use super::{
    Config, ConfigErrors,
    problems::{Place, Problems},
    read,
};

/// The most that a configuration may have, so that a wrong path does not fill the memory.
const MAX_BYTES: u64 = 4 << 20;

/// A configuration that is not read yet.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: Cow<'static, str>,
    data_dir: Option<PathBuf>,
}

impl Source {
    /// What runs without a file: MQTT on `127.0.0.1:1883`, data in `./perennial-data`, the
    /// Firehose contract in front of the file upstream, and a rule for `sensors/#`.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            name: "embedded.toml".to_owned(),
            text: Cow::Borrowed(include_str!("embedded.toml")),
            data_dir: None,
        }
    }

    /// The file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or is not a text.
    pub fn file(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let content = content(path).map_err(|error| {
            ConfigErrors::one(&name, None, format!("the file cannot be read: {error}"))
        })?;
        let text = String::from_utf8(content).map_err(|error| {
            let text = String::from_utf8_lossy(error.as_bytes());
            let place = Place::of(error.utf8_error().valid_up_to(), &text);
            let message = "this is not UTF-8, which a configuration is written in".to_owned();
            ConfigErrors::one(&name, Some(place), message)
        })?;
        Ok(Self::text(name, text))
    }

    /// A text; `name` stands for it in errors.
    #[must_use]
    pub fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: Cow::Owned(text.into()),
            data_dir: None,
        }
    }

    /// Puts the data in `data_dir`, whatever the text says.
    #[must_use]
    pub fn with_data_dir(mut self, data_dir: PathBuf) -> Self {
        self.data_dir = Some(data_dir);
        self
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self) -> Result<Config, ConfigErrors> {
        let problems = Problems::default();
        let (document, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            problems.add(at, format!("this is not TOML: {}", error.message()));
        }
        // What follows a syntax error is a guess, so nothing is said about it.
        problems.verdict(&self.name, &self.text)?;

        let config = read::document(document.get_ref(), self.data_dir.as_deref(), &problems);
        problems.verdict(&self.name, &self.text)?;
        Ok(config)
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(content)
}
