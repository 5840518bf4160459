//! What is there after the process ended in the middle.

use std::io::BufRead;

use super::{disk::Reach, *};

#[test]
fn what_was_durable_is_there_after_a_kill() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"a", b"b"]));
    copy_folder(folder.path(), killed.path());

    let store = open(killed.path());
    assert_eq!(store.queue_names(), ["q"]);
    let queue = durable(&store, "q");
    assert_eq!(contents(&queue), [(0, b"a".to_vec()), (1, b"b".to_vec())]);
    assert_eq!((queue.records(), queue.bytes()), (2, 10));
    wait(&store, append(&store, &queue, &[b"c"]));
    assert_eq!(contents(&queue)[2], (2, b"c".to_vec()));
}

/// The folder of the child process that is to be killed.
const CHILD: &str = "PERENNIAL_STORE_CHILD";

#[test]
fn every_record_that_was_durable_survives_kills_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut durable_records = 0;
    for round in 1..=5u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::child_that_appends"])
            .args(["--ignored", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let output = io::BufReader::new(child.stdout.take().unwrap());
        // Killed after some hundreds of records, while more are being written.
        let enough = durable_records + 300 * round;
        let mut told = output.lines().map_while(Result::ok).filter_map(number);
        durable_records = told.find(|records| *records >= enough).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it noticed counts too.
        durable_records = told.last().unwrap_or(durable_records);

        let store = open(folder.path());
        let records = contents(&durable(&store, "q"));
        assert!(records.len() as u64 >= durable_records);
        for (sequence, record) in &records {
            assert_eq!(record[..8], sequence.to_be_bytes());
        }
    }
}

fn number(line: String) -> Option<u64> {
    line.strip_prefix("durable ")?.parse().ok()
}

#[test]
#[ignore = "it is started by another test, which kills it"]
#[expect(clippy::print_stdout, reason = "its parent listens")]
fn child_that_appends() {
    let Some(folder) = std::env::var_os(CHILD) else {
        return;
    };
    let store = Store::open(StoreConfig {
        durability: Durability::Sync,
        // So little that memory is written out all the time.
        memory: 300_000,
        ..config(Path::new(&folder))
    })
    .unwrap();
    let queue = durable(&store, "q");
    for sequence in queue.records()..1_000_000 {
        let record = [&sequence.to_be_bytes()[..], &[7; 3000]].concat();
        wait(&store, append(&store, &queue, &[&record]));
        println!("durable {}", sequence + 1);
    }
}

#[test]
fn a_block_settled_in_part_resumes_at_the_head_after_a_kill() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    append(&store, &queue, &[b"first", b"block"]);
    wait(&store, append(&store, &queue, &[b"a", b"bb", b"ccc", b"d"]));
    settle(&store, &queue, 5..6);
    wait(&store, settle(&store, &queue, 0..3));
    copy_folder(folder.path(), killed.path());

    let store = open(killed.path());
    let queue = durable(&store, "q");
    assert_eq!(queue.head(), 3);
    assert_eq!((queue.records(), queue.bytes()), (2, 6 + 7 + 5));
    let records: Vec<_> = contents(&queue).into_iter().map(|(at, _)| at).collect();
    assert_eq!(records, [3, 4, 5]);
    wait(&store, settle(&store, &queue, 3..6));
    assert_eq!((queue.records(), queue.bytes()), (0, 0));
}

#[test]
fn what_was_settled_beyond_the_head_stays_settled_after_a_kill() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[&[7][..]; 20]));
    settle(&store, &queue, 3..5);
    wait(&store, settle(&store, &queue, 10..11));
    copy_folder(folder.path(), killed.path());

    let store = open(killed.path());
    let queue = durable(&store, "q");
    assert_eq!((queue.head(), queue.records()), (0, 17));
    let settled: Vec<_> = (0..20).filter(|at| queue.is_settled(*at)).collect();
    assert_eq!(settled, [3, 4, 10]);
    wait(&store, settle(&store, &queue, 0..10));
    assert_eq!((queue.head(), queue.records()), (11, 9));
    store.close().unwrap();
    drop(queue);

    let store = open(killed.path());
    let queue = durable(&store, "q");
    assert_eq!((queue.head(), queue.records()), (11, 9));
    let catalog = store.core().disk.catalog().unwrap();
    assert_eq!(catalog.queues[0].beyond, []);
}

#[test]
fn of_very_many_ranges_beyond_the_head_the_lowest_stay_settled() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[&[7][..]; 3000]));
    let mut transaction = store.transaction();
    (0..1500).for_each(|at| transaction.settle(&queue, at * 2 + 1..at * 2 + 2));
    wait(&store, store.submit(transaction).unwrap());
    assert_eq!(queue.records(), 1500);
    store.close().unwrap();
    drop(queue);

    let store = open(folder.path());
    let queue = durable(&store, "q");
    assert_eq!((queue.head(), queue.records()), (0, 3000 - 1024));
    assert!(queue.is_settled(2047) && !queue.is_settled(2049));
}

#[test]
fn a_kill_before_all_settled_blocks_are_removed_unsettles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for _ in 0..10 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
    }
    // As the first of several commits leaves it.
    let id = queue.state().id;
    let mut changes = store.core().disk.changes();
    changes.remove_block(id, 0);
    changes.set_head(id, 2, 13);
    store.core().disk.write(changes, Reach::Disk).unwrap();
    store.close().unwrap();
    drop(queue);

    let store = open(folder.path());
    let queue = durable(&store, "q");
    assert_eq!((queue.head(), queue.records()), (13, 7));
    let deadline = Instant::now() + Duration::from_secs(30);
    while queue.bytes() > 7 * 5 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let records: Vec<_> = contents(&queue).into_iter().map(|(at, _)| at).collect();
    assert_eq!(records, [13, 14, 15, 16, 17, 18, 19]);
    let firsts = store.core().disk.block_firsts(id, 0, 9).unwrap();
    assert_eq!(firsts, [12, 14, 16, 18]);
}

#[test]
fn a_queue_that_replaced_another_in_the_same_commit_is_there_after_a_kill_and_not_the_other() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let old = durable(&store, "q");
    wait(&store, append(&store, &old, &[b"old", b"older"]));
    wait(&store, settle(&store, &old, 1..2));
    {
        // One batch: the committer cannot take it in between.
        let mut pending = lock(&store.core().pending);
        pending.remove(old.state()).unwrap();
        pending.open("q", QueueKind::Durable, UNLIMITED).unwrap();
    }
    let queue = durable(&store, "q");
    assert_eq!((queue.head(), queue.records(), queue.bytes()), (0, 0, 0));
    wait(&store, append(&store, &queue, &[b"new"]));
    copy_folder(folder.path(), killed.path());

    let store = open(killed.path());
    assert_eq!(store.queue_names(), ["q"]);
    let queue = durable(&store, "q");
    assert_eq!(contents(&queue), [(0, b"new".to_vec())]);
    let blocks = store.core().disk.block_firsts(old.state().id, 0, 9);
    assert_eq!(blocks.unwrap(), [0u64; 0]);
}

#[test]
fn an_emptied_queue_goes_on_counting_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let store = open(folder.path());
        let queue = durable(&store, "q");
        assert_eq!((queue.head(), queue.records()), (round * 2, 0));
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
        wait(&store, settle(&store, &queue, round * 2..round * 2 + 2));
        store.close().unwrap();
    }
}

#[test]
fn dropping_the_last_handle_commits_what_was_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    append(&store, &queue, &[b"a"]);
    drop((store, queue));
    assert_eq!(contents(&durable(&open(folder.path()), "q")).len(), 1);
}

#[test]
fn an_unused_queue_is_there_after_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    drop(durable(&store, "q"));
    store.close().unwrap();
    assert_eq!(open(folder.path()).queue_names(), ["q"]);
}

#[test]
fn transient_queues_are_gone_after_a_kill_and_their_blocks_too() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = store.queue("t", QueueKind::Transient, UNLIMITED).unwrap();
    let id = queue.state().id;
    assert!(store.queue_names().is_empty());
    wait(&store, append(&store, &queue, &[b"a"]));
    assert_eq!(contents(&queue).len(), 1);
    copy_folder(folder.path(), killed.path());

    let store = open(killed.path());
    let queue = store.queue("t", QueueKind::Transient, UNLIMITED).unwrap();
    assert_ne!(queue.state().id, id);
    assert_eq!(contents(&queue), []);
    wait(&store, append(&store, &queue, &[b"b"]));
    assert!(store.core().disk.block_firsts(id, 0, 9).unwrap().is_empty());
    assert_eq!(contents(&queue), [(0, b"b".to_vec())]);
    let catalog = store.core().disk.catalog().unwrap();
    assert_eq!((catalog.queues.len(), catalog.doomed.len()), (1, 0));
}

#[test]
fn a_store_of_the_format_before_is_opened_and_raised_to_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    wait(&store, append(&store, &durable(&store, "q"), &[b"a"]));
    let mut changes = store.core().disk.changes();
    changes.set_format(1);
    store.core().disk.write(changes, Reach::Disk).unwrap();
    store.close().unwrap();

    let store = open(folder.path());
    assert_eq!(contents(&durable(&store, "q")).len(), 1);
    let format = store.core().disk.format().unwrap();
    assert_eq!(format, Some(2u32.to_be_bytes().to_vec()));
}

#[test]
fn a_store_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut changes = store.core().disk.changes();
    changes.set_format(7);
    store.core().disk.write(changes, Reach::Disk).unwrap();
    store.close().unwrap();

    let error = Store::open(config(folder.path())).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, .. }));
    assert!(error.to_string().contains("format 7"), "{error}");
}

#[test]
fn a_folder_that_another_store_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(folder.path());
    let error = Store::open(config(folder.path())).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn a_damaged_block_is_an_error_that_names_it_and_can_be_settled() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    for _ in 0..3 {
        wait(&store, append(&store, &queue, &[b"a", b"b"]));
    }
    let mut changes = store.core().disk.changes();
    changes.insert_block(queue.state().id, 2, b"nonsense".to_vec());
    store.core().disk.write(changes, Reach::Disk).unwrap();

    let mut reader = queue.reader();
    assert_eq!(reader.try_next().unwrap().unwrap().first(), 0);
    let error = reader.try_next().unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { queue, sequence: 2, .. } if queue == "q"),
        "{error}"
    );
    wait(&store, settle(&store, &queue, 0..4));
    assert_eq!(reader.try_next().unwrap().unwrap().first(), 4);
    wait(&store, settle(&store, &queue, 4..6));
    assert_eq!((queue.records(), queue.bytes()), (0, 0));
    assert!(!store.is_poisoned());
}

#[test]
fn a_commit_cut_off_in_the_middle_is_as_if_it_had_not_been() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"kept"]));
    let end = journal_end(folder.path());
    wait(&store, append(&store, &queue, &[&[b'x'; 5000]]));
    let full = journal_end(folder.path());
    assert!(full > end + 5000);
    for cut in [end + 1, end + 100, full - 4000, full - 1] {
        let killed = killed.path().join(cut.to_string());
        copy_folder(folder.path(), &killed);
        let journal = killed.join("0.jnl");
        let file = std::fs::File::options().write(true).open(&journal);
        file.unwrap().set_len(cut).unwrap();
        let store = open(&killed);
        let queue = durable(&store, "q");
        assert_eq!(contents(&queue), [(0, b"kept".to_vec())], "{cut}");
        wait(&store, append(&store, &queue, &[b"next"]));
        assert_eq!(contents(&queue)[1], (1, b"next".to_vec()));
    }
}
