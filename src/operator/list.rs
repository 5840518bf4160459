//! Looking at dead letters, a page at a time.

use perennial_broker::store::{Queue, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    delivery::operator::dead_letters,
    operator::{
        Filter, LetterId, LetterRow, LetterText, Operator,
        letter::Letter,
        walk::{Place, Walk},
    },
};

/// Letters on a page at most.
const LETTERS: usize = 500;
/// Bytes of letters that are looked through for a page: one for which nothing is found ends too.
const BYTES: usize = 64 << 20;
/// Bytes on a page from which on no letter is added.
const PAGE_BYTES: usize = 1 << 20;

/// What a page is to have.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListRequest {
    /// Which letters.
    pub filter: Filter,
    /// Where the page before ended.
    pub after: Option<LetterId>,
    /// Letters at most; a page has 500 in any case.
    pub limit: Option<usize>,
}

/// Some dead letters.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Page {
    /// The letters, of each connector in the order of its queue.
    pub letters: Vec<LetterRow>,
    /// What to ask for next; `None` when there is no more. A page without letters can have it.
    pub next: Option<LetterId>,
}

impl Operator {
    /// The page that `request` describes.
    ///
    /// # Errors
    /// The letters cannot be read.
    pub async fn list(&self, request: &ListRequest) -> Result<Page, StoreError> {
        let limit = request.limit.unwrap_or(LETTERS).min(LETTERS);
        let mut listing = Listing {
            filter: &request.filter,
            limit,
            page: Page::default(),
            read: 0,
            shown: 0,
        };
        for (connector, queue) in dead_letters(&self.store) {
            let begin = match &request.after {
                Some(after) if connector < after.connector => continue,
                Some(after) if connector == after.connector => after.sequence + 1,
                _ => 0,
            };
            if request.filter.takes_connector(&connector) {
                listing.look_through(&connector, &queue, begin).await?;
            }
            if listing.page.next.is_some() {
                break;
            }
        }
        Ok(listing.page)
    }

    /// The letter `id`, with what it holds; `None` when there is none.
    ///
    /// # Errors
    /// The letters cannot be read.
    pub async fn show(&self, id: &LetterId) -> Result<Option<LetterText>, StoreError> {
        let queues = dead_letters(&self.store);
        let Some((connector, queue)) = queues
            .into_iter()
            .find(|(connector, _)| *connector == id.connector)
        else {
            return Ok(None);
        };
        // Most letters lie where they lay first; those that were moved lie anywhere.
        let mut walk = Walk::from(&queue, id.sequence).await?;
        let places = walk.next().await?.unwrap_or_default();
        if let Some(letter) = find(places, id.sequence) {
            return Ok(Some(letter.text(&connector)));
        }
        let mut walk = Walk::of(&queue);
        while let Some(places) = walk.next().await? {
            if let Some(letter) = find(places, id.sequence) {
                return Ok(Some(letter.text(&connector)));
            }
        }
        Ok(None)
    }
}

fn find(places: Vec<Place>, sequence: u64) -> Option<Letter> {
    let kept = places.into_iter().filter(|place| !place.is_settled);
    let mut letters = kept.map(|place| Letter::read(place.sequence, place.bytes));
    letters.find(|letter| letter.sequence == sequence)
}

/// A page that is being filled.
struct Listing<'a> {
    filter: &'a Filter,
    limit: usize,
    page: Page,
    /// Bytes that were looked through.
    read: usize,
    /// Bytes of texts on the page, about.
    shown: usize,
}

impl Listing<'_> {
    /// Adds the letters of `queue` from `begin`, until the page is full.
    async fn look_through(
        &mut self,
        connector: &str,
        queue: &Queue,
        begin: u64,
    ) -> Result<(), StoreError> {
        let mut walk = Walk::from(queue, begin).await?;
        while let Some(places) = walk.next().await? {
            for place in places {
                self.read += place.bytes.len();
                if !place.is_settled {
                    self.add(connector, Letter::read(place.sequence, place.bytes));
                }
                if self.is_full() {
                    self.page.next = Some(LetterId {
                        connector: connector.to_owned(),
                        sequence: place.sequence,
                    });
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, connector: &str, letter: Letter) {
        if self.filter.takes(&letter) {
            let row = letter.row(connector);
            let texts = [&row.destination, &row.topic, &row.client_id, &row.record_id];
            let texts = texts.into_iter().flatten().map(String::len);
            self.shown += row.message.len() + texts.sum::<usize>();
            self.page.letters.push(row);
        }
    }

    fn is_full(&self) -> bool {
        self.page.letters.len() >= self.limit || self.read >= BYTES || self.shown >= PAGE_BYTES
    }
}
