//! The catalog: which queues there are and where their heads are.
//!
//! Its keys are
//! - `v`: the format version of the store,
//! - `n`: the next queue id; ids are never used twice,
//! - `q` ‖ id: kind and name of a queue,
//! - `h` ‖ id: the head of a queue: first sequence of the first block that is not removed, and
//!   its own sequence, which can be beyond that block while there are more to remove,
//! - `b` ‖ id: the lowest [ranges](super::ranges) that are settled beyond the head; some may be
//!   below it,
//! - `d` ‖ id: a queue that was removed while blocks of it were left,
//! - `p`: written with what is promised to be durable when nothing else in it shows that; its
//!   place in the journal is what counts.
//!
//! Numbers are big-endian and every value but that of `v` begins with a format version.

use std::{ops::Range, path::Path};

use super::{StoreError, changes::Changes, queue::QueueKind, ranges};

/// The format version that this code writes; it opens this one and older ones.
///
/// Format 2 added `b`, `p` and the entries, and let a head be beyond its block.
pub(super) const FORMAT: u32 = 2;
pub(super) const FORMAT_KEY: &[u8] = b"v";
const NEXT_ID_KEY: &[u8] = b"n";
pub(super) const PROMISE_KEY: &[u8] = b"p";

/// The format version of the other values.
const VERSION: u8 = 1;

/// What the store says about its queues.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) next_id: u32,
    pub(super) queues: Vec<Entry>,
    /// Ids of queues that were removed and may have blocks left.
    pub(super) doomed: Vec<u32>,
    heads: Vec<Head>,
    beyond: Vec<(u32, Vec<Range<u64>>)>,
}

#[derive(Debug)]
struct Head {
    id: u32,
    block: u64,
    sequence: u64,
}

/// A queue of the catalog.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) id: u32,
    pub(super) kind: QueueKind,
    pub(super) head_block: u64,
    pub(super) head: u64,
    /// What is settled beyond the head.
    pub(super) beyond: Vec<Range<u64>>,
}

impl Catalog {
    /// Takes in an entry; `None` when it makes no sense.
    ///
    /// Entries come in the order of their keys, ranges and heads thus before queues, and each
    /// of these by their ids.
    pub(super) fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key.split_first()? {
            (b'v' | b'p', []) => {}
            (b'n', []) => self.next_id = number(value.strip_prefix(&[VERSION])?)?,
            (b'q', id) => {
                let queue = self.queue(number(id)?, value)?;
                self.queues.push(queue);
            }
            (b'b', id) => {
                let ranges = ranges::decode(value.strip_prefix(&[VERSION])?)?;
                self.beyond.push((number(id)?, ranges));
            }
            (b'h', id) => self.heads.push(head(number(id)?, value)?),
            (b'd', id) => self.doomed.push(number(id)?),
            _ => return None,
        }
        Some(())
    }

    fn queue(&mut self, id: u32, value: &[u8]) -> Option<Entry> {
        let (kind, name) = value.strip_prefix(&[VERSION])?.split_first()?;
        let kind = match kind {
            0 => QueueKind::Durable,
            1 => QueueKind::Transient,
            _ => return None,
        };
        let head = self.heads.binary_search_by_key(&id, |head| head.id);
        let (head_block, head) = head.map_or((0, 0), |at| {
            let head = &self.heads[at];
            (head.block, head.sequence)
        });
        let beyond = self.beyond.binary_search_by_key(&id, |(id, _)| *id);
        let beyond = beyond.map(|at| std::mem::take(&mut self.beyond[at].1));
        Some(Entry {
            name: String::from_utf8(name.to_vec()).ok()?,
            id,
            kind,
            head_block,
            head,
            beyond: beyond.unwrap_or_default(),
        })
    }
}

impl Changes {
    pub(super) fn set_format(&mut self, format: u32) {
        self.insert_meta(FORMAT_KEY.to_vec(), format.to_be_bytes().to_vec());
    }

    pub(super) fn set_next_id(&mut self, id: u32) {
        self.insert_meta(NEXT_ID_KEY.to_vec(), value(&[&id.to_be_bytes()]));
    }

    pub(super) fn set_promise(&mut self) {
        self.insert_meta(PROMISE_KEY.to_vec(), value(&[]));
    }

    pub(super) fn insert_queue(&mut self, name: &str, id: u32, kind: QueueKind) {
        let kind = match kind {
            QueueKind::Durable => 0,
            QueueKind::Transient => 1,
        };
        self.insert_meta(key(b'q', id), value(&[&[kind], name.as_bytes()]));
    }

    pub(super) fn set_head(&mut self, id: u32, block: u64, head: u64) {
        let value = value(&[&block.to_be_bytes(), &head.to_be_bytes()]);
        self.insert_meta(key(b'h', id), value);
    }

    /// Stores what is settled beyond the head, or that nothing is.
    pub(super) fn set_beyond(&mut self, id: u32, beyond: &[Range<u64>]) {
        let key = key(b'b', id);
        if beyond.is_empty() {
            self.remove_meta(key);
        } else {
            self.insert_meta(key, value(&[&ranges::encode(beyond)]));
        }
    }

    pub(super) fn remove_queue(&mut self, id: u32) {
        self.remove_meta(key(b'q', id));
        self.remove_meta(key(b'h', id));
        self.remove_meta(key(b'b', id));
    }

    pub(super) fn insert_doomed(&mut self, id: u32) {
        self.insert_meta(key(b'd', id), value(&[]));
    }

    pub(super) fn remove_doomed(&mut self, id: u32) {
        self.remove_meta(key(b'd', id));
    }
}

/// The format of a store; refuses one that a newer version has written.
pub(super) fn check_format(path: &Path, value: &[u8]) -> Result<u32, StoreError> {
    let found = number(value).ok_or_else(|| damaged(FORMAT_KEY))?;
    if found > FORMAT {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    Ok(found)
}

pub(super) fn damaged(key: &[u8]) -> StoreError {
    StoreError::Damaged {
        key: key.escape_ascii().to_string(),
    }
}

fn key(tag: u8, id: u32) -> Vec<u8> {
    [&[tag][..], &id.to_be_bytes()].concat()
}

fn value(parts: &[&[u8]]) -> Vec<u8> {
    [&[&[VERSION][..]], parts].concat().concat()
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn head(id: u32, value: &[u8]) -> Option<Head> {
    let (block, sequence) = value.strip_prefix(&[VERSION])?.split_at_checked(8)?;
    let block = u64::from_be_bytes(block.try_into().ok()?);
    let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
    (block <= sequence).then_some(Head {
        id,
        block,
        sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_make_no_sense_are_not_taken() {
        let mut catalog = Catalog::default();
        let entries: [(&[u8], &[u8]); 10] = [
            (b"", b""),
            (b"x", b"\x01"),
            (b"n", b"\x01\0\0"),
            (b"b\0\0\0\x01", b"\x01\x05"),
            (b"b\0\0\0\x01", b"\x02\x05\x01"),
            (b"q\0\0\0\x01", b"\x01\x02name"),
            (b"q\0\0\0\x01", b"\x01\0\xff"),
            (b"q\0\0\x01", b"\x01\0name"),
            (b"q\0\0\0\x01", b"\x02\0name"),
            (b"h\0\0\0\x01", b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01"),
        ];
        for (key, value) in entries {
            assert!(catalog.read(key, value).is_none(), "{key:?} {value:?}");
        }
    }

    #[test]
    fn a_queue_has_its_own_head_and_ranges() {
        let mut catalog = Catalog::default();
        for id in [1, 2] {
            let ranges = ranges::encode(&[40..40 + u64::from(id), 50..60]);
            catalog.read(&key(b'b', id), &value(&[&ranges])).unwrap();
        }
        for (id, sequence) in [(1, 10u64), (3, 30)] {
            let numbers = value(&[&1u64.to_be_bytes(), &sequence.to_be_bytes()]);
            catalog.read(&key(b'h', id), &numbers).unwrap();
        }
        for id in [1, 2, 3] {
            catalog
                .read(&key(b'q', id), &value(&[&[0], b"name"]))
                .unwrap();
        }
        let heads: Vec<_> = catalog.queues.iter().map(|queue| queue.head).collect();
        assert_eq!(heads, [10, 0, 30]);
        let beyond: Vec<_> = catalog
            .queues
            .iter()
            .map(|queue| &queue.beyond[..])
            .collect();
        assert_eq!(beyond, [&[40..41, 50..60][..], &[40..42, 50..60], &[]]);
    }
}
