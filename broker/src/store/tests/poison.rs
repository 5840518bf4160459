//! After a failed write nothing is taken, and nobody is told that it was durable.

use super::*;

#[test]
fn a_failed_write_poisons_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let mut view = store.durable();
    let good = append(&store, &queue, &[b"a"]);
    wait(&store, good);
    assert!(!store.is_poisoned());

    fail_writes(&store);
    let lost = append(&store, &queue, &[b"b"]);
    block_on(async {
        assert!(matches!(
            view.reached(lost).await,
            Err(StoreError::Poisoned)
        ));
        assert!(matches!(view.changed().await, Err(StoreError::Poisoned)));
        view.reached(good).await.unwrap();
    });
    assert!(store.is_poisoned());
    assert!(!store.durable().has_reached(lost));

    let mut transaction = store.transaction();
    let held = queue.records();
    transaction.append(&queue, |buffer| buffer.push(1)).unwrap();
    let refused = store.submit(transaction);
    assert!(matches!(refused, Err(StoreError::Poisoned)));
    assert_eq!(queue.records(), held);
    let nothing = store.submit(store.transaction());
    assert!(matches!(nothing, Err(StoreError::Poisoned)));
    let created = store.queue("new", QueueKind::Durable, UNLIMITED);
    assert!(matches!(created, Err(StoreError::Poisoned)));
    assert!(matches!(store.remove(&queue), Err(StoreError::Poisoned)));
    assert!(matches!(store.close(), Err(StoreError::Poisoned)));
    drop(queue);

    let queue = durable(&open(folder.path()), "q");
    assert_eq!(contents(&queue), [(0, b"a".to_vec())]);
}

#[test]
fn a_waiting_reader_hears_of_the_poison() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let queue = durable(&store, "q");
    let mut reader = queue.reader();
    block_on(async {
        let mut next = std::pin::pin!(reader.next());
        let early = tokio::time::timeout(Duration::from_millis(1), next.as_mut()).await;
        assert!(early.is_err());
        fail_writes(&store);
        append(&store, &queue, &[b"a"]);
        assert!(matches!(next.await, Err(StoreError::Poisoned)));
    });
}

#[test]
fn a_failed_sync_between_commits_poisons_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(StoreConfig {
        durability: Durability::Interval(Duration::from_millis(1)),
        ..config(folder.path())
    })
    .unwrap();
    let queue = durable(&store, "q");
    let mut view = store.durable();
    store
        .core()
        .disk
        .failing
        .syncs
        .store(true, Ordering::SeqCst);
    let ticket = append(&store, &queue, &[b"a"]);
    block_on(async {
        view.reached(ticket).await.unwrap();
        // The commit itself may not have been seen yet.
        let end = loop {
            if let Err(end) = view.changed().await {
                break end;
            }
        };
        assert!(matches!(end, StoreError::Poisoned));
    });
}

/// Needs the right to mount; where that is missing there is nothing to see.
#[test]
fn a_full_disk_poisons_the_store_and_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = SmallDisk::mount(folder.path()) else {
        return;
    };
    let path = folder.path().join("store");
    let store = Store::open(StoreConfig {
        durability: Durability::Sync,
        ..config(&path)
    })
    .unwrap();
    let queue = durable(&store, "q");
    let record = vec![7; 100_000];
    let mut acknowledged = 0;
    let error = loop {
        let mut transaction = store.transaction();
        transaction
            .append(&queue, |buffer| buffer.extend_from_slice(&record))
            .unwrap();
        let durable = async {
            let ticket = store.submit(transaction)?;
            store.durable().reached(ticket).await
        };
        match block_on(durable) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "the disk does not get full");
    };
    assert!(matches!(error, StoreError::Poisoned));
    assert!(acknowledged > 10);
    drop((store, queue));

    // Room is made, and the store is opened again.
    std::fs::remove_file(folder.path().join("ballast")).unwrap();
    let store = open(&path);
    let queue = durable(&store, "q");
    let records = contents(&queue);
    assert!(records.len() >= acknowledged);
    assert!(records.iter().all(|(_, read)| *read == record));
    wait(&store, append(&store, &queue, &[b"next"]));
}

/// A file system of 24 MiB, half of it taken by a file that can be removed.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<SmallDisk> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(path)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            return None;
        }
        let disk = SmallDisk(path.to_owned());
        std::fs::write(path.join("ballast"), vec![1; 12 << 20]).unwrap();
        Some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}
