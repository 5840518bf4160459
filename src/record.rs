//! How a record lies in its queue, and how a dead letter lies in its own.
//!
//! - The first byte is the format version; a version from the future is corrupt, not guessed.
//! - Writing goes into the caller's buffer and allocates nothing of its own.
//! - Reading cuts slices out of the block that the store read; nothing is copied.
//!
//! A record is: version, time (u64), id, topic, client id, payload to the end. A
//! dead letter is: version, when (u64), attempts (u32), destination, code, message,
//! then the record's bytes as they lay in the queue. One that was moved in its queue
//! is: version, the sequence that it had first (u64), its bytes as they lay there.
//! Numbers are little endian; a text is its length as a LEB128 number and its bytes.

use bytes::{Buf, Bytes};
use bytestring::ByteString;
use perennial_connectors::{Record, RecordRef};

const RECORD_VERSION: u8 = 1;
const DEAD_LETTER_VERSION: u8 = 1;
const MOVED_DEAD_LETTER_VERSION: u8 = 2;

/// Appends the bytes of `record` to `buf`.
pub fn write(buf: &mut Vec<u8>, record: &RecordRef<'_>) {
    buf.push(RECORD_VERSION);
    buf.extend_from_slice(&record.time.to_le_bytes());
    put_text(buf, record.id);
    put_text(buf, record.topic);
    put_text(buf, record.client_id);
    buf.extend_from_slice(record.payload);
}

/// The most bytes that `record` can have in its queue.
#[must_use]
pub fn most_bytes(record: &RecordRef<'_>) -> u64 {
    // The version, the time and three lengths.
    const FIXED: usize = 1 + 8 + 3 * 10;
    let texts = record.id.len() + record.topic.len() + record.client_id.len();
    (FIXED + texts + record.payload.len()) as u64
}

/// Reads a record; its fields are slices of `bytes`.
///
/// # Errors
/// What is wrong with the bytes; nothing that was written by [`write()`] gives an error.
pub fn read(mut bytes: Bytes) -> Result<Record, CorruptRecord> {
    let version = bytes
        .try_get_u8()
        .map_err(|_| CorruptRecord::Short("version"))?;
    if version != RECORD_VERSION {
        return Err(CorruptRecord::Version(version));
    }
    let time = bytes
        .try_get_u64_le()
        .map_err(|_| CorruptRecord::Short("time"))?;
    Ok(Record {
        time,
        id: take_text(&mut bytes, "id")?,
        topic: take_text(&mut bytes, "topic")?,
        client_id: take_text(&mut bytes, "client id")?,
        payload: bytes,
    })
}

/// The same record in memory of its own.
///
/// A record that was read holds on to its whole block; one that waits longer
/// than its neighbours is copied out, so that it holds on to itself only.
pub fn detached(record: &Record) -> Record {
    let text = |text: &ByteString| ByteString::from(&**text);
    Record {
        id: text(&record.id),
        topic: text(&record.topic),
        client_id: text(&record.client_id),
        time: record.time,
        payload: Bytes::copy_from_slice(&record.payload),
    }
}

/// A record that will not be sent again, on its way into the dead letters.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterRef<'a> {
    /// Where the record was going.
    pub destination: &'a str,
    /// The error type: the service's, or the gateway's own.
    pub code: &'a str,
    /// Why it will not be sent, for a person.
    pub message: &'a str,
    /// When it was given up, in milliseconds since the Unix epoch.
    pub when: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// The record.
    pub record: DeadRecord<'a>,
}

/// The record of a dead letter on its way into the queue.
#[derive(Clone, Copy, Debug)]
pub enum DeadRecord<'a> {
    /// One that could be read.
    Whole(RecordRef<'a>),
    /// The bytes of one that could not.
    Raw(&'a [u8]),
}

/// Appends the bytes of `letter` to `buf`.
pub fn write_dead_letter(buf: &mut Vec<u8>, letter: &DeadLetterRef<'_>) {
    buf.push(DEAD_LETTER_VERSION);
    buf.extend_from_slice(&letter.when.to_le_bytes());
    buf.extend_from_slice(&letter.attempts.to_le_bytes());
    put_text(buf, letter.destination);
    put_text(buf, letter.code);
    put_text(buf, letter.message);
    match &letter.record {
        DeadRecord::Whole(record) => write(buf, record),
        DeadRecord::Raw(bytes) => buf.extend_from_slice(bytes),
    }
}

/// A record that was given up, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeadLetter {
    /// Where the record was going.
    pub destination: ByteString,
    /// The error type: the service's, or the gateway's own.
    pub code: ByteString,
    /// Why it was given up, for a person.
    pub message: ByteString,
    /// When it was given up, in milliseconds since the Unix epoch.
    pub when: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// The record's bytes as they lay in its queue; [`read`] reads them.
    pub record: Bytes,
}

/// Appends the bytes of a letter that lay at `sequence`, so that it keeps that as its name
/// wherever it lies; `letter` can be corrupt.
pub fn write_moved_dead_letter(buf: &mut Vec<u8>, sequence: u64, letter: &[u8]) {
    if letter.first() != Some(&MOVED_DEAD_LETTER_VERSION) {
        buf.push(MOVED_DEAD_LETTER_VERSION);
        buf.extend_from_slice(&sequence.to_le_bytes());
    }
    buf.extend_from_slice(letter);
}

/// The sequence that a letter at `sequence` had first, and its bytes as they lay there.
#[must_use]
pub fn unmoved_dead_letter(sequence: u64, letter: Bytes) -> (u64, Bytes) {
    let mut moved = letter.clone();
    match (moved.try_get_u8(), moved.try_get_u64_le()) {
        (Ok(MOVED_DEAD_LETTER_VERSION), Ok(first)) => (first, moved),
        _ => (sequence, letter),
    }
}

/// Reads a dead letter; its fields are slices of `bytes`.
///
/// # Errors
/// What is wrong with the bytes; the record inside is not looked at.
pub fn read_dead_letter(bytes: Bytes) -> Result<DeadLetter, CorruptRecord> {
    let (_, mut bytes) = unmoved_dead_letter(0, bytes);
    let version = bytes
        .try_get_u8()
        .map_err(|_| CorruptRecord::Short("version"))?;
    if version != DEAD_LETTER_VERSION {
        return Err(CorruptRecord::Version(version));
    }
    let when = bytes
        .try_get_u64_le()
        .map_err(|_| CorruptRecord::Short("time"))?;
    let attempts = bytes
        .try_get_u32_le()
        .map_err(|_| CorruptRecord::Short("attempts"))?;
    Ok(DeadLetter {
        destination: take_text(&mut bytes, "destination")?,
        code: take_text(&mut bytes, "code")?,
        message: take_text(&mut bytes, "message")?,
        when,
        attempts,
        record: bytes,
    })
}

fn put_text(buf: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        buf.push(length as u8 | 0x80);
        length >>= 7;
    }
    buf.push(length as u8);
    buf.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut Bytes, field: &'static str) -> Result<ByteString, CorruptRecord> {
    let length = take_length(bytes).ok_or(CorruptRecord::Short(field))?;
    if length > bytes.len() {
        return Err(CorruptRecord::Short(field));
    }
    ByteString::try_from(bytes.split_to(length)).map_err(|_| CorruptRecord::NotUtf8(field))
}

fn take_length(bytes: &mut Bytes) -> Option<usize> {
    let mut length = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

/// Bytes that are not a record of a known format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CorruptRecord {
    /// A format that this version does not know.
    #[error("format version {0} is not known")]
    Version(u8),
    /// The bytes end inside a field.
    #[error("the bytes end inside the {0}")]
    Short(&'static str),
    /// A text that is none.
    #[error("the {0} is not UTF-8")]
    NotUtf8(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(payload: &[u8]) -> Record {
        Record {
            id: "r-17".into(),
            topic: "kinesisfirehose/message".into(),
            client_id: "pump-ä".into(),
            time: 1_700_000_000_123,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn bytes_of(record: &Record) -> Bytes {
        let mut buf = Vec::new();
        write(&mut buf, &record.into());
        buf.into()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let long = "x".repeat(70_000);
        for payload in [&b""[..], b"\x00\xff\x80", &[7; 300_000]] {
            for id in ["", "a", &long[..127], &long[..128], &long] {
                let record = Record {
                    id: id.into(),
                    ..example(payload)
                };
                assert_eq!(read(bytes_of(&record)), Ok(record));
            }
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let record = Record {
            id: "i".into(),
            topic: "t/u".into(),
            client_id: "".into(),
            time: 0x0102,
            payload: Bytes::from_static(b"\xff"),
        };
        assert_eq!(
            &bytes_of(&record)[..],
            b"\x01\x02\x01\0\0\0\0\0\0\x01i\x03t/u\0\xff"
        );
    }

    #[test]
    fn a_record_is_cut_out_of_its_block_without_a_copy() {
        let block = bytes_of(&example(b"payload"));
        let record = read(block.clone()).unwrap();
        let range = block.as_ptr_range();
        assert!(range.contains(&record.payload.as_ptr()));
        assert!(range.contains(&record.topic.as_bytes().as_ptr()));
    }

    #[test]
    fn a_detached_record_is_equal_and_lies_elsewhere() {
        let block = bytes_of(&example(b"payload"));
        let record = read(block.clone()).unwrap();
        let copy = detached(&record);
        assert_eq!(copy, record);
        drop(record);
        assert!(block.is_unique(), "the copy holds on to the block");
    }

    #[test]
    fn every_cut_before_the_payload_is_an_error_and_no_panic() {
        let whole = bytes_of(&example(b""));
        for end in 0..whole.len() {
            assert!(
                matches!(read(whole.slice(..end)), Err(CorruptRecord::Short(_))),
                "{end}"
            );
        }
    }

    #[test]
    fn corrupt_bytes_say_what_is_wrong() {
        assert_eq!(read(Bytes::new()), Err(CorruptRecord::Short("version")));
        assert_eq!(
            read(Bytes::from_static(&[2, 0])),
            Err(CorruptRecord::Version(2))
        );
        let mut not_text = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0];
        assert_eq!(
            read(not_text.clone().into()),
            Err(CorruptRecord::NotUtf8("id"))
        );
        not_text.truncate(9);
        not_text.extend([0xff; 12]);
        assert_eq!(read(not_text.into()), Err(CorruptRecord::Short("id")));
    }

    #[test]
    fn a_dead_letter_keeps_the_reason_and_the_record() {
        let record = example(b"payload");
        let mut buf = Vec::new();
        let letter = DeadLetterRef {
            destination: "stream",
            code: "InvalidArgumentException",
            message: "no",
            when: 5,
            attempts: 3,
            record: DeadRecord::Whole((&record).into()),
        };
        write_dead_letter(&mut buf, &letter);
        let read_back = read_dead_letter(buf.into()).unwrap();
        assert_eq!(read(read_back.record.clone()), Ok(record));
        assert_eq!((read_back.when, read_back.attempts), (5, 3));
        assert_eq!(
            [
                &*read_back.destination,
                &*read_back.code,
                &*read_back.message
            ],
            ["stream", "InvalidArgumentException", "no"]
        );
    }

    #[test]
    fn a_dead_letter_keeps_the_bytes_of_a_record_that_cannot_be_read() {
        let mut buf = Vec::new();
        let letter = DeadLetterRef {
            destination: "stream",
            code: "CorruptRecord",
            message: "no",
            when: 5,
            attempts: 0,
            record: DeadRecord::Raw(b"\xff\xfe"),
        };
        write_dead_letter(&mut buf, &letter);
        assert_eq!(
            &read_dead_letter(buf.into()).unwrap().record[..],
            b"\xff\xfe"
        );
    }

    #[test]
    fn a_letter_that_is_moved_keeps_its_first_sequence_and_its_bytes() {
        let letter = DeadLetterRef {
            destination: "stream",
            code: "CorruptRecord",
            message: "no",
            when: 5,
            attempts: 0,
            record: DeadRecord::Raw(b"\xff\xfe"),
        };
        let (mut whole, corrupt) = (Vec::new(), b"\x09?".to_vec());
        write_dead_letter(&mut whole, &letter);
        for letter in [whole.clone(), corrupt, Vec::new()] {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            write_moved_dead_letter(&mut once, 17, &letter);
            write_moved_dead_letter(&mut twice, 900, &once);
            assert_eq!(once, twice);
            let (sequence, bytes) = unmoved_dead_letter(900, once.into());
            assert_eq!((sequence, &bytes[..]), (17, &letter[..]));
            let (sequence, bytes) = unmoved_dead_letter(3, letter.clone().into());
            assert_eq!((sequence, &bytes[..]), (3, &letter[..]));
        }
        let mut moved = Vec::new();
        write_moved_dead_letter(&mut moved, 17, &whole);
        assert_eq!(
            read_dead_letter(moved.into()),
            read_dead_letter(whole.into())
        );
    }
}
