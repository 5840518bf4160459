//! Queues that drop their oldest records: the limits hold after each commit, and nothing is
//! dropped that had room.

use super::*;

fn limits(records: u64, bytes: u64) -> QueueLimits {
    QueueLimits {
        records,
        bytes,
        when_full: WhenFull::DropOldest,
    }
}

fn dropping(store: &Store, records: u64, bytes: u64) -> Queue {
    let limits = limits(records, bytes);
    store.queue("q", QueueKind::Durable, limits).unwrap()
}

fn sequences(queue: &Queue) -> Vec<u64> {
    contents(queue).into_iter().map(|(at, _)| at).collect()
}

#[test]
fn the_newest_records_stay_and_the_others_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = dropping(&store, 3, 1000);
    for sequence in 0..10u8 {
        wait(&store, append(&store, &queue, &[&[sequence]]));
        let held = u64::from(sequence + 1).min(3);
        assert_eq!((queue.records(), queue.bytes()), (held, held * 5));
        assert_eq!(queue.dropped(), u64::from(sequence + 1) - held);
    }
    assert_eq!(contents(&queue), [(7, vec![7]), (8, vec![8]), (9, vec![9])]);
    assert_eq!(queue.head(), 7);
    assert!(queue.is_settled(6) && !queue.is_settled(7));
}

#[test]
fn as_many_oldest_records_go_as_the_limit_of_bytes_asks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = dropping(&store, 1000, 100);
    // Of 14, 24 and 34 bytes.
    wait(
        &store,
        append(&store, &queue, &[&[1; 10], &[2; 20], &[3; 30]]),
    );
    assert_eq!((queue.dropped(), queue.bytes()), (0, 72));
    wait(&store, append(&store, &queue, &[&[4; 24]]));
    assert_eq!((queue.dropped(), queue.bytes()), (0, 100));
    wait(&store, append(&store, &queue, &[&[5; 11]]));
    assert_eq!((queue.dropped(), queue.bytes()), (2, 34 + 28 + 15));
    assert_eq!(sequences(&queue), [2, 3, 4]);
    wait(&store, append(&store, &queue, &[&[6; 96]]));
    assert_eq!((queue.dropped(), queue.bytes()), (5, 100));
    assert_eq!(sequences(&queue), [5]);
}

#[test]
fn of_a_batch_larger_than_the_queue_the_end_is_kept() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = dropping(&store, 3, 1000);
    let mut reader = queue.reader();
    wait(&store, append(&store, &queue, &[b"a", b"b"]));
    wait(&store, append(&store, &queue, &[&[7][..]; 20]));
    assert_eq!(
        (queue.dropped(), queue.records(), queue.bytes()),
        (19, 3, 15)
    );
    // The reader goes on where the queue does.
    let block = reader.try_next().unwrap().unwrap();
    assert_eq!((block.first(), block.len()), (19, 3));
    let blocks = store.core().disk.block_firsts(queue.state().id, 0, 9);
    assert_eq!(blocks.unwrap(), [19]);
    copy_folder(folder.path(), killed.path());

    let store = open(killed.path());
    let queue = dropping(&store, 3, 1000);
    assert_eq!((queue.head(), queue.records(), queue.bytes()), (19, 3, 15));
    assert_eq!(queue.dropped(), 0);
    wait(&store, append(&store, &queue, &[b"next"]));
    assert_eq!(sequences(&queue), [20, 21, 22]);
    assert_eq!((queue.records(), queue.bytes()), (3, 18));
}

#[test]
fn a_queue_without_room_for_anything_takes_all_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig {
        durability: Durability::Sync,
        ..config(folder.path())
    })
    .unwrap();
    let queue = dropping(&store, 0, 100);
    let mut reader = queue.reader();
    for round in 1..5 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
        assert_eq!((queue.records(), queue.bytes()), (0, 0));
        assert_eq!((queue.dropped(), queue.head()), (round * 2, round * 2));
        assert!(reader.try_next().unwrap().is_none());
    }
    store.close().unwrap();
    drop((queue, reader));

    let store = open(folder.path());
    let queue = dropping(&store, 1, 100);
    wait(&store, append(&store, &queue, &[b"a"]));
    assert_eq!(sequences(&queue), [8]);
}

#[test]
fn only_a_record_larger_than_the_queue_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = dropping(&store, 1, 14);
    assert!(queue.has_room(10) && !queue.has_room(11));
    let mut transaction = store.transaction();
    let refused = transaction.append(&queue, |buffer| buffer.extend_from_slice(&[1; 11]));
    assert_eq!(refused, Err(QueueFull));
    for _ in 0..3 {
        transaction
            .append(&queue, |buffer| buffer.extend_from_slice(&[1; 10]))
            .unwrap();
    }
    assert!(queue.has_room(10));
    // What is not submitted drops nothing.
    drop(transaction);
    assert_eq!((queue.records(), queue.bytes(), queue.dropped()), (0, 0, 0));
}

#[test]
fn what_is_settled_beyond_the_head_makes_room_and_is_not_counted_as_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = dropping(&store, 4, 1000);
    wait(&store, append(&store, &queue, &[b"0", b"1", b"2", b"3"]));
    wait(&store, settle(&store, &queue, 1..3));
    wait(&store, append(&store, &queue, &[b"4", b"5"]));
    assert_eq!((queue.dropped(), queue.records()), (0, 4));
    wait(&store, append(&store, &queue, &[b"6", b"7"]));
    assert_eq!((queue.dropped(), queue.records()), (2, 4));
    assert_eq!(sequences(&queue), [4, 5, 6, 7]);
    // Settling what was dropped is nothing new.
    wait(&store, settle(&store, &queue, 0..6));
    assert_eq!(
        (queue.dropped(), queue.records(), queue.bytes()),
        (2, 2, 10)
    );
}

#[test]
fn smaller_limits_count_from_the_next_append() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for _ in 0..10 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
    }
    dropping(&store, 4, 1000);
    assert_eq!(queue.records(), 20);
    wait(&store, append(&store, &queue, &[b"c"]));
    assert_eq!((queue.records(), queue.dropped()), (4, 17));
    assert_eq!(sequences(&queue), [17, 18, 19, 20]);
}

#[test]
fn more_blocks_than_one_commit_removes_are_dropped_by_the_next_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for _ in 0..3000 {
        wait(&store, append(&store, &queue, &[b"a"]));
    }
    dropping(&store, 5000, 50);
    wait(&store, append(&store, &queue, &[b"b"]));
    let deadline = Instant::now() + Duration::from_secs(30);
    while queue.bytes() > 50 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!((queue.records(), queue.dropped()), (10, 2991));
    assert_eq!(sequences(&queue), (2991..3001).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_lost_its_place_goes_on_with_the_oldest_record_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let limits = limits(5, 1000);
    let queue = store.queue("q", QueueKind::Transient, limits).unwrap();
    let mut reader = queue.reader();
    let mut seen = Vec::new();
    for round in 0..20 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
        if round % 4 == 3 {
            while let Some(block) = reader.try_next().unwrap() {
                seen.extend(block.records().map(|(at, _)| at));
            }
        }
    }
    let expected = (0..40).filter(|at| at % 8 >= 3).collect::<Vec<_>>();
    assert_eq!(seen, expected);
}

#[test]
fn threads_that_append_at_once_lose_exactly_what_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = dropping(&store, 50, 2000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for length in 0..1000 {
                    let record = vec![1; length % 90];
                    let ticket = append(&store, &queue, &[&record]);
                    if length % 50 == 0 {
                        wait(&store, ticket);
                        let head = queue.head();
                        settle(&store, &queue, head..head + 3);
                    }
                }
            });
        }
    });
    store.clone().close().unwrap();
    let left = contents(&queue);
    let bytes: usize = left.iter().map(|(_, record)| record.len() + 4).sum();
    assert_eq!(queue.records(), left.len() as u64);
    assert_eq!(queue.bytes(), bytes as u64);
    assert!(queue.records() <= 50 && queue.bytes() <= 2000);
    assert_eq!(queue.head() + queue.records(), 4000);
    assert!(queue.dropped() <= queue.head() && queue.dropped() > 3000);
}
