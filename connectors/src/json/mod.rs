//! JSON that is written without building it first.

mod record;
mod text;
mod time;

use base64::{Engine, engine::general_purpose::STANDARD};

pub(crate) use self::{
    record::{RecordWriter, record_length},
    text::{text_length, write_text},
    time::{TimeWriter, time_parts},
};

/// Appends `bytes` in base64, without quotes.
pub(crate) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + base64_length(bytes.len()), 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("four characters for every three bytes");
}

/// The length of so many bytes in base64.
pub(crate) fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
