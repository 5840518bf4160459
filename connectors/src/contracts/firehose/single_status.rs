//! The documents of the first version of V1's connector: one for each record.

use serde::Serialize;

use crate::{Outcome, Rejection, Report};

#[derive(Serialize)]
struct Document<'a, Response> {
    response: Response,
    id: &'a str,
}

#[derive(Serialize)]
struct Success<'a> {
    firehose_record_id: &'a str,
    status: &'static str,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: &'a str,
    error_message: &'a str,
    status: &'static str,
}

/// The document for a publish that became no record.
pub(super) fn of_rejection(rejection: &Rejection) -> Vec<u8> {
    failure(&rejection.code, &rejection.message, &rejection.id)
}

/// The document for a record whose outcome is final; `None` for one that is sent again.
pub(super) fn of_report(report: &Report<'_>) -> Option<Vec<u8>> {
    match report.outcome {
        Outcome::Retry { .. } => None,
        Outcome::Rejected { code, message } => {
            // The words of V1's SDK for an error of the service, which devices may read.
            let message = format!(
                "An error occurred ({code}) when calling the PutRecord operation: {message}"
            );
            Some(failure(code, &message, report.id))
        }
        Outcome::Delivered { receipt } => Some(document(
            Success {
                firehose_record_id: receipt.as_deref().unwrap_or_default(),
                status: "success",
            },
            report.id,
        )),
    }
}

fn failure(code: &str, message: &str, id: &str) -> Vec<u8> {
    let failure = Failure {
        error: code,
        error_message: message,
        status: "fail",
    };
    document(failure, id)
}

fn document(response: impl Serialize, id: &str) -> Vec<u8> {
    serde_json::to_vec(&Document { response, id }).expect("strings are written to memory")
}
