//! What a server's answer means for the records.

use serde::Deserialize;

use crate::{
    FailureClass::{self, NoAccess, Refused, Throttled, Unavailable},
    Outcome, SendError,
    upstreams::web::Answer,
};

/// How much is kept of the words of a server, in characters.
const LONGEST_CODE: usize = 100;
const LONGEST_MESSAGE: usize = 500;

/// What became of `records` records, by the status alone.
pub(super) fn all_alike(answer: &Answer, records: usize) -> Result<Vec<Outcome>, SendError> {
    check_status(answer)?;
    Ok(vec![Outcome::Delivered { receipt: None }; records])
}

/// What became of each of `records` records, by a body such as
/// `{"results":[{"status":"ok"},{"status":"retry","code":"Busy","message":"later"},{"status":"rejected"}]}`.
///
/// A server that says it and does not say it of every record says nothing.
pub(super) fn each(answer: &Answer, records: usize) -> Result<Vec<Outcome>, SendError> {
    check_status(answer)?;
    if !answer.is_whole {
        return Err(malformed("the answer is too long".to_owned()));
    }
    let document: Document = serde_json::from_slice(&answer.body)
        .map_err(|error| malformed(format!("the answer has no `results` as expected: {error}")))?;
    let found = document.results.len();
    if found != records {
        return Err(malformed(format!(
            "the answer has {found} results for {records} records"
        )));
    }
    Ok(document.results.into_iter().map(Outcome::from).collect())
}

fn check_status(answer: &Answer) -> Result<(), SendError> {
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let mut message = format!("HTTP status {status}");
    if status.is_redirection() {
        message.push_str("; redirects are not followed");
        let location = answer
            .headers
            .get("location")
            .and_then(|value| value.to_str().ok());
        if let Some(location) = location {
            message.push_str(": `url` may have to be ");
            message.extend(location.chars().take(LONGEST_MESSAGE));
        }
    }
    let words = answer.excerpt();
    if !words.is_empty() {
        message.push_str(": ");
        message.push_str(&words);
    }
    let status = status.as_u16();
    Err(SendError::new(
        class(status),
        format!("HttpStatus{status}"),
        message,
    ))
}

/// What a status says of the next attempt. What the server cannot make sense of is refused;
/// what it does not find or does not let in is for the operator to mend, and so is every other
/// 4xx that is not about the moment.
fn class(status: u16) -> FailureClass {
    match status {
        400 | 413 | 415 | 422 => Refused,
        408 | 425 => Unavailable,
        429 => Throttled,
        300..500 => NoAccess,
        _ => Unavailable,
    }
}

fn malformed(message: String) -> SendError {
    SendError::new(Unavailable, "MalformedResponse", message)
}

#[derive(Deserialize)]
struct Document {
    results: Vec<RecordResult>,
}

#[derive(Deserialize)]
struct RecordResult {
    status: Status,
    code: Option<String>,
    message: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Retry,
    Rejected,
}

impl From<RecordResult> for Outcome {
    fn from(result: RecordResult) -> Self {
        let words = |text: Option<String>, longest| {
            text.unwrap_or_default()
                .chars()
                .take(longest)
                .collect::<String>()
        };
        let code = match words(result.code, LONGEST_CODE) {
            code if code.is_empty() => "Unspecified".to_owned(),
            code => code,
        };
        let message = words(result.message, LONGEST_MESSAGE);
        match result.status {
            Status::Ok => Self::Delivered { receipt: None },
            Status::Retry => Self::Retry { code, message },
            Status::Rejected => Self::Rejected { code, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode, header};

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            is_whole: true,
        }
    }

    #[test]
    fn a_status_says_what_another_attempt_needs() {
        for (status, class) in [
            (301, NoAccess),
            (307, NoAccess),
            (400, Refused),
            (401, NoAccess),
            (403, NoAccess),
            (404, NoAccess),
            (405, NoAccess),
            (408, Unavailable),
            (410, NoAccess),
            (413, Refused),
            (415, Refused),
            (422, Refused),
            (425, Unavailable),
            (429, Throttled),
            (431, NoAccess),
            (500, Unavailable),
            (502, Unavailable),
            (503, Unavailable),
            (599, Unavailable),
        ] {
            let error = all_alike(&answer(status, ""), 1).unwrap_err();
            assert_eq!(
                (error.class, error.code),
                (class, format!("HttpStatus{status}"))
            );
        }
        for status in [200, 201, 202, 204, 299] {
            let delivered = Outcome::Delivered { receipt: None };
            assert_eq!(
                all_alike(&answer(status, "anything"), 2),
                Ok(vec![delivered; 2])
            );
        }
    }

    #[test]
    fn an_error_has_the_servers_words_and_where_it_points_to() {
        let mut moved = answer(308, "<p>\n gone\u{7} \tthere");
        let there = header::HeaderValue::from_static("https://there/");
        moved.headers.insert(header::LOCATION, there);
        assert_eq!(
            all_alike(&moved, 1).unwrap_err().message,
            "HTTP status 308 Permanent Redirect; redirects are not followed: `url` may have to be \
             https://there/: <p> gone there"
        );
    }

    #[test]
    fn a_result_for_each_record_is_its_outcome() {
        let body = r#"{"took":3,"results":[
            {"status":"ok","id":7},
            {"status":"retry","code":"Busy","message":"later"},
            {"status":"rejected"}
        ]}"#;
        assert_eq!(
            each(&answer(200, body), 3).unwrap(),
            [
                Outcome::Delivered { receipt: None },
                Outcome::Retry {
                    code: "Busy".to_owned(),
                    message: "later".to_owned()
                },
                Outcome::Rejected {
                    code: "Unspecified".to_owned(),
                    message: String::new()
                },
            ]
        );
        assert_eq!(
            each(&answer(503, body), 3).unwrap_err().code,
            "HttpStatus503"
        );
    }

    #[test]
    fn results_that_are_not_one_for_each_record_say_nothing() {
        let one = r#"{"results":[{"status":"ok"}]}"#;
        for body in [
            "",
            "{}",
            "[]",
            one,
            r#"{"results":[{"status":"ok"},{"status":"fine"}]}"#,
        ] {
            let error = each(&answer(200, body), 2).unwrap_err();
            assert_eq!(
                (error.class, &*error.code),
                (Unavailable, "MalformedResponse"),
                "{body}"
            );
        }
        let cut = Answer {
            is_whole: false,
            ..answer(200, one)
        };
        assert_eq!(each(&cut, 1).unwrap_err().code, "MalformedResponse");
    }
}
