//! A request in the one form that both sides sign.

use std::fmt::Write;

use hyper::{HeaderMap, http::request::Parts};
use ring::digest;

/// The canonical request of "Create a signed AWS API request" in the IAM user guide.
pub(super) fn canonical_request(head: &Parts, signed_headers: &[String], body: &[u8]) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n",
        head.method,
        encode_path(head.uri.path()),
        sort_query(head.uri.query().unwrap_or_default()),
    );
    for name in signed_headers {
        text.push_str(name);
        text.push(':');
        text.push_str(&joined_values(&head.headers, name));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers.join(";"));
    text.push('\n');
    text.push_str(&sha256(body));
    text
}

/// The value of a header that comes once.
pub(super) fn header_text(head: &Parts, name: &str) -> Option<String> {
    let value = head.headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// The path as it was sent, encoded once more: only S3 signs it as it is.
fn encode_path(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => push_hex(&mut text, "%", byte, true),
        }
    }
    text
}

fn sort_query(query: &str) -> String {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let mut pairs: Vec<_> = parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The values of a header, trimmed, with single spaces, joined by commas.
fn joined_values(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).collect();
            words.join(" ")
        })
        .collect();
    values.join(",")
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        push_hex(&mut text, "", *byte, false);
    }
    text
}

fn push_hex(text: &mut String, before: &str, byte: u8, upper: bool) {
    let written = match upper {
        true => write!(text, "{before}{byte:02X}"),
        false => write!(text, "{before}{byte:02x}"),
    };
    debug_assert!(written.is_ok(), "a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_once_more_and_a_query_is_sorted() {
        assert_eq!(encode_path("/messages/batch"), "/messages/batch");
        assert_eq!(encode_path("/a%20b"), "/a%2520b");
        assert_eq!(sort_query("b=2&a=1&a=0&c"), "a=0&a=1&b=2&c=");
    }

    #[test]
    fn the_values_of_a_header_are_trimmed_and_joined() {
        let mut headers = HeaderMap::new();
        headers.append("x", "  a   b ".parse().unwrap());
        headers.append("x", "c".parse().unwrap());
        assert_eq!(joined_values(&headers, "x"), "a b,c");
    }
}
