//! What a receiver has seen of one publisher's messages, counted exactly.

/// One bit per message.
#[derive(Default)]
pub(crate) struct Seen {
    bits: Vec<u64>,
    unique: u64,
    duplicates: u64,
    late: u64,
    end: u64,
}

impl Seen {
    pub(crate) fn insert(&mut self, sequence: u64) {
        let (word, bit) = ((sequence / 64) as usize, 1 << (sequence % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.unique += 1;
            self.late += u64::from(sequence < self.end);
            self.end = self.end.max(sequence + 1);
        } else {
            self.duplicates += 1;
        }
    }

    /// How many different messages have been seen.
    pub(crate) fn unique(&self) -> u64 {
        self.unique
    }

    /// How many were seen again.
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// How many were first seen after one that was published later.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_a_duplicate_and_a_gap_that_is_filled_was_late() {
        let mut seen = Seen::default();
        for sequence in [0, 1, 200, 1, 200] {
            seen.insert(sequence);
        }
        assert_eq!((seen.unique(), seen.duplicates(), seen.late()), (3, 2, 0));
        seen.insert(2);
        seen.insert(201);
        assert_eq!((seen.unique(), seen.duplicates(), seen.late()), (5, 2, 1));
    }
}
