//! What goes in comes out: order, settling, readers that wait, queues that come and go.

use std::sync::Barrier;

use super::*;

#[test]
fn records_come_back_in_order_with_contiguous_sequences() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    append(&store, &queue, &[b"a", b"b"]);
    wait(&store, append(&store, &queue, &[b"c"]));
    assert_eq!(
        contents(&queue),
        [(0, b"a".to_vec()), (1, b"b".to_vec()), (2, b"c".to_vec())]
    );
    assert_eq!((queue.records(), queue.bytes()), (3, 15));
}

#[test]
fn a_transaction_reaches_all_its_queues() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (one, two) = (durable(&store, "one"), durable(&store, "two"));
    let mut transaction = store.transaction();
    for record in [b"a", b"b", b"c"] {
        for queue in [&one, &two] {
            transaction
                .append(queue, |buffer| buffer.extend_from_slice(record))
                .unwrap();
        }
    }
    wait(&store, store.submit(transaction).unwrap());
    let expected = [(0, b"a".to_vec()), (1, b"b".to_vec()), (2, b"c".to_vec())];
    assert_eq!(contents(&one), expected);
    assert_eq!(contents(&two), expected);
}

#[test]
fn a_reader_from_the_end_reads_what_comes_and_its_settling_leaves_the_head_behind() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"a", b"b", b"c"]));
    let (mut reader, first) = queue.reader_from_end();
    assert_eq!(first, 3);
    assert!(reader.try_next().unwrap().is_none());
    wait(&store, append(&store, &queue, &[b"d", b"e"]));
    let block = reader.try_next().unwrap().unwrap();
    assert_eq!((block.first(), block.len()), (3, 2));
    settle(&store, &queue, 3..5);
    assert_eq!((queue.head(), queue.records()), (0, 3));
    assert!(queue.is_settled(3) && !queue.is_settled(2));
    settle(&store, &queue, 0..3);
    assert_eq!((queue.head(), queue.records()), (5, 0));
}

#[test]
fn an_empty_transaction_is_durable_already() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let ticket = store.submit(store.transaction()).unwrap();
    assert_eq!(ticket, Ticket::DONE);
    assert!(store.durable().has_reached(ticket));
}

#[test]
fn the_same_name_is_the_same_queue() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    wait(&store, append(&store, &durable(&store, "q"), &[b"a"]));
    assert_eq!(contents(&durable(&store, "q")).len(), 1);
    let other = store.queue("q", QueueKind::Transient, UNLIMITED);
    assert!(matches!(other, Err(StoreError::OtherKind { .. })));
}

#[test]
fn settling_out_of_order_moves_the_head_when_the_gap_closes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"a", b"b", b"c", b"d"]));
    wait(&store, settle(&store, &queue, 1..3));
    assert_eq!((queue.head(), queue.records()), (0, 2));
    wait(&store, settle(&store, &queue, 1..3));
    assert_eq!(queue.records(), 2);
    wait(&store, settle(&store, &queue, 0..1));
    assert_eq!((queue.head(), queue.records(), queue.bytes()), (3, 1, 5));
    assert_eq!(contents(&queue), [(3, b"d".to_vec())]);
}

#[test]
fn settling_what_was_not_written_yet_has_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, settle(&store, &queue, 0..10));
    wait(&store, append(&store, &queue, &[b"a"]));
    assert_eq!(contents(&queue), [(0, b"a".to_vec())]);
}

#[test]
fn settled_blocks_leave_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for _ in 0..5 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
    }
    wait(&store, settle(&store, &queue, 0..7));
    let id = queue.state().id;
    let firsts = store.core().disk.block_firsts(id, 0, 100).unwrap();
    assert_eq!(firsts, [6, 8]);
    wait(&store, settle(&store, &queue, 7..10));
    let firsts = store.core().disk.block_firsts(id, 0, 100).unwrap();
    assert_eq!(firsts, [0u64; 0]);
    assert_eq!((queue.records(), queue.bytes()), (0, 0));
}

#[test]
fn settling_more_blocks_than_one_commit_removes_frees_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for _ in 0..3000 {
        wait(&store, append(&store, &queue, &[b"a"]));
    }
    settle(&store, &queue, 0..2999);
    let deadline = Instant::now() + Duration::from_secs(30);
    while queue.bytes() > 5 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(contents(&queue), [(2999, b"a".to_vec())]);
    let firsts = store.core().disk.block_firsts(queue.state().id, 0, 9);
    assert_eq!(firsts.unwrap(), [2999]);
}

#[test]
fn a_reader_waits_for_the_next_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let mut reader = queue.reader();
    assert!(reader.try_next().unwrap().is_none());
    block_on(async {
        let mut next = std::pin::pin!(reader.next());
        let early = tokio::time::timeout(Duration::from_millis(1), next.as_mut()).await;
        assert!(early.is_err());
        append(&store, &queue, &[b"a"]);
        assert_eq!(next.await.unwrap().len(), 1);
    });
}

#[test]
fn a_rewound_reader_starts_at_the_head_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"a", b"b", b"c"]));
    let mut reader = queue.reader();
    assert_eq!(reader.try_next().unwrap().unwrap().len(), 3);
    assert!(reader.try_next().unwrap().is_none());
    // The head counts from the moment of submission.
    let ticket = settle(&store, &queue, 0..1);
    reader.rewind();
    let block = reader.try_next().unwrap().unwrap();
    assert_eq!((block.first(), block.len()), (1, 2));
    wait(&store, ticket);
}

#[test]
fn a_reader_that_was_overtaken_by_the_head_goes_on_at_the_head() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let mut reader = queue.reader();
    for _ in 0..3 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
    }
    wait(&store, settle(&store, &queue, 0..5));
    let block = reader.try_next().unwrap().unwrap();
    assert_eq!((block.first(), block.len()), (5, 1));
}

#[test]
fn a_block_far_behind_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig {
        memory: 64 * 1024,
        ..config(folder.path())
    })
    .unwrap();
    let queue = durable(&store, "q");
    let record = vec![7; 10_000];
    for _ in 0..100 {
        wait(&store, append(&store, &queue, &[&record]));
    }
    let mut reader = queue.reader();
    block_on(async {
        for sequence in 0..100 {
            assert_eq!(reader.next().await.unwrap().first(), sequence);
        }
    });
}

#[test]
fn a_large_batch_becomes_several_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let record = vec![7; 100_000];
    let huge = vec![8; 1_000_000];
    let records = [&record[..], &record, &record, &huge, &record];
    wait(&store, append(&store, &queue, &records));
    let read: Vec<_> = contents(&queue).into_iter().map(|(_, read)| read).collect();
    assert_eq!(read, records);
    let firsts = store.core().disk.block_firsts(queue.state().id, 0, 100);
    assert_eq!(firsts.unwrap(), [0, 2, 3, 4]);
}

#[test]
fn threads_that_submit_at_once_keep_their_order_and_lose_nothing() {
    const THREADS: u64 = 8;
    const RECORDS: u64 = 2000;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig {
        durability: Durability::Sync,
        ..config(folder.path())
    })
    .unwrap();
    let queue = durable(&store, "q");
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, queue, start) = (&store, &queue, &start);
            scope.spawn(move || {
                start.wait();
                let mut last = Ticket::DONE;
                for number in 0..RECORDS {
                    let record = [thread.to_be_bytes(), number.to_be_bytes()].concat();
                    let ticket = append(store, queue, &[&record]);
                    assert!(ticket >= last);
                    last = ticket;
                    if number % 100 == 0 {
                        wait(store, ticket);
                    }
                }
                wait(store, last);
            });
        }
    });
    let mut next = [0; THREADS as usize];
    for (index, (sequence, record)) in contents(&queue).into_iter().enumerate() {
        assert_eq!(sequence, index as u64);
        let thread = u64::from_be_bytes(record[..8].try_into().unwrap()) as usize;
        let number = u64::from_be_bytes(record[8..].try_into().unwrap());
        assert_eq!(number, next[thread]);
        next[thread] += 1;
    }
    assert_eq!(next, [RECORDS; THREADS as usize]);
}

#[test]
fn a_removed_queue_is_gone_with_all_that_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (queue, other) = (durable(&store, "q"), durable(&store, "other"));
    append(&store, &other, &[b"kept"]);
    // More blocks than one commit removes.
    for _ in 0..1500 {
        wait(&store, append(&store, &queue, &[b"a"]));
    }
    let mut reader = queue.reader();
    let ticket = store.remove(&queue).unwrap();
    wait(&store, ticket);
    assert!(matches!(reader.try_next(), Err(StoreError::Removed { .. })));
    // What is appended through an old handle goes nowhere.
    wait(&store, append(&store, &queue, &[b"late"]));
    assert_eq!(store.queue_names(), ["other"]);
    let again = durable(&store, "q");
    assert_eq!(contents(&again), []);
    store.close().unwrap();
    drop((queue, other, again, reader));

    let store = open(folder.path());
    let id_of_removed = 0;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !block_firsts(&store, id_of_removed).is_empty() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(contents(&durable(&store, "other")).len(), 1);
    assert_eq!(contents(&durable(&store, "q")), []);
}

fn block_firsts(store: &Store, id: u32) -> Vec<u64> {
    store.core().disk.block_firsts(id, 0, 10_000).unwrap()
}

#[test]
fn a_reader_of_a_removed_queue_stops_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let mut reader = queue.reader();
    block_on(async {
        let mut next = std::pin::pin!(reader.next());
        let early = tokio::time::timeout(Duration::from_millis(1), next.as_mut()).await;
        assert!(early.is_err());
        store.remove(&queue).unwrap();
        assert!(matches!(next.await, Err(StoreError::Removed { .. })));
    });
}

#[test]
fn a_closed_store_takes_nothing_and_lets_nobody_wait() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let (other, mut durable) = (store.clone(), store.durable());
    let ticket = append(&store, &queue, &[b"a"]);
    store.close().unwrap();
    assert!(durable.has_reached(ticket));
    let mut transaction = other.transaction();
    transaction.append(&queue, |buffer| buffer.push(1)).unwrap();
    assert!(matches!(other.submit(transaction), Err(StoreError::Closed)));
    block_on(async {
        let next = Ticket(ticket.0 + 10);
        assert!(matches!(
            durable.reached(next).await,
            Err(StoreError::Closed)
        ));
        let mut reader = queue.reader();
        assert_eq!(reader.next().await.unwrap().len(), 1);
        assert!(matches!(reader.next().await, Err(StoreError::Closed)));
    });
}

#[test]
fn a_transaction_is_durable_no_sooner_than_the_one_that_it_follows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let first = append(&store, &queue, &[b"a"]);
    wait(&store, first);
    set_writes(&store, Writes::Wait(0));
    let second = append(&store, &queue, &[b"b"]);
    let follow = |tickets: &[Ticket]| {
        let mut transaction = store.transaction();
        tickets.iter().for_each(|it| transaction.follow(*it));
        store.submit(transaction).unwrap()
    };
    let (free, following) = (follow(&[]), follow(&[second, first]));
    let is_early = store.durable().has_reached(following);
    set_writes(&store, Writes::Succeed);
    assert_eq!((free, following), (Ticket::DONE, second));
    assert!(!is_early);
    wait(&store, following);
}
