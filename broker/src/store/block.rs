//! A block: the records of one queue that one commit wrote, under one key.
//!
//! Layout, all numbers big-endian: format version (1 byte), number of records (4), position
//! (8), then each record as its length (4) and its bytes. The position is how many bytes of
//! records the queue had taken in before this block, so that the bytes a queue holds are the
//! difference of two positions and need no scan.
//!
//! The key is the sequence of the first record; sequences are contiguous, so the next block's
//! key is this one's plus its number of records.

use bytes::Bytes;

/// What a block holds before its records.
pub(super) const HEADER: usize = 13;
/// What a record holds before its bytes.
pub(super) const PREFIX: usize = 4;
/// A block is closed when it has reached this many bytes of records.
pub(super) const TARGET: usize = 256 * 1024;

const VERSION: u8 = 1;

/// Some records of a queue, in order.
#[derive(Clone, Debug)]
pub struct Block {
    first: u64,
    len: usize,
    records: Bytes,
}

impl Block {
    /// The sequence of the first record.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number of records, at least one.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a block is never empty, so the question does not arise"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Each record with its sequence; the records share the block's memory.
    pub fn records(&self) -> impl Iterator<Item = (u64, Bytes)> {
        let mut rest = self.records.clone();
        (self.first..).map_while(move |sequence| {
            let length = prefix(&rest)?;
            let mut record = rest.split_to(PREFIX + length);
            Some((sequence, record.split_off(PREFIX)))
        })
    }

    /// Reads the block whose first record is `first`, leaving out what is below `from`.
    ///
    /// `None` when all of it is below `from`. Every length is checked here, so that
    /// `records` cannot fail.
    pub(super) fn decode(first: u64, value: Bytes, from: u64) -> Result<Option<Block>, Malformed> {
        let header = Header::decode(&value)?;
        let skipped = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let len = header.count as usize;
        let (mut at, mut start) = (HEADER, value.len());
        for index in 0..len {
            if index == skipped {
                start = at;
            }
            at = after(&value, at)?;
        }
        if at != value.len() {
            return Err(Malformed("there are bytes after the last record"));
        }
        Ok((skipped < len).then(|| Block {
            first: first + skipped as u64,
            len: len - skipped,
            records: value.slice(start..),
        }))
    }
}

/// What the first bytes of a block say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub(super) count: u32,
    pub(super) position: u64,
}

impl Header {
    pub(super) fn decode(value: &[u8]) -> Result<Header, Malformed> {
        let Some(&[version, c0, c1, c2, c3, ref position @ ..]) = value.first_chunk::<HEADER>()
        else {
            return Err(Malformed("it is shorter than its header"));
        };
        if version != VERSION {
            return Err(Malformed("its format version is not known"));
        }
        let count = u32::from_be_bytes([c0, c1, c2, c3]);
        if count == 0 {
            return Err(Malformed("it says that it has no records"));
        }
        Ok(Header {
            count,
            position: u64::from_be_bytes(*position),
        })
    }
}

/// A block that was not written by this code, or was damaged since.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Malformed(pub(super) &'static str);

/// Makes a block of `records`, which are `count` records with their lengths before them.
pub(super) fn encode(position: u64, count: u32, records: &[u8]) -> Vec<u8> {
    // The store keeps this very allocation in memory, so it is not a byte larger than needed.
    let mut value = Vec::with_capacity(HEADER + records.len());
    value.push(VERSION);
    value.extend_from_slice(&count.to_be_bytes());
    value.extend_from_slice(&position.to_be_bytes());
    value.extend_from_slice(records);
    value
}

/// Cuts well-formed `records` into pieces of about [`TARGET`] bytes, each with its number of records.
pub(super) fn cut(records: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let (mut count, mut at) = (0, 0);
        while at < TARGET
            && let Some(length) = prefix(&rest[at..])
        {
            // The record that would pass the target opens the next block.
            if count > 0 && at + PREFIX + length > TARGET {
                break;
            }
            at += PREFIX + length;
            count += 1;
        }
        let (piece, others) = rest.split_at(at);
        rest = others;
        (count > 0).then_some((count, piece))
    })
}

/// The offset in a block `value` after `records` more records, starting from offset `at`.
pub(super) fn skip(value: &[u8], mut at: usize, records: u64) -> Result<usize, Malformed> {
    for _ in 0..records {
        at = after(value, at)?;
    }
    Ok(at)
}

fn after(value: &[u8], at: usize) -> Result<usize, Malformed> {
    value
        .get(at..)
        .and_then(prefix)
        .and_then(|length| at.checked_add(PREFIX + length))
        .filter(|end| *end <= value.len())
        .ok_or(Malformed("a record reaches beyond its end"))
}

fn prefix(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<PREFIX>()?;
    Some(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend_from_slice(&(record.len() as u32).to_be_bytes());
            bytes.extend_from_slice(record);
        }
        bytes
    }

    fn decode(value: Vec<u8>, from: u64) -> Result<Option<Block>, Malformed> {
        Block::decode(7, Bytes::from(value), from)
    }

    fn sequences(block: &Block) -> Vec<(u64, Vec<u8>)> {
        block
            .records()
            .map(|(sequence, record)| (sequence, record.to_vec()))
            .collect()
    }

    #[test]
    fn a_block_gives_back_its_records_with_their_sequences() {
        let value = encode(99, 3, &framed(&[b"a", b"", b"ccc"]));
        assert_eq!(
            Header::decode(&value),
            Ok(Header {
                count: 3,
                position: 99
            })
        );
        let block = decode(value, 0).unwrap().unwrap();
        assert_eq!((block.first(), block.len()), (7, 3));
        assert_eq!(
            sequences(&block),
            [(7, b"a".to_vec()), (8, vec![]), (9, b"ccc".to_vec())]
        );
    }

    #[test]
    fn a_block_that_is_settled_in_part_begins_at_the_head() {
        let value = encode(0, 3, &framed(&[b"a", b"", b"ccc"]));
        let block = decode(value.clone(), 9).unwrap().unwrap();
        assert_eq!((block.first(), block.len()), (9, 1));
        assert_eq!(sequences(&block), [(9, b"ccc".to_vec())]);
        assert!(decode(value, 10).unwrap().is_none());
    }

    #[test]
    fn a_record_larger_than_a_block_is_a_block_of_its_own() {
        let large = vec![1; TARGET * 2];
        let small = vec![2; 10];
        let records = framed(&[&small, &large, &small, &small]);
        let counts: Vec<_> = cut(&records).map(|(count, _)| count).collect();
        assert_eq!(counts, [1, 1, 2]);
    }

    #[test]
    fn every_shortened_block_is_an_error() {
        let value = encode(0, 2, &framed(&[b"first", b"second"]));
        for length in 0..value.len() {
            assert!(decode(value[..length].to_vec(), 0).is_err(), "{length}");
        }
    }

    #[test]
    fn a_block_of_another_version_or_without_records_is_an_error() {
        let mut value = encode(0, 1, &framed(&[b"a"]));
        value[0] = 2;
        assert!(decode(value, 0).is_err());
        assert!(decode(encode(0, 0, &[]), 0).is_err());
    }

    proptest! {
        #[test]
        fn cutting_loses_nothing(lengths in prop::collection::vec(0usize..100_000, 0..20)) {
            let records: Vec<Vec<u8>> = lengths.iter().map(|length| vec![7; *length]).collect();
            let framed = framed(&records.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let pieces: Vec<_> = cut(&framed).collect();
            let count: usize = pieces.iter().map(|(count, _)| *count as usize).sum();
            prop_assert_eq!(count, records.len());
            let joined: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.to_vec()).collect();
            prop_assert_eq!(&joined, &framed);
            for (count, piece) in pieces {
                prop_assert!(count == 1 || piece.len() <= TARGET);
                prop_assert!(decode(encode(0, count, piece), 0).is_ok());
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(value in prop::collection::vec(any::<u8>(), 0..64), from in 0u64..20) {
            if let Ok(Some(block)) = decode(value, from) {
                prop_assert_eq!(block.records().count(), block.len());
            }
        }

        #[test]
        fn no_lengths_make_decoding_panic(lengths in prop::collection::vec(any::<u32>(), 1..8), count in 0u32..9) {
            let records: Vec<u8> = lengths.iter().flat_map(|length| length.to_be_bytes()).collect();
            if let Ok(Some(block)) = decode(encode(0, count, &records), 0) {
                prop_assert_eq!(block.records().count(), block.len());
            }
        }
    }
}
