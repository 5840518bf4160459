//! The content of an object: its records one after the other, compressed or not.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tokio::task;

use super::names::Fingerprint;
use crate::{Batch, FailureClass, SendError, form::Form, json::TimeWriter};

/// How much is done before other tasks of the thread get their turn.
const SLICE: usize = 256 << 10;

/// The content of the object for `batch`; its records are added to `fingerprint`.
pub(super) async fn write(form: Form, batch: &Batch, fingerprint: &mut Fingerprint) -> Vec<u8> {
    let length = |record| form.length(&batch.destination, record);
    let lengths = batch.records.iter().map(|record| length(record.into()));
    let mut content = Vec::with_capacity(lengths.sum());
    let mut time = TimeWriter::default();
    let mut turn_ends = SLICE;
    for record in &batch.records {
        fingerprint.add(record.into());
        form.write(&batch.destination, record.into(), &mut time, &mut content);
        if content.len() >= turn_ends {
            turn_ends = content.len() + SLICE;
            task::yield_now().await;
        }
    }
    content
}

/// `content` as gzip has it; what takes long is done beside the threads of the tasks.
pub(super) async fn compress(content: Vec<u8>) -> Result<Vec<u8>, SendError> {
    let compressed = if content.len() <= SLICE {
        gzip(&content).map_err(|error| error.to_string())
    } else {
        match task::spawn_blocking(move || gzip(&content)).await {
            Ok(compressed) => compressed.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    compressed.map_err(|error| {
        let message = format!("the object was not compressed: {error}");
        SendError::new(FailureClass::Unavailable, "InternalError", message)
    })
}

fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content)?;
    encoder.finish()
}
