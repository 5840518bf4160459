//! The documents on `iotanalytics/messages/put/status`, one for each record.
//!
//! The keys are in the order of the V1 connector's own documents; there is no `id` where
//! the record has none.

use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    response: Response<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Response<'a> {
    Success,
    Fail {
        error: &'a str,
        error_message: &'a str,
    },
}

/// The document for a record that has arrived.
pub(super) fn success(id: &str) -> Vec<u8> {
    document(Response::Success, id)
}

/// The document for a record that has not arrived and is not sent again.
pub(super) fn failure(error: &str, error_message: &str, id: &str) -> Vec<u8> {
    let response = Response::Fail {
        error,
        error_message,
    };
    document(response, id)
}

fn document(response: Response<'_>, id: &str) -> Vec<u8> {
    serde_json::to_vec(&Document { response, id }).expect("strings are written to memory")
}
