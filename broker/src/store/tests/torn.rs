//! A power cut in the middle of a write: what was promised is there, and the rest may be.

use super::*;

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

#[test]
fn lazy_entries_may_be_torn_and_the_promises_before_them_stay() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open_synced(folder.path()).unwrap();
    let put = |key: &[u8], value: &[u8], lazily: bool| {
        let mut transaction = store.transaction();
        if lazily {
            transaction.put_lazily(key, value);
        } else {
            transaction.put(key, value);
        }
        wait(&store, store.submit(transaction).unwrap());
    };
    put(b"promised", b"1", false);
    let begin = journal_end(folder.path());
    // Keys as long as those that make a promise.
    put(b"p", &[b'x'; 50_000], true);
    put(b"promised", b"2", true);
    put(&[0; 12], &[b'y'; 50_000], true);
    put(&[0; 11], b"z", true);
    copy_folder(folder.path(), killed.path());
    erase(killed.path(), begin + 8192);

    let store = open_synced(killed.path()).unwrap();
    let mut found = Vec::new();
    store
        .entries(b"", |key, value| found.push((key.to_vec(), value.to_vec())))
        .unwrap();
    assert_eq!(found, [(b"promised".to_vec(), b"1".to_vec())]);
}

#[test]
fn promised_entries_and_removals_are_never_cut_off_for_damage_before_them() {
    type Promise = fn(&mut Transaction, &Queue);
    let promises: [Promise; 3] = [
        |transaction, _| transaction.put(b"k", b""),
        |transaction, _| transaction.delete(b"k"),
        |transaction, queue| transaction.remove(queue),
    ];
    for promise in promises {
        let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open_synced(folder.path()).unwrap();
        let queue = durable(&store, "q");
        wait(&store, append(&store, &queue, &[b"a"]));
        let begin = journal_end(folder.path());
        let lazy = |store: &Store| {
            let mut transaction = store.transaction();
            transaction.put_lazily(b"lazy", &[b'x'; 50_000]);
            wait(store, store.submit(transaction).unwrap());
        };
        lazy(&store);
        let mut transaction = store.transaction();
        promise(&mut transaction, &queue);
        wait(&store, store.submit(transaction).unwrap());
        lazy(&store);
        copy_folder(folder.path(), killed.path());
        erase(killed.path(), begin + 8192);

        let error = open_synced(killed.path()).unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
    }
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
