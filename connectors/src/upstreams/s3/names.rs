//! What makes the name of an object one that no other has.
//!
//! - Records that are sent again get the name that they had, so that an object whose answer
//!   was lost is overwritten by itself and not stored twice.
//! - Records that have arrived never lose their object to others, even to ones that are equal
//!   to the millisecond.
//! - A number that is drawn for each run keeps gateways and connectors apart that write to the
//!   same place. After a restart records have other names, and what was stored without an
//!   answer before it is stored again.

use std::{
    collections::{HashSet, VecDeque, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::RecordRef;

/// How many names of stored objects are remembered; equal batches come one after the other.
const REMEMBERED: usize = 1_024;

/// The names of a run.
pub(super) struct Names {
    run: [u64; 2],
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// Of objects that are on their way or stored.
    names: HashSet<Unique>,
    /// Of objects that are stored, the oldest first.
    stored: VecDeque<Unique>,
}

/// A hash of records, and a number that tells equal ones apart.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
struct Unique {
    hash: [u8; 16],
    number: u32,
}

/// The name of an object on its way; another can have it once this is dropped.
pub(super) struct Name<'a> {
    names: &'a Names,
    unique: Unique,
    is_stored: bool,
}

/// The records of an object, one after the other.
pub(super) struct Fingerprint(Sha256);

impl Names {
    pub(super) fn new() -> Self {
        // The keys of the standard library's maps come from the system's random numbers.
        let random = || RandomState::new().build_hasher().finish();
        Self {
            run: [random(), random()],
            taken: Mutex::default(),
        }
    }

    /// The beginning of a fingerprint of records for `destination`.
    pub(super) fn fingerprint(&self, destination: &str) -> Fingerprint {
        let mut fingerprint = Fingerprint(Sha256::new());
        for number in self.run {
            fingerprint.0.update(number.to_be_bytes());
        }
        fingerprint.add_part(destination.as_bytes());
        fingerprint
    }

    /// A name for the records of `fingerprint` that no object has which is on its way or stored.
    pub(super) fn take(&self, fingerprint: Fingerprint) -> Name<'_> {
        let digest = fingerprint.0.finalize();
        let hash = std::array::from_fn(|place| digest[place]);
        let mut taken = self.taken();
        let mut unique = Unique { hash, number: 0 };
        while !taken.names.insert(unique) {
            unique.number += 1;
        }
        Name {
            names: self,
            unique,
            is_stored: false,
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fingerprint {
    pub(super) fn add(&mut self, record: RecordRef<'_>) {
        self.0.update(record.time.to_be_bytes());
        for part in [record.id, record.topic, record.client_id] {
            self.add_part(part.as_bytes());
        }
        self.add_part(record.payload);
    }

    fn add_part(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }
}

impl Name<'_> {
    /// Keeps the name for the object that has it: it is stored.
    pub(super) fn keep(mut self) {
        self.is_stored = true;
        let mut taken = self.names.taken();
        taken.stored.push_back(self.unique);
        if taken.stored.len() > REMEMBERED
            && let Some(oldest) = taken.stored.pop_front()
        {
            taken.names.remove(&oldest);
        }
    }
}

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if !self.is_stored {
            self.names.taken().names.remove(&self.unique);
        }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unique { hash, number } = self.unique;
        write!(f, "{:032x}", u128::from_be_bytes(hash))?;
        match number {
            0 => Ok(()),
            number => write!(f, "-{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: RecordRef<'_> = RecordRef {
        id: "7",
        topic: "a/b",
        client_id: "pump",
        time: 1_795_169_730_123,
        payload: b"21.5",
    };

    fn name<'a>(names: &'a Names, records: &[RecordRef<'_>]) -> Name<'a> {
        let mut fingerprint = names.fingerprint("archive");
        for record in records {
            fingerprint.add(*record);
        }
        names.take(fingerprint)
    }

    #[test]
    fn records_that_are_sent_again_have_the_name_that_they_had() {
        let names = Names::new();
        let first = name(&names, &[RECORD]).to_string();
        assert_eq!(first.len(), 32);
        assert_eq!(name(&names, &[RECORD]).to_string(), first);
        name(&names, &[RECORD]).keep();
        let second = name(&names, &[RECORD]).to_string();
        assert_eq!(second, format!("{first}-1"));
        assert_eq!(name(&names, &[RECORD]).to_string(), second);
    }

    #[test]
    fn equal_records_on_their_way_at_the_same_time_have_names_of_their_own() {
        let names = Names::new();
        let first = name(&names, &[RECORD]);
        let second = name(&names, &[RECORD]);
        assert_eq!(second.to_string(), format!("{first}-1"));
        let free = first.to_string();
        drop(first);
        second.keep();
        assert_eq!(name(&names, &[RECORD]).to_string(), free);
    }

    #[test]
    fn every_part_of_every_record_is_in_the_name() {
        let names = Names::new();
        let different: [&[RecordRef<'_>]; 8] = [
            &[],
            &[RECORD],
            &[RECORD, RECORD],
            &[RecordRef { id: "8", ..RECORD }],
            &[RecordRef {
                topic: "a/c",
                ..RECORD
            }],
            &[RecordRef {
                client_id: "",
                ..RECORD
            }],
            &[RecordRef { time: 0, ..RECORD }],
            &[RecordRef {
                id: "",
                topic: "7a/b",
                ..RECORD
            }],
        ];
        let found: HashSet<_> = different
            .iter()
            .map(|records| name(&names, records).to_string())
            .collect();
        assert_eq!(found.len(), different.len());
        assert!(found.iter().all(|name| name.len() == 32));
    }

    #[test]
    fn two_runs_do_not_meet() {
        let [one, other] =
            [Names::new(), Names::new()].map(|names| name(&names, &[RECORD]).to_string());
        assert_ne!(one, other);
    }

    #[test]
    fn no_more_names_are_remembered_than_the_bound() {
        let names = Names::new();
        for time in 0..2 * REMEMBERED as u64 {
            name(&names, &[RecordRef { time, ..RECORD }]).keep();
        }
        let taken = names.taken();
        assert_eq!(
            (taken.names.len(), taken.stored.len()),
            (REMEMBERED, REMEMBERED)
        );
    }
}
