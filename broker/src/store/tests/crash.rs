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
    // What was settled beyond the head is there again.
    assert_eq!((queue.records(), queue.bytes()), (3, 6 + 7 + 5));
    let records: Vec<_> = contents(&queue).into_iter().map(|(at, _)| at).collect();
    assert_eq!(records, [3, 4, 5]);
    wait(&store, settle(&store, &queue, 3..6));
    assert_eq!((queue.records(), queue.bytes()), (0, 0));
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

#[test]
fn a_commit_torn_in_its_middle_is_as_if_it_had_not_been() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, append(&store, &queue, &[b"kept"]));
    let end = journal_end(folder.path());
    wait(&store, append(&store, &queue, &[&[b'x'; 50_000]]));
    copy_folder(folder.path(), killed.path());
    erase(killed.path(), end + 8192);

    let store = open_synced(killed.path()).unwrap();
    let queue = durable(&store, "q");
    assert_eq!(contents(&queue), [(0, b"kept".to_vec())]);
    wait(&store, append(&store, &queue, &[b"next"]));
    store.close().unwrap();
    drop(queue);
    let store = open_synced(killed.path()).unwrap();
    assert_eq!(contents(&durable(&store, "q"))[1], (1, b"next".to_vec()));
}

#[test]
fn what_a_session_left_on_disk_may_be_torn_anywhere_behind_the_last_promise() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open_synced(folder.path()).unwrap();
    let promised = durable(&store, "promised");
    wait(&store, append(&store, &promised, &[b"settled", b"kept"]));
    let session = store
        .queue("session", QueueKind::Transient, UNLIMITED)
        .unwrap();
    let begin = journal_end(folder.path());
    // None of these is synced.
    wait(&store, append(&store, &session, &[&[b'x'; 50_000]]));
    wait(&store, settle(&store, &promised, 0..1));
    wait(&store, append(&store, &session, &[&[b'y'; 50_000]]));
    copy_folder(folder.path(), killed.path());
    erase(killed.path(), begin + 8192);

    let store = open_synced(killed.path()).unwrap();
    let left = contents(&durable(&store, "promised"));
    assert_eq!(left, [(0, b"settled".to_vec()), (1, b"kept".to_vec())]);
}

#[test]
fn damage_before_the_last_commit_is_refused_and_nothing_is_cut_off() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let begin = journal_end(folder.path());
    wait(&store, append(&store, &queue, &[&[b'x'; 50_000]]));
    wait(&store, append(&store, &queue, &[b"last"]));
    copy_folder(folder.path(), killed.path());
    erase(killed.path(), begin + 8192);
    let before = std::fs::read(killed.path().join("0.jnl")).unwrap();

    let error = open_synced(killed.path()).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }));
    let after = std::fs::read(killed.path().join("0.jnl")).unwrap();
    assert!(before == after, "the journal has changed");
}

fn open_synced(path: &Path) -> Result<Store, StoreError> {
    Store::open(StoreConfig {
        durability: Durability::Sync,
        ..config(path)
    })
}

/// Makes zeros of a piece of the journal, as a page that did not reach the disk.
fn erase(folder: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let journal = std::fs::File::options()
        .write(true)
        .open(folder.join("0.jnl"));
    journal.unwrap().write_all_at(&[0; 4096], at).unwrap();
}

/// Where the journal's last byte is; behind it the file is zeros.
fn journal_end(folder: &Path) -> u64 {
    let journal = std::fs::read(folder.join("0.jnl")).unwrap();
    journal.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}
