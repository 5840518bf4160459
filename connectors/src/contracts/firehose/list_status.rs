//! The documents of versions 2 to 5 of V1's connector: `{"response": [...]}`, an entry
//! per record, its keys in the order of V1's own documents.

use serde::Serialize;

use crate::{Outcome, Rejection, Report};

/// The longest list, in bytes: AWS IoT takes 128 KB in one message, and devices were
/// written for that. A longer list becomes several documents.
const MAX_DOCUMENT: usize = 128 * 1024;

const OPEN: &[u8] = br#"{"response":["#;
const CLOSE: &[u8] = b"]}";

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(rename = "ErrorCode")]
    error_code: &'a str,
    #[serde(rename = "ErrorMessage")]
    error_message: &'a str,
    id: &'a str,
    status: &'static str,
}

#[derive(Serialize)]
struct Success<'a> {
    firehose_record_id: &'a str,
    id: &'a str,
    status: &'static str,
}

/// The document for a publish that became no record.
pub(super) fn of_rejection(rejection: &Rejection) -> Vec<u8> {
    let mut document = OPEN.to_vec();
    write_failure(
        &mut document,
        &rejection.code,
        &rejection.message,
        &rejection.id,
    );
    document.extend_from_slice(CLOSE);
    document
}

/// The documents for records whose outcome is final; those to be sent again are left out.
///
/// A record from an upstream that gives no receipts has an empty `firehose_record_id`:
/// the key is there for the device, and no made-up name can be looked up in vain.
pub(super) fn of_reports(reports: &[Report<'_>]) -> Vec<Vec<u8>> {
    let mut documents = Vec::new();
    let mut document = Vec::new();
    for report in reports {
        let start = document.len();
        document.extend_from_slice(if start == 0 { OPEN } else { b"," });
        match report.outcome {
            Outcome::Retry { .. } => {
                document.truncate(start);
                continue;
            }
            Outcome::Rejected { code, message } => {
                write_failure(&mut document, code, message, report.id);
            }
            Outcome::Delivered { receipt } => write(
                &mut document,
                &Success {
                    firehose_record_id: receipt.as_deref().unwrap_or_default(),
                    id: report.id,
                    status: "success",
                },
            ),
        }
        if start > 0 && document.len() + CLOSE.len() > MAX_DOCUMENT {
            let entry = document.split_off(start + 1);
            document.truncate(start);
            document.extend_from_slice(CLOSE);
            documents.push(std::mem::replace(&mut document, OPEN.to_vec()));
            document.extend_from_slice(&entry);
        }
    }
    if !document.is_empty() {
        document.extend_from_slice(CLOSE);
        documents.push(document);
    }
    documents
}

fn write_failure(document: &mut Vec<u8>, code: &str, message: &str, id: &str) {
    write(
        document,
        &Failure {
            error_code: code,
            error_message: message,
            id,
            status: "fail",
        },
    );
}

fn write(document: &mut Vec<u8>, entry: &impl Serialize) {
    serde_json::to_writer(document, entry).expect("strings are written to memory");
}
