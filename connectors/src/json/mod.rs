//! JSON that is written without building it first.

mod text;
mod time;

use base64::{Engine, engine::general_purpose::STANDARD};

pub(crate) use self::{text::write_text, time::TimeWriter};

/// Appends `bytes` in base64, without quotes.
pub(crate) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("four characters for every three bytes");
}
