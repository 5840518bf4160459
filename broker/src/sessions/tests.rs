//! What sessions outlive.

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::{Duration, timeout},
};

use super::*;
use crate::{
    clock::ahead,
    codec::Version::V5,
    compat::Compat,
    fuzzing::{self, wire},
    limits::Limits,
    model_tests::Open,
    store,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// In milliseconds since the Unix epoch: a machine that has just learned that it is 1970, and now.
const NEVER_SET: u64 = 5_000;
const SET: u64 = 1_800_000_000_000;

/// A broker on what `folder` holds.
fn open(folder: &TempDir) -> Arc<Core> {
    let store = store::tests::open(folder.path());
    let core = Core::open(Limits::default(), Arc::new(Open), store).unwrap();
    core.note_alive();
    Arc::new(core)
}

/// Connects to a session that lasts for an hour, and leaves; whether it was there already.
async fn visited(core: &Arc<Core>) -> bool {
    let connect = wire::Connect {
        version: V5,
        client_id: "device",
        clean_start: false,
        keep_alive: 0,
        will: None,
        properties: wire::property(0x11, &3_600_u32.to_be_bytes()),
    };
    let (mut client, server) = duplex(64 * 1024);
    let talk = async {
        client.write_all(&connect.encode()).await.unwrap();
        let mut connack = [0; 4];
        client.read_exact(&mut connack).await.unwrap();
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:?}");
        drop(client);
        connack[2] == 1
    };
    let served = fuzzing::serve(server, Compat::None, Arc::clone(core));
    let both = async { tokio::join!(served, talk).1 };
    timeout(DEADLINE, both).await.expect("the connection ends")
}

#[tokio::test]
async fn a_clock_that_is_set_ends_no_session() {
    let folder = tempfile::tempdir().unwrap();
    ahead::set_wall(NEVER_SET);
    let core = open(&folder);
    assert!(!visited(&core).await);
    ahead::set_wall(SET);
    visit_due(&core).await;
    assert!(visited(&core).await);
    core.store.clone().close().unwrap();
    drop(core);

    // Nor does one that is set between two runs, or is not set yet in the second of them.
    for wall in [SET, NEVER_SET, SET] {
        ahead::set_wall(wall);
        let core = open(&folder);
        assert!(visited(&core).await, "at {wall}");
        core.store.clone().close().unwrap();
    }
}

#[tokio::test]
async fn a_session_ends_in_its_time_whether_anybody_runs_or_not() {
    const LONGER: Duration = Duration::from_secs(3_700);
    let folder = tempfile::tempdir().unwrap();
    let core = open(&folder);
    assert!(!visited(&core).await);
    ahead::pass(LONGER);
    visit_due(&core).await;
    assert!(!visited(&core).await);
    core.note_alive();
    core.store.clone().close().unwrap();
    drop(core);
    ahead::pass(LONGER);
    assert!(!visited(&open(&folder)).await);
}
