//! The file upstream: records as lines of JSON in a directory of the gateway.
//!
//! A record is delivered when its line is synced to the disk. Lines are never cut:
//! what a crash or a full disk left of a batch is removed before the next is written.

mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Mutex as AsyncMutex, task};

use crate::{
    Attempt, Batch, BatchLimits, FailureClass, Outcome, SendError, Settings, Upstream,
    UpstreamKind,
    json::RecordWriter,
    upstreams::file::writer::{WriteError, Writer},
};

/// The upstream in the table of kinds.
pub(crate) const KIND: UpstreamKind = UpstreamKind {
    name: "file",
    summary: "Lines of JSON in a local directory, rotated by size and synced before delivery",
    route: None,
    build: |settings| Some(Box::new(FileUpstream::from_settings(settings)?)),
};

/// Large enough that one sync serves thousands of records, small enough to sit in memory.
const LIMITS: BatchLimits = BatchLimits {
    records: 4_096,
    bytes: 4 << 20,
    record_bytes: 4 << 20,
    in_flight: 1,
    linger: None,
};

const DEFAULT_ROTATE_SIZE: u64 = 64 << 20;

/// How much is encoded before other tasks of the thread get their turn.
const ENCODE_SLICE: usize = 256 << 10;

/// The largest buffer that is kept for the next batch.
const KEPT_BUFFER: usize = 2 << 20;

/// Lines of JSON in a directory.
///
/// A line has the keys `time` (RFC 3339, UTC, milliseconds), `topic`, `client_id`,
/// `destination`, `id` where the device gave one, and then `payload` as text, or
/// `payload_base64` for what is not UTF-8. Lines are appended to `records.ndjson`. When
/// that has reached `rotate_size`, it becomes `records-00000001.ndjson` and so on; a batch
/// stays in one file.
///
/// | parameter | default | |
/// |---|---|---|
/// | `path` | needed | the directory; it is made when it is missing, and belongs to one connector |
/// | `rotate_size` | 64 MiB | how large a file grows |
/// | `keep` | all | how many rotated files stay; the oldest beyond it is deleted, delivered or not elsewhere |
struct FileUpstream {
    /// The order of waiters is the order of the batches in the file.
    writer: Arc<AsyncMutex<Writer>>,
    spare: Mutex<Vec<u8>>,
}

impl FileUpstream {
    fn from_settings(settings: &mut dyn Settings) -> Option<Self> {
        let path = settings.path("path");
        let rotate_size = settings.size("rotate_size", 4_096..=1 << 40);
        let keep = settings.integer("keep", 1..=1_000_000);
        let Some(path) = path else {
            settings.missing("path", r#"path = "records""#);
            return None;
        };
        Some(Self::new(
            path,
            rotate_size.unwrap_or(DEFAULT_ROTATE_SIZE),
            keep,
        ))
    }

    fn new(path: PathBuf, rotate_size: u64, keep: Option<u64>) -> Self {
        Self {
            writer: Arc::new(AsyncMutex::new(Writer::new(path, rotate_size, keep))),
            spare: Mutex::default(),
        }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Vec<Outcome>, SendError> {
        let lines = self.encode(batch).await;
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        // The job owns the lock and the lines, so that a caller who gives up leaves no half.
        let job = task::spawn_blocking(move || {
            let written = writer.append(&lines);
            (written, lines)
        });
        let (written, lines) = job.await.map_err(|error| {
            let message = format!("the write was abandoned: {error}");
            SendError::new(FailureClass::Unavailable, "InternalError", message)
        })?;
        self.keep_buffer(lines);
        written?;
        Ok(vec![
            Outcome::Delivered { receipt: None };
            batch.records.len()
        ])
    }

    async fn encode(&self, batch: &Batch) -> Vec<u8> {
        let mut lines =
            std::mem::take(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner));
        lines.clear();
        let mut writer = RecordWriter::new(&batch.destination);
        let mut turn_ends = ENCODE_SLICE;
        for record in &batch.records {
            writer.write(record.into(), &mut lines);
            lines.push(b'\n');
            if lines.len() >= turn_ends {
                turn_ends = lines.len() + ENCODE_SLICE;
                task::yield_now().await;
            }
        }
        lines
    }

    fn keep_buffer(&self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BUFFER {
            *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = buffer;
        }
    }
}

impl Upstream for FileUpstream {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn check(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> Attempt<'a> {
        Box::pin(self.deliver(batch))
    }
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> Self {
        let code = format!("{:?}", error.source.kind());
        let message = format!("{error}: {}", error.source);
        Self::new(FailureClass::Unavailable, code, message)
    }
}
