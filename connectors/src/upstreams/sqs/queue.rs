//! How an SQS queue is named: by its URL.

use crate::{delivery_stream::is_region, excerpt::excerpt, upstreams::aws::is_http_url};

/// The longest name of a queue, with the `.fifo` of those that have it (SQS quotas).
const MAX_NAME: usize = 80;

/// An SQS queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Queue<'a> {
    /// Its URL.
    pub(super) url: &'a str,
    /// The region that the URL names, if it is one of AWS.
    pub(super) region: Option<&'a str>,
    /// Whether it keeps the order and drops duplicates.
    pub(super) is_fifo: bool,
}

impl<'a> Queue<'a> {
    /// Reads a URL such as `https://sqs.us-east-1.amazonaws.com/123456789012/my-queue`.
    pub(super) fn parse(url: &'a str) -> Result<Self, NoQueue> {
        Self::read(url).ok_or_else(|| NoQueue(excerpt(url)))
    }

    fn read(url: &'a str) -> Option<Self> {
        if !is_http_url(url) {
            return None;
        }
        let (_, address) = url.split_once("://")?;
        let (host, path) = address.split_once('/')?;
        let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = name.strip_suffix(".fifo");
        is_name(name, stem.unwrap_or(name)).then_some(Self {
            url,
            region: region(host),
            is_fifo: stem.is_some(),
        })
    }
}

/// `sqs.REGION.amazonaws.com`, the same behind a VPC endpoint, or the older
/// `REGION.queue.amazonaws.com`.
fn region(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.split('.').collect();
    let mut pairs = labels.windows(2);
    let region = pairs.find_map(|pair| match pair {
        ["sqs", region] | [region, "queue"] => Some(*region),
        _ => None,
    })?;
    is_region(region).then_some(region)
}

fn is_name(name: &str, stem: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !stem.is_empty() && name.len() <= MAX_NAME && stem.bytes().all(allowed)
}

/// A text that is no URL of a queue.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not the URL of a queue; one is such as \
     https://sqs.us-east-1.amazonaws.com/123456789012/my-queue"
)]
pub(super) struct NoQueue(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_says_the_region_and_the_kind_of_a_queue() {
        for (url, region, is_fifo) in [
            (
                "https://sqs.us-east-1.amazonaws.com/123456789012/my-queue",
                Some("us-east-1"),
                false,
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/my_queue.fifo",
                Some("cn-north-1"),
                true,
            ),
            (
                "https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q",
                Some("eu-west-1"),
                false,
            ),
            (
                "https://eu-west-2.queue.amazonaws.com/123456789012/q",
                Some("eu-west-2"),
                false,
            ),
            ("https://queue.amazonaws.com/123456789012/q", None, false),
            ("http://127.0.0.1:4566/000000000000/q", None, false),
            ("http://localhost:9324/q", None, false),
        ] {
            let queue = Queue {
                url,
                region,
                is_fifo,
            };
            assert_eq!(Queue::parse(url).unwrap(), queue);
        }
    }

    #[test]
    fn what_is_no_url_of_a_queue_is_refused() {
        let too_long = format!("http://127.0.0.1/{}.fifo", "q".repeat(76));
        for text in [
            "",
            "my-queue",
            "arn:aws:sqs:us-east-1:123456789012:my-queue",
            "https://sqs.us-east-1.amazonaws.com",
            "https://sqs.us-east-1.amazonaws.com/",
            "https://sqs.us-east-1.amazonaws.com/123456789012/",
            "https://sqs.us-east-1.amazonaws.com/123456789012/.fifo",
            "https://sqs.us-east-1.amazonaws.com/123456789012/a queue",
            "https://sqs.us-east-1.amazonaws.com/123456789012/a?b",
            &too_long,
        ] {
            let error = Queue::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not the URL of a queue"), "{error}");
        }
    }
}
