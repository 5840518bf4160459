//! What a store that is opened finds: transient queues go, durable ones get their state back.

use super::{
    StoreError, block,
    catalog::{Catalog, Entry},
    disk::{Disk, Reach},
    queue::{QueueKind, QueueState, StoredHead, Tail},
    settled::Settled,
};

/// Takes transient queues out of the catalog; gives the ids of which blocks may be left.
pub(super) fn drop_transient(disk: &Disk, catalog: &Catalog) -> fjall::Result<Vec<u32>> {
    let mut doomed = catalog.doomed.clone();
    let mut changes = disk.changes();
    for entry in &catalog.queues {
        if entry.kind == QueueKind::Transient {
            changes.remove_queue(entry.id);
            changes.insert_doomed(entry.id);
            doomed.push(entry.id);
        }
    }
    disk.write(changes, Reach::System)?;
    Ok(doomed)
}

/// The state of a queue that the store holds.
pub(super) fn restore(disk: &Disk, entry: &Entry) -> Result<QueueState, StoreError> {
    let read = |error: fjall::Error| StoreError::Read {
        queue: entry.name.clone(),
        sequence: entry.head_block,
        source: error.into(),
    };
    let corrupt = |sequence, block::Malformed(reason)| StoreError::Corrupt {
        queue: entry.name.clone(),
        sequence,
        reason,
    };
    let mut head = StoredHead {
        block: entry.head_block,
        position: 0,
        sequence: entry.head,
        offset: 0,
    };
    let mut tail = Tail {
        sequence: entry.head,
        position: 0,
    };
    if let Some((first, last)) = disk.last_block(entry.id, head.block).map_err(read)? {
        let header = block::Header::decode(&last).map_err(|error| corrupt(first, error))?;
        tail.sequence = first + u64::from(header.count);
        tail.position = header.position + (last.len() - block::HEADER) as u64;
        let value = disk.block(entry.id, head.block).map_err(read)?;
        let value = value.unwrap_or_default();
        let header = block::Header::decode(&value).map_err(|error| corrupt(head.block, error))?;
        head.position = header.position;
        let mut settled = head.sequence - head.block;
        if settled >= u64::from(header.count) {
            // There are more blocks to remove.
            settled = 0;
        }
        let offset = block::skip(&value, block::HEADER, settled)
            .map_err(|error| corrupt(head.block, error))?;
        head.sequence = head.block + settled;
        head.offset = (offset - block::HEADER) as u64;
    }
    let mut settled = Settled::below(entry.head);
    for range in &entry.beyond {
        settled.settle(range.start..range.end.min(tail.sequence));
    }
    Ok(QueueState::new(
        entry.id,
        &entry.name,
        entry.kind,
        head,
        settled,
        tail,
    ))
}
