//! The ids of messages, by which the answer to a batch tells them apart.

use std::{borrow::Cow, collections::HashSet};

use uuid::Uuid;

use crate::Record;

/// The longest id (service model, `MessageId`).
const MAX_ID: usize = 128;

/// An id for each record, none of them twice: its own, where the service takes it and no
/// earlier record has it, else a random one.
pub(super) fn message_ids(records: &[Record]) -> Vec<Cow<'_, str>> {
    let mut taken = HashSet::with_capacity(records.len());
    let id_of = |record| own_id(record).filter(|id| taken.insert(*id));
    let own: Vec<_> = records.iter().map(id_of).collect();
    let or_random =
        |own: Option<_>| own.map_or_else(|| Cow::Owned(Uuid::new_v4().to_string()), Cow::Borrowed);
    own.into_iter().map(or_random).collect()
}

fn own_id(record: &Record) -> Option<&str> {
    let fits = (1..=MAX_ID).contains(&record.id.len()) && record.id.is_ascii();
    fits.then_some(&*record.id)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ids(own: &[&str]) -> Vec<String> {
        let record = |id: &&str| Record {
            id: (*id).into(),
            topic: "a/b".into(),
            client_id: "pump".into(),
            time: 0,
            payload: Bytes::new(),
        };
        let records: Vec<_> = own.iter().map(record).collect();
        let ids = message_ids(&records).into_iter();
        ids.map(Cow::into_owned).collect()
    }

    #[test]
    fn a_message_has_the_id_of_its_record() {
        let longest = "i".repeat(128);
        let own = ["1", "two words", "\u{7f}", &longest];
        assert_eq!(ids(&own), own);
    }

    #[test]
    fn an_id_that_the_service_does_not_take_is_replaced_by_a_random_one() {
        let too_long = "i".repeat(129);
        let own = ["", "é", &too_long, "", "good"];
        let ids = ids(&own);
        for id in &ids[..4] {
            assert!(Uuid::parse_str(id).is_ok(), "{id}");
        }
        assert_eq!(ids[4], "good");
        assert_eq!(HashSet::<&String>::from_iter(&ids).len(), 5);
    }

    #[test]
    fn the_second_record_with_an_id_gets_another() {
        let ids = ids(&["a", "b", "a", "a"]);
        assert_eq!(ids[..2], ["a", "b"]);
        assert_eq!(HashSet::<&String>::from_iter(&ids).len(), 4);
    }
}
