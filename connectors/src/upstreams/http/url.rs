//! The URL that records go to, with variables of the destination in its path and query.

use std::{borrow::Cow, net::IpAddr};

use hyper::Uri;

use crate::destination::DestinationTemplate;

/// An `http` or `https` URL. Its host is fixed, so that no device can name another.
#[derive(Debug)]
pub(super) struct UrlTemplate {
    template: DestinationTemplate,
    is_tls: bool,
    is_loopback: bool,
}

impl UrlTemplate {
    /// Reads a URL; the problem is worded for a person and does not repeat the URL, which may
    /// have a secret in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (is_tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => {
                return Err(r#"a URL begins with "https://" or "http://""#.to_owned());
            }
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains("${") {
            return Err("the host is fixed; variables are for the path and the query".to_owned());
        }
        if authority.contains('@') {
            return Err("write user and password as `basic_user` and `basic_password`".to_owned());
        }
        if text.contains('#') {
            return Err("a server does not get to see what follows a \"#\"".to_owned());
        }
        let template = DestinationTemplate::parse(text).map_err(|error| error.to_string())?;
        // Whatever the values are, they are written with the letters of a name.
        let sample: Result<Uri, _> = template.locate(SAMPLE)?.parse();
        let sample = sample.map_err(|error| format!("it is no URL: {error}"))?;
        let host = sample.host().unwrap_or_default();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self {
            is_loopback: is_loopback(host),
            is_tls,
            template,
        })
    }

    /// The URL for a destination in the words of the contract.
    pub(super) fn locate(&self, destination: &str) -> Result<Uri, String> {
        let url = self.template.locate_with(destination, percent_encoded)?;
        if url.split(['/', '?']).any(|part| matches!(part, "." | "..")) {
            return Err(format!("{destination:?} cannot be a part of a URL"));
        }
        url.parse()
            .map_err(|error| format!("{destination:?} makes no URL: {error}"))
    }

    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether what is sent can be read on its way.
    pub(super) fn is_exposed(&self) -> bool {
        !self.is_tls && !self.is_loopback
    }
}

/// A destination that has a value for every variable.
const SAMPLE: &str = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/a";

/// A URL without its query, which may have a secret in it.
pub(super) fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}{}", url.path())
}

/// `text` as a part of a path or a query (RFC 3986, section 2.3).
fn percent_encoded(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |digit: u8| char::from(HEX[usize::from(digit)]);
    let mut encoded = String::new();
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hex(byte >> 4), hex(byte & 0xf)]);
        }
    }
    Cow::Owned(encoded)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = address.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(template: &str, destination: &str) -> Result<String, String> {
        let template = UrlTemplate::parse(template).unwrap();
        template.locate(destination).map(|url| url.to_string())
    }

    #[test]
    fn values_are_written_so_that_they_stay_where_they_are() {
        for (template, destination, url) in [
            (
                "https://host/in/${channel}",
                "a-b_c.1~",
                "https://host/in/a-b_c.1~",
            ),
            (
                "https://host/in/${channel}",
                "a/../b?c#d%",
                "https://host/in/a%2F..%2Fb%3Fc%23d%25",
            ),
            (
                "https://host/?to=${channel}&x=1",
                "é &",
                "https://host/?to=%C3%A9%20%26&x=1",
            ),
            ("http://[::1]:8080", "a", "http://[::1]:8080/"),
        ] {
            assert_eq!(locate(template, destination).unwrap(), url);
        }
        for destination in [".", ".."] {
            let problem = locate("https://host/${channel}", destination).unwrap_err();
            assert_eq!(
                problem,
                format!("{destination:?} cannot be a part of a URL")
            );
        }
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_repeated() {
        for (text, problem) in [
            ("ftp://h", "a URL begins with"),
            ("host/path", "a URL begins with"),
            ("https://${channel}.host/", "the host is fixed"),
            ("https://user:hush@host/", "write user and password as"),
            ("https://host/#hush", "a server does not get to see"),
            ("https:///path", "it is no URL"),
            ("https://host/a b", "it is no URL"),
            ("https://host/${hush", "a variable is not closed"),
        ] {
            let found = UrlTemplate::parse(text).unwrap_err();
            assert!(found.starts_with(problem), "{text}: {found}");
            assert!(!found.contains("hush"), "{found}");
        }
    }

    #[test]
    fn only_plain_http_beyond_this_machine_can_be_read_on_its_way() {
        for (text, is_exposed) in [
            ("https://host/", false),
            ("http://host/", true),
            ("http://10.0.0.1/", true),
            ("http://127.0.0.1:80/", false),
            ("http://127.8.9.1/", false),
            ("http://[::1]/", false),
            ("http://localhost:8080/", false),
            ("http://localhost.example/", true),
        ] {
            assert_eq!(
                UrlTemplate::parse(text).unwrap().is_exposed(),
                is_exposed,
                "{text}"
            );
        }
    }

    #[test]
    fn the_query_is_not_shown() {
        let url = "https://host:1/a/b?token=hush".parse().unwrap();
        assert_eq!(shown(&url), "https://host:1/a/b");
    }
}
