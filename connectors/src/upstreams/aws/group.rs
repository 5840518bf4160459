//! The group that a record belongs to, within which a service keeps the order.

use sha2::{Digest, Sha256};

use crate::{RecordRef, Settings, record_variables::RecordTemplate};

const DEFAULT: &str = "${client_id}";

/// A template for the names of groups.
///
/// No record fails for the name of its group. Where the template comes to nothing, the
/// record's topic is the name; a name that the service does not take is replaced by its
/// SHA-256 in hexadecimal digits, so that the same records stay together.
#[derive(Clone, Debug)]
pub(in crate::upstreams) struct Groups {
    template: RecordTemplate,
    fits: fn(&str) -> bool,
}

impl Groups {
    /// Reads the template under `key`; `fits` says which names the service takes. `None` when
    /// an error was recorded.
    pub(in crate::upstreams) fn from_settings(
        settings: &mut dyn Settings,
        key: &str,
        fits: fn(&str) -> bool,
    ) -> Option<Self> {
        let template = RecordTemplate::from_settings(settings, key, DEFAULT)?;
        Some(Self { template, fits })
    }

    /// The name of the group of `record`.
    pub(in crate::upstreams) fn of(&self, destination: &str, record: RecordRef<'_>) -> String {
        let mut name = self.template.expand(destination, record);
        if name.is_empty() {
            record.topic.clone_into(&mut name);
        }
        if (self.fits)(&name) {
            name
        } else {
            digest(&[name.as_bytes()])
        }
    }
}

/// The SHA-256 of `parts` in hexadecimal digits; where one part ends and the next begins counts.
pub(in crate::upstreams) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // One part alone has no neighbour to be told apart from.
        if parts.len() > 1 {
            hash.update((part.len() as u64).to_be_bytes());
        }
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: RecordRef<'_> = RecordRef {
        id: "",
        topic: "a/b",
        client_id: "pump",
        time: 0,
        payload: b"",
    };

    fn group(template: &str, fits: fn(&str) -> bool) -> String {
        let template = RecordTemplate::parse(template).unwrap();
        Groups { template, fits }.of("stream", RECORD)
    }

    #[test]
    fn a_group_is_what_the_template_says() {
        assert_eq!(group(DEFAULT, |_| true), "pump");
        assert_eq!(group("${destination}/${topic}", |_| true), "stream/a/b");
    }

    #[test]
    fn a_name_that_comes_to_nothing_is_the_topic() {
        assert_eq!(group("${id}", |_| true), "a/b");
        assert_eq!(group("", |_| true), "a/b");
    }

    #[test]
    fn a_name_that_the_service_does_not_take_is_hashed() {
        // `printf abc | sha256sum`
        assert_eq!(
            group("abc", |_| false),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_digest_tells_parts_apart() {
        let digests = [
            digest(&[b"ab", b"c"]),
            digest(&[b"a", b"bc"]),
            digest(&[b"", b"abc"]),
            digest(&[b"abc", b""]),
            digest(&[b"abc"]),
        ];
        for (at, one) in digests.iter().enumerate() {
            assert_eq!(one.len(), 64);
            assert!(!digests[at + 1..].contains(one));
        }
    }
}
