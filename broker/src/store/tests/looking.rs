//! What tools ask of a queue that somebody else works on.

use super::*;

#[test]
fn finding_a_queue_neither_makes_one_nor_changes_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(store.find("q").is_none());
    assert!(store.queue_names().is_empty());
    let limits = QueueLimits {
        records: 1,
        ..UNLIMITED
    };
    let queue = store.queue("q", QueueKind::Durable, limits).unwrap();
    append(&store, &queue, &[b"a"]);
    let found = store.find("q").unwrap();
    assert_eq!((found.name(), found.records()), ("q", 1));
    let mut transaction = store.transaction();
    assert_eq!(transaction.append(&found, |_| {}), Err(QueueFull));
    store.queue("t", QueueKind::Transient, UNLIMITED).unwrap();
    assert!(store.find("t").is_none());
}

#[test]
fn a_reader_from_a_sequence_begins_with_its_block() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for block in [&[b"a" as &[u8], b"b"][..], &[b"c", b"d", b"e"], &[b"f"]] {
        wait(&store, append(&store, &queue, block));
    }
    assert_eq!(queue.end(), 6);
    let first = |sequence| {
        let block = queue.reader_from(sequence).unwrap().try_next().unwrap();
        block.map(|block| block.first())
    };
    let firsts: Vec<_> = (0..6).map(first).collect();
    assert_eq!(firsts, [0, 0, 2, 2, 2, 5].map(Some));

    wait(&store, settle(&store, &queue, 0..4));
    assert_eq!([0, 1, 3, 4, 5].map(first), [4, 4, 4, 4, 5].map(Some));
    let mut reader = queue.reader_from(5).unwrap();
    assert!(reader.try_next().unwrap().is_some());
    assert!(reader.try_next().unwrap().is_none());
}

#[test]
fn gaps_are_counted_beyond_the_head_and_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"x" as &[u8]; 10]));
    settle(&store, &queue, 0..2);
    assert_eq!(queue.gaps(), 0);
    settle(&store, &queue, 4..5);
    settle(&store, &queue, 7..8);
    assert_eq!(queue.gaps(), 2);
    drop(queue);
    store.close().unwrap();
    assert_eq!(durable(&open(folder.path()), "q").gaps(), 2);
}
