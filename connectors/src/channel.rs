//! How a channel of IoT Analytics is named.

use crate::excerpt::excerpt;

/// The longest name of a channel (service model of AWS IoT Analytics, `ChannelName`).
const MAX_NAME: usize = 128;

/// The name of a channel: 1 to 128 letters, digits and `_`, of which two do not come first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ChannelName<'a>(&'a str);

impl<'a> ChannelName<'a> {
    /// Reads a name.
    pub(crate) fn parse(text: &'a str) -> Result<Self, InvalidChannelName> {
        let fits = (1..=MAX_NAME).contains(&text.len());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if fits && text.bytes().all(allowed) && !text.starts_with("__") {
            Ok(Self(text))
        } else {
            Err(InvalidChannelName(excerpt(text)))
        }
    }

    /// The name as text.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }
}

/// A text that is not the name of a channel.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not the name of a channel; it has 1 to 128 letters, digits and '_', and does not begin with \"__\""
)]
pub(crate) struct InvalidChannelName(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_up_to_128_letters_digits_and_underscores() {
        let longest = "n".repeat(128);
        for name in ["a", "0", "_", "_a", "a__b", "My_Channel_7", &longest] {
            assert_eq!(ChannelName::parse(name).unwrap().as_str(), name);
        }
        let longer = "n".repeat(129);
        for other in ["", "__", "__a", "a-b", "a b", "a.b", "é", "a\0", &longer] {
            let error = ChannelName::parse(other).unwrap_err().to_string();
            assert!(error.len() < 250, "{error}");
        }
        assert_eq!(
            ChannelName::parse("a\n").unwrap_err().to_string(),
            "\"a\\n\" is not the name of a channel; it has 1 to 128 letters, digits and '_', \
             and does not begin with \"__\""
        );
    }
}
