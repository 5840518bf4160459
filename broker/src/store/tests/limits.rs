//! Limits: said at once, and given back exactly.

use super::*;

fn limited(store: &Store, records: u64, bytes: u64) -> Queue {
    let limits = QueueLimits {
        records,
        bytes,
        when_full: WhenFull::Refuse,
    };
    store.queue("q", QueueKind::Durable, limits).unwrap()
}

fn push(transaction: &mut Transaction, queue: &Queue, length: usize) -> Result<(), QueueFull> {
    transaction.append(queue, |buffer| buffer.resize(buffer.len() + length, 1))
}

#[test]
fn a_full_queue_refuses_and_leaves_the_transaction_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 2, 1000);
    let mut transaction = store.transaction();
    push(&mut transaction, &queue, 1).unwrap();
    assert_eq!(push(&mut transaction, &queue, 992), Err(QueueFull));
    push(&mut transaction, &queue, 2).unwrap();
    assert!(!queue.has_room(0));
    assert_eq!(push(&mut transaction, &queue, 0), Err(QueueFull));
    wait(&store, store.submit(transaction).unwrap());
    assert_eq!(contents(&queue), [(0, vec![1]), (1, vec![1, 1])]);
    assert_eq!((queue.records(), queue.bytes()), (2, 11));
}

#[test]
fn bytes_count_with_their_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 100, 14);
    assert!(queue.has_room(10));
    assert!(!queue.has_room(11));
    let mut transaction = store.transaction();
    assert_eq!(push(&mut transaction, &queue, 11), Err(QueueFull));
    assert!(transaction.is_empty());
    push(&mut transaction, &queue, 10).unwrap();
    assert!(!queue.has_room(0));
}

#[test]
fn a_dropped_transaction_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 1, 100);
    let mut transaction = store.transaction();
    push(&mut transaction, &queue, 5).unwrap();
    assert_eq!((queue.records(), queue.bytes()), (1, 9));
    drop(transaction);
    assert_eq!((queue.records(), queue.bytes()), (0, 0));
    push(&mut store.transaction(), &queue, 5).unwrap();
}

#[test]
fn settling_gives_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 3, 100);
    for round in 0..10 {
        let mut transaction = store.transaction();
        for _ in 0..3 {
            push(&mut transaction, &queue, 20).unwrap();
        }
        wait(&store, store.submit(transaction).unwrap());
        assert!(!queue.has_room(0));
        wait(&store, settle(&store, &queue, round * 3..round * 3 + 3));
        assert_eq!((queue.records(), queue.bytes()), (0, 0));
    }
}

#[test]
fn the_limits_given_last_count() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 0, 100);
    assert!(!queue.has_room(1));
    limited(&store, 1, 100);
    assert!(queue.has_room(1));
}

#[test]
fn a_restored_queue_has_what_it_holds_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 2, 100);
    wait(&store, append(&store, &queue, &[b"a", b"b"]));
    store.close().unwrap();
    drop(queue);

    let store = open(folder.path());
    let queue = limited(&store, 2, 100);
    let refused = push(&mut store.transaction(), &queue, 1);
    assert_eq!(refused, Err(QueueFull));
}

#[test]
fn threads_together_do_not_pass_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 1000, u64::MAX);
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..500)
                        .filter(|_| {
                            let mut transaction = store.transaction();
                            let taken = push(&mut transaction, &queue, 1).is_ok();
                            store.submit(transaction).unwrap();
                            taken
                        })
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(taken, 1000);
    store.clone().close().unwrap();
    assert_eq!(contents(&queue).len(), 1000);
}

#[test]
fn what_is_in_hand_is_what_was_appended_and_neither_submitted_nor_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 3, 100);
    let (mut submitted, mut dropped) = (store.transaction(), store.transaction());
    push(&mut submitted, &queue, 1).unwrap();
    push(&mut submitted, &queue, 1).unwrap();
    push(&mut dropped, &queue, 1).unwrap();
    assert_eq!(push(&mut dropped, &queue, 1), Err(QueueFull));
    assert_eq!(queue.in_hand(), 3);
    drop(dropped);
    assert_eq!(queue.in_hand(), 2);
    store.submit(submitted).unwrap();
    assert_eq!(queue.in_hand(), 0);
    let mut late = store.transaction();
    push(&mut late, &queue, 1).unwrap();
    store.remove(&queue).unwrap();
    assert_eq!(queue.in_hand(), 1);
    store.submit(late).unwrap();
    assert_eq!(queue.in_hand(), 0);
}

#[test]
fn bytes_are_freed_as_far_as_the_head_has_passed_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = limited(&store, 100, 1000);
    let mut transaction = store.transaction();
    (0..10).for_each(|_| push(&mut transaction, &queue, 6).unwrap());
    wait(&store, store.submit(transaction).unwrap());
    wait(&store, settle(&store, &queue, 2..5));
    assert_eq!((queue.freed(), queue.bytes()), (0, 100));
    wait(&store, settle(&store, &queue, 0..1));
    assert_eq!((queue.freed(), queue.bytes()), (1, 90));
    wait(&store, settle(&store, &queue, 1..2));
    assert_eq!((queue.freed(), queue.bytes()), (5, 50));
    store.close().unwrap();

    drop(queue);
    let store = open(folder.path());
    let queue = limited(&store, 100, 1000);
    assert_eq!((queue.freed(), queue.bytes()), (5, 50));
    wait(&store, settle(&store, &queue, 5..10));
    assert_eq!((queue.freed(), queue.bytes()), (10, 0));
}
