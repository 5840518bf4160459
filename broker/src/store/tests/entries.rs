//! Entries: what was put is there, what was submitted last counts, and kills change nothing.

use super::*;

fn put(store: &Store, key: &[u8], value: &[u8]) -> Ticket {
    let mut transaction = store.transaction();
    transaction.put(key, value);
    store.submit(transaction).unwrap()
}

/// The entries whose keys begin with `prefix`.
fn entries(store: &Store, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    store
        .entries(prefix, |key, value| {
            found.push((key.to_vec(), value.to_vec()))
        })
        .unwrap();
    found
}

fn keys(store: &Store, prefix: &[u8]) -> Vec<String> {
    let found = entries(store, prefix).into_iter();
    found
        .map(|(key, _)| String::from_utf8(key).unwrap())
        .collect()
}

#[test]
fn entries_come_in_the_order_of_their_keys_by_prefix_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut transaction = store.transaction();
    assert!(transaction.is_empty());
    for key in ["s/b", "r/2", "s/a", "s", "", "r/10", "t"] {
        transaction.put(key.as_bytes(), key.as_bytes());
    }
    assert!(!transaction.is_empty());
    wait(&store, store.submit(transaction).unwrap());
    assert_eq!(keys(&store, b"s/"), ["s/a", "s/b"]);
    store.close().unwrap();

    let store = open(folder.path());
    assert_eq!(
        keys(&store, b""),
        ["", "r/10", "r/2", "s", "s/a", "s/b", "t"]
    );
    assert_eq!(keys(&store, b"s"), ["s", "s/a", "s/b"]);
    assert_eq!(keys(&store, b"x"), [""; 0]);
    assert!(entries(&store, b"").iter().all(|(key, value)| key == value));
}

#[test]
fn what_is_done_to_a_key_last_counts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut transaction = store.transaction();
    transaction.put(b"a", b"1");
    transaction.put_lazily(b"a", b"2");
    transaction.put(b"b", b"1");
    transaction.delete(b"b");
    transaction.delete_lazily(b"c");
    transaction.put(b"c", b"1");
    store.submit(transaction).unwrap();
    // These gather while others are written.
    let mut last = Ticket::DONE;
    for round in 0..1000u32 {
        last = put(&store, b"d", &round.to_be_bytes());
        let mut transaction = store.transaction();
        transaction.delete(b"e");
        last = last.max(store.submit(transaction).unwrap());
        last = last.max(put(&store, b"e", b"e"));
    }
    wait(&store, last);
    let expected: [(&[u8], &[u8]); 4] = [
        (b"a", b"2"),
        (b"c", b"1"),
        (b"d", &999u32.to_be_bytes()),
        (b"e", b"e"),
    ];
    let expected = expected.map(|(key, value)| (key.to_vec(), value.to_vec()));
    assert_eq!(entries(&store, b""), expected);
}

#[test]
fn entries_survive_a_kill_together_with_the_records_of_their_transaction() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(folder.path());
    let queue = durable(&store, "q");
    wait(&store, put(&store, b"large", &[1; 1_000_000]));
    let before = journal_end(folder.path());
    let mut transaction = store.transaction();
    transaction.delete(b"large");
    transaction.put_lazily(b"small", b"");
    transaction
        .append(&queue, |buffer| buffer.extend_from_slice(b"record"))
        .unwrap();
    wait(&store, store.submit(transaction).unwrap());
    let after = journal_end(folder.path());
    for (cut, is_there) in [(before + 1, false), (after - 1, false), (after, true)] {
        let killed = killed.path().join(cut.to_string());
        copy_folder(folder.path(), &killed);
        let journal = std::fs::File::options()
            .write(true)
            .open(killed.join("0.jnl"));
        journal.unwrap().set_len(cut).unwrap();
        let store = open(&killed);
        assert_eq!(contents(&durable(&store, "q")).len(), usize::from(is_there));
        let expected = if is_there { "small" } else { "large" };
        assert_eq!(keys(&store, b""), [expected]);
    }
    assert_eq!(entries(&store, b""), [(b"small".to_vec(), vec![])]);
}

#[test]
fn many_entries_written_again_and_again_are_what_they_were_last() {
    const KEYS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let little_memory = StoreConfig {
        memory: 200_000,
        ..config(folder.path())
    };
    let store = Store::open(little_memory.clone()).unwrap();
    for round in 0..30u8 {
        let mut transaction = store.transaction();
        for key in 0..KEYS {
            transaction.put(format!("{key:03}").as_bytes(), &vec![round; 10 + key * 10]);
        }
        wait(&store, store.submit(transaction).unwrap());
    }
    let expected: Vec<_> = (0..KEYS)
        .map(|key| (format!("{key:03}").into_bytes(), vec![29; 10 + key * 10]))
        .collect();
    assert_eq!(entries(&store, b""), expected);
    store.close().unwrap();
    let store = Store::open(little_memory).unwrap();
    assert_eq!(entries(&store, b""), expected);
}

#[test]
fn only_what_is_not_lazy_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig {
        durability: Durability::Sync,
        ..config(folder.path())
    })
    .unwrap();
    let synced = || store.core().disk.synced.load(Ordering::SeqCst);
    let commit = |change: &dyn Fn(&mut Transaction)| {
        let before = synced();
        let mut transaction = store.transaction();
        change(&mut transaction);
        wait(&store, store.submit(transaction).unwrap());
        synced() - before
    };
    assert_eq!(commit(&|it| it.put_lazily(b"k", b"v")), 0);
    assert_eq!(commit(&|it| it.delete_lazily(b"k")), 0);
    assert_eq!(commit(&|it| it.put(b"k", b"v")), 1);
    assert_eq!(commit(&|it| it.delete(b"k")), 1);
    let both = |it: &mut Transaction| {
        it.put(b"k", b"v");
        it.put_lazily(b"k", b"v");
    };
    assert_eq!(commit(&both), 1);
}

#[test]
fn entries_count_as_waiting_until_they_are_committed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut transaction = store.transaction();
    transaction.put(b"k", &vec![1; CONGESTED]);
    let ticket = {
        let mut pending = lock(&store.core().pending);
        let submitted = pending.submit(&mut transaction).unwrap();
        let waiting = &store.core().pending_bytes;
        waiting.fetch_add(submitted.bytes, Ordering::Relaxed);
        assert!(store.is_congested());
        store.core().wake(pending);
        submitted.ticket
    };
    wait(&store, ticket);
    assert_eq!(store.core().pending_bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn the_longest_key_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = vec![b'k'; Transaction::LONGEST_KEY];
    wait(&store, put(&store, &key, b"v"));
    assert_eq!(entries(&store, &key), [(key, b"v".to_vec())]);
}

#[test]
fn a_longer_key_harms_nobody_but_its_caller() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let key = vec![b'k'; Transaction::LONGEST_KEY + 1];
    let mut transaction = store.transaction();
    let caller = std::panic::AssertUnwindSafe(|| transaction.put(&key, b"v"));
    assert!(std::panic::catch_unwind(caller).is_err());
    wait(&store, put(&store, b"k", b"v"));
    assert_eq!(keys(&store, b""), ["k"]);
}

#[test]
fn a_queue_removed_by_a_transaction_goes_with_all_that_the_transaction_brings() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (gone, kept) = (durable(&store, "gone"), durable(&store, "kept"));
    wait(&store, append(&store, &gone, &[b"a"]));
    let mut transaction = store.transaction();
    for queue in [&gone, &kept] {
        transaction.append(queue, |buffer| buffer.push(1)).unwrap();
    }
    transaction.put(b"k", b"v");
    transaction.remove(&gone);
    // Once more is once.
    transaction.remove(&gone);
    wait(&store, store.submit(transaction).unwrap());
    assert_eq!(store.core().pending_bytes.load(Ordering::Relaxed), 0);
    assert_eq!(contents(&durable(&store, "gone")), []);
    assert_eq!(contents(&kept).len(), 1);
    store.close().unwrap();
    drop((gone, kept));

    let store = open(folder.path());
    let mut names = store.queue_names();
    names.sort();
    assert_eq!(names, ["gone", "kept"]);
    assert_eq!(contents(&durable(&store, "gone")), []);
    assert_eq!(keys(&store, b""), ["k"]);
}
