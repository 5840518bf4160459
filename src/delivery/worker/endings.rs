//! Records that end without an answer of the upstream: too large, too old, no record at all,
//! or told apart from another by nothing.
//!
//! A record can be dropped for a newer one at any time; so each is held before it ends.

use bytes::Bytes;

use super::*;
use crate::record::CorruptRecord;

impl Worker {
    /// Ends what is no record.
    pub(super) fn bury(
        &mut self,
        mut corrupt: Vec<(Mark, Bytes, CorruptRecord)>,
    ) -> Result<(), StoreError> {
        if corrupt.is_empty() {
            return Ok(());
        }
        let hold = self.job.hold(&mut corrupt, |(mark, ..)| mark.sequence);
        let mut settlement = Settlement::new(&self.job);
        for (mark, bytes, error) in corrupt {
            settlement.corrupt(mark, &bytes, error);
        }
        let settled = settlement.submit()?;
        self.job.let_go(&hold);
        self.diary.gave_up(settled, None);
        Ok(())
    }

    /// Ends records that no batch has room for.
    pub(super) fn refuse(
        &mut self,
        mut items: Vec<Item>,
        max_bytes: usize,
    ) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        let hold = self.job.hold(&mut items, |item| item.mark.sequence);
        let outcome = |item: &Item| {
            let Rejection { code, message, .. } =
                Rejection::too_large("", item.mark.size, max_bytes);
            Outcome::Rejected { code, message }
        };
        let outcomes: Vec<_> = items.iter().map(outcome).collect();
        let (records, marks) = split(items);
        self.finish(&records, &marks, &outcomes)?;
        self.job.let_go(&hold);
        Ok(())
    }

    /// Ends the records that grew too old; when the next one will.
    pub(super) fn expire(&mut self) -> Result<Option<Instant>, StoreError> {
        let Some(max_age) = self.job.shared.connector.settings.max_age else {
            return Ok(None);
        };
        let now = clock::unix_millis();
        let age = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        let mut expired = self.take_older(now.saturating_sub(age));
        if !expired.is_empty() {
            let hold = self.job.hold(&mut expired, |item| item.mark.sequence);
            let mut settlement = Settlement::new(&self.job);
            for item in &expired {
                let rejection = Rejection::expired(&*item.record.id, max_age);
                self.job.shared.tell(&rejection);
                settlement.expired(item.mark.sequence);
            }
            let settled = settlement.submit()?;
            self.job.let_go(&hold);
            self.diary.gave_up(settled, None);
        }
        // A millisecond more, so that the record is too old when its time has come.
        let left = |oldest: u64| oldest.saturating_add(age).saturating_sub(now) + 1;
        let parts = self.parts.iter().flat_map(|part| &part.items);
        let parts = parts.map(|item| clock::dated(item.record.time)).min();
        let left = self.feeds.oldest().into_iter().chain(parts).min().map(left);
        // Far off is as good as never, and an instant cannot be at the end of time.
        let left = left.map(|millis| Duration::from_millis(millis).min(Duration::from_secs(3_600)));
        Ok(left.map(|left| Instant::now() + left))
    }

    /// Takes out the records from before `time` that are not in flight.
    fn take_older(&mut self, time: u64) -> Vec<Item> {
        let mut older = self.feeds.take_older(time);
        for Part { origin, items } in mem::take(&mut self.parts) {
            let (old, items): (Vec<_>, Vec<_>) =
                items.into_iter().partition(|item| item.is_older(time));
            older.extend(old);
            if items.is_empty() {
                self.feeds.answered(origin);
            } else {
                self.parts.push_back(Part { origin, items });
            }
        }
        older
    }

    /// Ends the records of a batch whose id another one of it has.
    pub(super) fn drop_duplicates(&mut self, mut duplicates: Vec<Item>) -> Result<(), StoreError> {
        if duplicates.is_empty() {
            return Ok(());
        }
        let hold = self.job.hold(&mut duplicates, |item| item.mark.sequence);
        let mut settlement = Settlement::new(&self.job);
        for item in &duplicates {
            settlement.duplicate(item.mark.sequence);
        }
        let settled = settlement.submit()?;
        self.job.let_go(&hold);
        self.diary.gave_up(settled, None);
        Ok(())
    }

    /// Forgets the records that made room for newer ones while they waited here.
    pub(super) fn forget_dropped(&mut self) {
        let Some(overflow) = &self.job.overflow else {
            return;
        };
        let before = mem::replace(&mut self.dropped, overflow.dropped());
        if before != self.dropped {
            let keep = |sequence| !self.job.queue.is_settled(sequence);
            self.feeds.retain(keep);
            for part in &mut self.parts {
                part.items.retain(|item| keep(item.mark.sequence));
            }
        }
    }
}
