//! Patterns of ARNs, which say what delivery streams devices may name.

use super::{
    ACCOUNT, DeliveryStreamName, InvalidDeliveryStream, Part, RESOURCE, SERVICE, is_account,
    is_of_name, is_partition, is_region,
};

const PARTS: usize = 6;

/// The ARN of a delivery stream with wildcards: `*` stands for any text, `?` for one character.
///
/// As in the policies of AWS a wildcard stays within its part of the ARN, the parts being what
/// colons divide, unless it is a `*` at the very end: `arn:aws:firehose:*` is every stream of
/// the partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DeliveryStreamPattern([Box<str>; PARTS]);

impl DeliveryStreamPattern {
    /// Reads a pattern that a delivery stream can match.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidDeliveryStream> {
        let mut parts = text.splitn(PARTS, ':');
        let rest = if text.ends_with('*') { "*" } else { "" };
        let parts: [&str; PARTS] = std::array::from_fn(|_| parts.next().unwrap_or(rest));
        match wrong_part(&parts) {
            Some((part, found)) => Err(InvalidDeliveryStream::new(text, part, found)),
            None => Ok(Self(parts.map(Box::from))),
        }
    }

    /// Whether `arn` follows the pattern.
    pub(crate) fn matches(&self, arn: &str) -> bool {
        let mut parts = arn.splitn(PARTS, ':');
        let mut patterns = self.0.iter();
        patterns.all(|pattern| parts.next().is_some_and(|part| matches(pattern, part)))
    }
}

/// The first part that no delivery stream's ARN can have.
fn wrong_part<'a>(parts: &[&'a str; PARTS]) -> Option<(Part, &'a str)> {
    let [prefix, partition, service, region, account, resource] = *parts;
    // A resource that has its wildcard earlier says nothing of the name.
    let name = resource.strip_prefix(RESOURCE).unwrap_or("*");
    let is_name = |name: &str| DeliveryStreamName::check(name).is_some();
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let checks = [
        (Part::Prefix, prefix, matches(prefix, "arn")),
        (
            Part::Partition,
            partition,
            can_be(partition, is_partition, lower),
        ),
        (Part::Service, service, matches(service, SERVICE)),
        (
            Part::Region,
            region,
            can_be(region, is_region, |byte| {
                lower(byte) || byte.is_ascii_digit()
            }),
        ),
        (
            Part::Account,
            account,
            can_be(account, is_account, |byte| byte.is_ascii_digit())
                && account.bytes().filter(|byte| *byte != b'*').count() <= ACCOUNT,
        ),
        (Part::Resource, resource, begins_as_a_stream(resource)),
        (Part::Name, name, can_be(name, is_name, is_of_name)),
    ];
    let wrong = checks.into_iter().find(|(.., right)| !right);
    wrong.map(|(part, found, _)| (part, found))
}

/// Whether a part without wildcards is right, or one with them has none but right characters.
fn can_be(part: &str, is_right: impl Fn(&str) -> bool, is_of_it: impl Fn(u8) -> bool) -> bool {
    let is_wildcard = |byte: u8| matches!(byte, b'*' | b'?');
    if part.bytes().any(is_wildcard) {
        part.bytes().all(|byte| is_wildcard(byte) || is_of_it(byte))
    } else {
        is_right(part)
    }
}

/// Whether what stands before the first wildcard can be the beginning of a stream's resource.
fn begins_as_a_stream(resource: &str) -> bool {
    match resource.split_once(['*', '?']) {
        Some((literal, _)) => RESOURCE.starts_with(literal) || literal.starts_with(RESOURCE),
        None => resource.starts_with(RESOURCE),
    }
}

/// Whether `text` follows `pattern`.
///
/// When the two part ways, the latest `*` takes one character more: an earlier one never has
/// to, so no more is tried than there are pairs of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((after, taken)) = &mut star else {
                    return false;
                };
                *taken += 1;
                (at, read) = (*after, *taken);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery_stream::EXAMPLE_ARN;

    fn allows(pattern: &str, arn: &str) -> bool {
        DeliveryStreamPattern::parse(pattern).unwrap().matches(arn)
    }

    #[test]
    fn a_wildcard_stays_within_its_part_unless_it_ends_the_pattern() {
        for (pattern, arn, allowed) in [
            (EXAMPLE_ARN, EXAMPLE_ARN, true),
            ("*", EXAMPLE_ARN, true),
            ("arn:aws:firehose:*", EXAMPLE_ARN, true),
            ("arn:aws-cn:firehose:*", EXAMPLE_ARN, false),
            (
                "arn:aws:firehose:us-*:123456789012:deliverystream/my-*",
                EXAMPLE_ARN,
                true,
            ),
            (
                "arn:aws:firehose:eu-*:123456789012:deliverystream/my-*",
                EXAMPLE_ARN,
                false,
            ),
            ("arn:*:*:*:*:*stream", EXAMPLE_ARN, true),
            ("arn:*:*:*:*:*strea", EXAMPLE_ARN, false),
            (
                "arn:aws:firehose:us-east-?:1234567890??:deliverystream/my?stream",
                EXAMPLE_ARN,
                true,
            ),
            (
                "arn:aws:firehose:us-east-?:123456789012:deliverystream/my?",
                EXAMPLE_ARN,
                false,
            ),
            (
                "arn:aws:firehose:us-*:*:deliverystream/*",
                "arn:aws:firehose:eu-west-1:123456789012:deliverystream/us-",
                false,
            ),
        ] {
            assert_eq!(allows(pattern, arn), allowed, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_no_delivery_stream_follows_is_refused_with_the_part_that_is_wrong() {
        for (pattern, part) in [
            ("", "it begins with \"\""),
            ("my-*", "it begins with \"my-*\""),
            ("arn:aws:firehose", "its region is \"\""),
            ("arn:awsome:firehose:*", "its partition is \"awsome\""),
            ("arn:a ?:firehose:*", "its partition is \"a ?\""),
            ("arn:aws:s?:*", "its service is \"s?\""),
            (
                "arn:aws:firehose:euwest1:*:deliverystream/*",
                "its region is \"euwest1\"",
            ),
            (
                "arn:aws:firehose:EU-*:*:deliverystream/*",
                "its region is \"EU-*\"",
            ),
            (
                "arn:aws:firehose:*:12345:deliverystream/*",
                "its account is \"12345\"",
            ),
            (
                "arn:aws:firehose:*:1234567890123*:deliverystream/*",
                "its account is \"1234567890123*\"",
            ),
            (
                "arn:aws:firehose:*:*:stream/*",
                "its resource is \"stream/*\"",
            ),
            (
                "arn:aws:firehose:*:*:deliverystreams*",
                "its resource is \"deliverystreams*\"",
            ),
            (
                "arn:aws:firehose:*:*:deliverystream/a/*",
                "its stream name is \"a/*\"",
            ),
            (
                "arn:aws:firehose:*:*:deliverystream/",
                "its stream name is \"\"",
            ),
        ] {
            let error = DeliveryStreamPattern::parse(pattern).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(part), "{pattern:?} gave {error}");
        }
    }

    /// The rule of wildcards as it is said.
    fn follows(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| follows(rest, &text[taken..])),
            ([b'?', rest @ ..], [_, others @ ..]) => follows(rest, others),
            ([byte, rest @ ..], [other, others @ ..]) => byte == other && follows(rest, others),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_what_the_rule_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expected = follows(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), expected);
        }
    }
}
