//! How a Firehose delivery stream is named: by its ARN, or by its bare name.

mod pattern;

pub(crate) use self::pattern::DeliveryStreamPattern;

use crate::excerpt::excerpt;

/// An ARN that would be right, for error messages.
pub(crate) const EXAMPLE_ARN: &str =
    "arn:aws:firehose:us-east-1:123456789012:deliverystream/my-stream";

/// The longest name of a delivery stream (Firehose API reference, `DeliveryStreamName`).
const MAX_NAME: usize = 64;

/// How many digits an account has.
const ACCOUNT: usize = 12;

/// What stands before the name in the last part of an ARN.
const RESOURCE: &str = "deliverystream/";

/// The service in an ARN.
const SERVICE: &str = "firehose";

/// The longest region that is taken; the longest that exists has 15 characters.
const MAX_REGION: usize = 24;

/// The ARN of a delivery stream, in any partition of AWS.
///
/// The pattern of the V1 connector, and beside it the regions and partitions that
/// are not `aws`: `arn:aws-us-gov:firehose:us-gov-west-1:...`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DeliveryStreamArn<'a> {
    region: &'a str,
    account: &'a str,
    name: DeliveryStreamName<'a>,
}

impl<'a> DeliveryStreamArn<'a> {
    /// Reads an ARN.
    pub(crate) fn parse(text: &'a str) -> Result<Self, InvalidDeliveryStream> {
        let wrong = |part, found: &str| InvalidDeliveryStream::new(text, part, found);

        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (prefix, partition, service) = (next(), next(), next());
        let (region, account, resource) = (next(), next(), next());

        if prefix != "arn" {
            return Err(wrong(Part::Prefix, prefix));
        }
        if !is_partition(partition) {
            return Err(wrong(Part::Partition, partition));
        }
        if service != SERVICE {
            return Err(wrong(Part::Service, service));
        }
        if !is_region(region) {
            return Err(wrong(Part::Region, region));
        }
        if !is_account(account) {
            return Err(wrong(Part::Account, account));
        }
        let Some(name) = resource.strip_prefix(RESOURCE) else {
            return Err(wrong(Part::Resource, resource));
        };
        let name = DeliveryStreamName::check(name).ok_or_else(|| wrong(Part::Name, name))?;
        Ok(Self {
            region,
            account,
            name,
        })
    }

    /// The region that the stream is in.
    pub(crate) fn region(&self) -> &'a str {
        self.region
    }

    /// The account that the stream belongs to.
    pub(crate) fn account(&self) -> &'a str {
        self.account
    }

    /// The stream's name.
    pub(crate) fn name(&self) -> &'a str {
        self.name.0
    }
}

/// The name of a delivery stream: 1 to 64 letters, digits, `_`, `-` and `.`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DeliveryStreamName<'a>(&'a str);

impl<'a> DeliveryStreamName<'a> {
    /// Reads a name.
    pub(crate) fn parse(text: &'a str) -> Result<Self, InvalidDeliveryStream> {
        Self::check(text).ok_or_else(|| InvalidDeliveryStream::new(text, Part::Name, text))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &'a str {
        self.0
    }

    fn check(text: &'a str) -> Option<Self> {
        let fits = (1..=MAX_NAME).contains(&text.len());
        (fits && text.bytes().all(is_of_name)).then_some(Self(text))
    }
}

/// `aws`, `aws-cn`, `aws-us-gov` and their like.
fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws");
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.split('-').skip(1).all(is_word) && rest.starts_with('-')
    })
}

/// `eu-west-1`, `us-gov-west-1`, `us-isob-east-1`: words and a number. The characters
/// matter, because the region becomes part of a host name.
pub(crate) fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else {
        return false;
    };
    text.len() <= MAX_REGION
        && words.split('-').count() >= 2
        && words.split('-').all(is_word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == ACCOUNT && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A text that names no delivery stream, the part that is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("\"{text}\" is not a delivery stream: {part} \"{found}\"; {}", part.expected())]
pub(crate) struct InvalidDeliveryStream {
    text: String,
    part: Part,
    found: String,
}

impl InvalidDeliveryStream {
    fn new(text: &str, part: Part, found: &str) -> Self {
        Self {
            text: excerpt(text),
            part,
            found: excerpt(found),
        }
    }
}

/// The part of a name that is wrong.
#[derive(Clone, Copy, Debug)]
enum Part {
    Prefix,
    Partition,
    Service,
    Region,
    Account,
    Resource,
    Name,
}

impl Part {
    fn expected(self) -> String {
        let rule = match self {
            Self::Prefix => "an ARN begins with \"arn:\"",
            Self::Partition => "it is \"aws\", \"aws-cn\", \"aws-us-gov\" or another of AWS's",
            Self::Service => "it is \"firehose\"",
            Self::Region => "it is one such as \"us-east-1\"",
            Self::Account => "it has twelve digits",
            Self::Resource => "it begins with \"deliverystream/\"",
            Self::Name => "it has 1 to 64 letters, digits, '_', '-' and '.'",
        };
        format!("{rule}, as in {EXAMPLE_ARN}")
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Prefix => "it begins with",
            Self::Partition => "its partition is",
            Self::Service => "its service is",
            Self::Region => "its region is",
            Self::Account => "its account is",
            Self::Resource => "its resource is",
            Self::Name => "its stream name is",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_every_partition_are_taken() {
        for (arn, region, name) in [
            (EXAMPLE_ARN, "us-east-1", "my-stream"),
            (
                "arn:aws-cn:firehose:cn-north-1:123456789012:deliverystream/a",
                "cn-north-1",
                "a",
            ),
            (
                "arn:aws-us-gov:firehose:us-gov-west-1:000000000000:deliverystream/A_b.c-9",
                "us-gov-west-1",
                "A_b.c-9",
            ),
            (
                "arn:aws-iso-b:firehose:us-isob-east-1:000000000000:deliverystream/a",
                "us-isob-east-1",
                "a",
            ),
        ] {
            let parsed = DeliveryStreamArn::parse(arn).unwrap();
            assert_eq!((parsed.region(), parsed.name()), (region, name));
        }
        let longest = format!(
            "arn:aws:firehose:us-east-1:123456789012:deliverystream/{}",
            "n".repeat(64)
        );
        assert!(DeliveryStreamArn::parse(&longest).is_ok());
    }

    #[test]
    fn an_error_names_the_part_that_is_wrong() {
        for (arn, part) in [
            ("", "it begins with \"\""),
            ("my-stream", "it begins with \"my-stream\""),
            (
                "ARN:aws:firehose:us-east-1:123456789012:deliverystream/a",
                "it begins with \"ARN\"",
            ),
            ("arn:aws", "its service is \"\""),
            (
                "arn:amazon:firehose:us-east-1:123456789012:deliverystream/a",
                "its partition is \"amazon\"",
            ),
            (
                "arn:awsx:firehose:us-east-1:123456789012:deliverystream/a",
                "its partition is \"awsx\"",
            ),
            (
                "arn:aws-:firehose:us-east-1:123456789012:deliverystream/a",
                "its partition is \"aws-\"",
            ),
            (
                "arn:aws:kinesis:us-east-1:123456789012:stream/a",
                "its service is \"kinesis\"",
            ),
            (
                "arn:aws:firehose:region:123456789012:deliverystream/a",
                "its region is \"region\"",
            ),
            (
                "arn:aws:firehose:us-east-1.evil.example/:123456789012:deliverystream/a",
                "its region is \"us-east-1.evil.example/\"",
            ),
            (
                "arn:aws:firehose:us--1:123456789012:deliverystream/a",
                "its region is \"us--1\"",
            ),
            (
                "arn:aws:firehose:us-east-1:12345678901:deliverystream/a",
                "its account is \"12345678901\"",
            ),
            (
                "arn:aws:firehose:us-east-1:12345678901x:deliverystream/a",
                "its account is \"12345678901x\"",
            ),
            (
                "arn:aws:firehose:us-east-1:123456789012:stream/a",
                "its resource is \"stream/a\"",
            ),
            (
                "arn:aws:firehose:us-east-1:123456789012:deliverystream/",
                "its stream name is \"\"",
            ),
            (
                "arn:aws:firehose:us-east-1:123456789012:deliverystream/a/b",
                "its stream name is \"a/b\"",
            ),
            (
                "arn:aws:firehose:us-east-1:123456789012:deliverystream/a:b",
                "its stream name is \"a:b\"",
            ),
            (
                "arn:aws:firehose:us-east-1:123456789012:deliverystream/a\n",
                "its stream name is \"a\n\"",
            ),
        ] {
            let error = DeliveryStreamArn::parse(arn).unwrap_err().to_string();
            assert!(error.contains(part), "{arn:?} gave {error}");
            assert!(error.ends_with(&format!("as in {EXAMPLE_ARN}")), "{error}");
        }
    }

    #[test]
    fn a_name_longer_than_the_service_takes_is_refused_and_not_repeated_in_full() {
        let error = DeliveryStreamName::parse(&"n".repeat(5_000))
            .unwrap_err()
            .to_string();
        assert!(error.len() < 500, "{error}");
        assert!(DeliveryStreamName::parse(&"n".repeat(65)).is_err());
        assert!(DeliveryStreamName::parse(&"n".repeat(64)).is_ok());
    }
}
