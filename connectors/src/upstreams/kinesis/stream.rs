//! How a Kinesis data stream is named: by its ARN, or by its bare name.

use crate::{delivery_stream::is_region, excerpt::excerpt};

/// The longest name of a stream (Kinesis API reference, `StreamName`).
const MAX_NAME: usize = 128;

/// A Kinesis data stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stream<'a> {
    /// One of the region and the account of the credentials.
    Name(&'a str),
    /// One of any region and account.
    Arn {
        /// The whole ARN.
        arn: &'a str,
        /// The region that the stream is in.
        region: &'a str,
    },
}

impl<'a> Stream<'a> {
    /// Reads a name, or an ARN such as
    /// `arn:aws:kinesis:us-east-1:123456789012:stream/my-stream`.
    pub(super) fn parse(text: &'a str) -> Result<Self, NoStream> {
        let stream = if text.contains(':') {
            Self::parse_arn(text)
        } else {
            is_name(text).then_some(Self::Name(text))
        };
        stream.ok_or_else(|| NoStream(excerpt(text)))
    }

    fn parse_arn(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (prefix, partition, service) = (next(), next(), next());
        let (region, account, resource) = (next(), next(), next());
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let fits = prefix == "arn"
            && (partition == "aws" || partition.starts_with("aws-"))
            && service == "kinesis"
            && is_region(region)
            && is_account
            && resource.strip_prefix("stream/").is_some_and(is_name);
        fits.then_some(Self::Arn { arn, region })
    }

    /// The region, where it is said.
    pub(super) fn region(self) -> Option<&'a str> {
        match self {
            Self::Name(_) => None,
            Self::Arn { region, .. } => Some(region),
        }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed)
}

/// A text that names no stream.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a Kinesis stream; a name has 1 to 128 letters, digits, '_', '-' and '.', \
     and an ARN is one such as arn:aws:kinesis:us-east-1:123456789012:stream/my-stream"
)]
pub(super) struct NoStream(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_name_or_an_arn_that_says_its_region() {
        let longest = "n".repeat(128);
        for name in ["a", "A_b.c-9", &longest] {
            assert_eq!(Stream::parse(name).unwrap(), Stream::Name(name));
        }
        for (arn, region) in [
            (
                "arn:aws:kinesis:us-east-1:123456789012:stream/my-stream",
                "us-east-1",
            ),
            (
                "arn:aws-us-gov:kinesis:us-gov-west-1:000000000000:stream/a",
                "us-gov-west-1",
            ),
        ] {
            let stream = Stream::parse(arn).unwrap();
            assert_eq!(stream, Stream::Arn { arn, region });
            assert_eq!(stream.region(), Some(region));
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let too_long = "n".repeat(129);
        for text in [
            "",
            "two words",
            "a/b",
            &too_long,
            "arn:aws:firehose:us-east-1:123456789012:deliverystream/a",
            "arn:aws:kinesis:us-east-1.evil.example/:123456789012:stream/a",
            "arn:awsx:kinesis:us-east-1:123456789012:stream/a",
            "arn:aws:kinesis:us-east-1:12345678901x:stream/a",
            "arn:aws:kinesis:us-east-1:123456789012:stream/",
            "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/b:1",
        ] {
            let error = Stream::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not a Kinesis stream"), "{error}");
            assert!(error.len() < 500, "{error}");
        }
    }
}
