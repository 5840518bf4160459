//! Letters that are kept move to the end of their queue when too much was taken from between
//! them.
//!
//! A store keeps a record's bytes until the head has passed it, and knows after a crash of
//! 1,024 settled ranges beyond the head. So that the first does not fill the disk and the
//! second is enough, what lies before the last settled letter is written anew when it is less
//! than what was taken away, or when there are too many ranges.

use perennial_broker::store::{Queue, StoreError};

use crate::{
    operator::{
        Operator,
        change::Chunk,
        walk::{Place, Walk},
    },
    record,
};

/// Ranges beyond the head from which on letters are moved. One transaction can add as many
/// again as it settles letters, and both together are what the store remembers.
pub(super) const MAX_GAPS: usize = 512;

/// What a walk has found to be gained by moving letters.
#[derive(Debug, Default)]
pub(super) struct Waste {
    /// Bytes of kept letters before the last settled one.
    kept: u64,
    /// Bytes of kept letters behind it.
    kept_behind: u64,
    /// Bytes of settled letters behind the first kept one.
    settled: u64,
    /// Behind the last settled letter.
    end: u64,
}

impl Waste {
    /// Of a queue that nobody has walked through.
    pub(super) fn unknown(queue: &Queue) -> Self {
        Self {
            end: queue.end(),
            ..Self::default()
        }
    }

    pub(super) fn keep(&mut self, place: &Place) {
        self.kept_behind += place.bytes.len() as u64;
    }

    pub(super) fn settle(&mut self, place: &Place) {
        if self.kept + self.kept_behind > 0 {
            self.settled += place.bytes.len() as u64;
            self.kept += std::mem::take(&mut self.kept_behind);
            self.end = place.sequence + 1;
        }
    }

    /// Where the letters end that are to be moved.
    fn end(&self, gaps: usize) -> Option<u64> {
        let is_worth_it = self.settled > 0 && self.settled >= self.kept;
        (is_worth_it || gaps > MAX_GAPS).then_some(self.end)
    }
}

impl Operator {
    /// Moves the letters that a walk has passed, if that is worth it.
    pub(super) async fn tidy(&self, queue: &Queue, waste: &mut Waste) -> Result<(), StoreError> {
        let Some(end) = waste.end(queue.gaps()) else {
            return Ok(());
        };
        let mut walk = Walk::below(queue, end);
        let mut chunk = Chunk::new(&self.store);
        while let Some(places) = walk.next().await? {
            for place in places.into_iter().filter(|place| !place.is_settled) {
                let write = |buffer: &mut Vec<u8>| {
                    record::write_moved_dead_letter(buffer, place.sequence, &place.bytes);
                };
                // A queue that somebody has bounded stays as it is.
                if chunk.append(queue, place.bytes.len(), write).is_err() {
                    return Ok(());
                }
                chunk.settle(queue, place.sequence);
                if chunk.is_full() {
                    chunk.submit(&self.store).await?;
                }
            }
        }
        chunk.submit(&self.store).await?;
        *waste = Waste::default();
        Ok(())
    }
}
