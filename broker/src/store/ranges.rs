//! Ranges of sequences as the catalog stores them: for each how many sequences lie between it
//! and the one before, and its length, seven bits to a byte, the lowest first.

use std::ops::Range;

/// Encodes `ranges`, which rise and do not overlap.
pub(super) fn encode(ranges: &[Range<u64>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = 0;
    for range in ranges {
        write(range.start - at, &mut bytes);
        write(range.end - range.start, &mut bytes);
        at = range.end;
    }
    bytes
}

/// The ranges that were encoded; `None` when the bytes make no sense.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    let mut at = 0u64;
    while !bytes.is_empty() {
        let start = at.checked_add(read(&mut bytes)?)?;
        at = start.checked_add(read(&mut bytes)?)?;
        ranges.push(start..at);
    }
    Some(ranges)
}

fn write(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 1 << 7 {
        bytes.push(number as u8 | 1 << 7);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 1 << 7 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_nearby_take_two_bytes_each() {
        let ranges = [5..6, 10..12, 100..101];
        assert_eq!(encode(&ranges), [5, 1, 4, 2, 88, 1]);
    }

    #[test]
    fn the_highest_sequences_are_stored_too() {
        let ranges = [0..1, u64::MAX - 3..u64::MAX];
        assert_eq!(decode(&encode(&ranges)).unwrap(), ranges);
    }

    #[test]
    fn bytes_that_end_early_or_count_too_far_make_no_sense() {
        let most = encode(std::slice::from_ref(&(0..u64::MAX)));
        let nonsense: [&[u8]; 4] = [
            &[5],
            &[5, 0x80],
            &[0xFF; 11],
            &[&most[..], &[1, 1]].concat(),
        ];
        for bytes in nonsense {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(steps in prop::collection::vec((0..1u64 << 40, 1..1u64 << 20), 0..50)) {
            let mut at = 0;
            let ranges: Vec<_> = steps
                .into_iter()
                .map(|(gap, length)| {
                    let start = at + gap;
                    at = start + length;
                    start..at
                })
                .collect();
            prop_assert_eq!(decode(&encode(&ranges)), Some(ranges));
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for range in decode(&bytes).unwrap_or_default() {
                prop_assert!(range.start <= range.end);
            }
        }
    }
}
