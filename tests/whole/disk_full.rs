//! The disk is full: nothing more is acknowledged, and nothing acknowledged is lost.

use std::{
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::support::{
    firehose::Firehose,
    gateway::Gateway,
    numbered::{Publishers, Tally, wait_for_all},
    version::Version::{self, V5, V311},
    wait::{PATIENCE, wait_for},
    wire::{self, Wire},
};

/// A file system of its own size.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one on `folder`; why not, where the machine does not allow it.
    fn mount(folder: &Path, size: &str) -> Result<Self, String> {
        let disk = Self(folder.to_owned());
        disk.tell(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"],
        )?;
        Ok(disk)
    }

    /// Gives it another size; what is on it stays.
    fn resize(&self, size: &str) {
        self.tell("mount", &["-o", &format!("remount,size={size}")])
            .expect("mounted once");
    }

    fn tell(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let output = Command::new(program).args(arguments).arg(&self.0).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(())
        } else {
            Err(words)
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since what failed may still hold files.
        self.tell("umount", &["-l"]).ok();
    }
}

#[test]
fn a_full_disk_stops_acknowledgements_and_whatever_was_acknowledged_is_delivered_later() {
    let mut firehose = Firehose::start();
    let mut gateway = Gateway::prepare(0, &firehose.plain_connector("disk/#", "kept"));
    let disk = match SmallDisk::mount(&gateway.data_dir(), "8m") {
        Ok(disk) => disk,
        Err(reason) => {
            println!("skipped, this machine mounts nothing: {reason}");
            return;
        }
    };
    // Nothing leaves, so that the disk fills.
    firehose.stop();
    gateway.restart();
    let address = gateway.address();

    let publishers = Publishers::new(4, "disk", 4096);
    publishers.run(address, || {
        wait_for(
            Duration::from_secs(60),
            "the log says that the disk is full",
            || gateway.stderr().contains("No space left on device"),
        );
        assert!(
            publishers.total() > 100,
            "the disk was full from the beginning"
        );
        // From here on the gateway takes nobody, for as long as it lives. Publishers go on
        // meanwhile: what they were acknowledged wrongly would be missing in the end.
        wait_for(PATIENCE, "clients are refused", || {
            !accepts(address, V311, 3)
        });
        wait_for(PATIENCE, "the gateway ends", || {
            assert!(!accepts(address, V311, 3) && !accepts(address, V5, 0x88));
            gateway.has_ended()
        });
        publishers.stop();
    });
    let stderr = gateway.stderr();
    let (status, acknowledged) = (gateway.wait_for_end(), publishers.acknowledged());
    assert_eq!(status.code(), Some(1));
    let advice = stderr.to_lowercase();
    assert!(
        advice.contains("space") && advice.contains("start again"),
        "{stderr}"
    );

    disk.resize("256m");
    firehose.restart();
    gateway.restart();
    let tally = wait_for_all(&acknowledged, || {
        Tally::of(firehose.records("kept").iter().map(|record| &record[..]))
    });
    println!("{acknowledged:?} acknowledged, {} repeated", tally.repeated);
}

/// Whether the gateway takes a new client; one that it answers but does not take is refused
/// with `code`.
fn accepts(address: SocketAddr, version: Version, code: u8) -> bool {
    let Ok(stream) = TcpStream::connect(address) else {
        return false;
    };
    let mut wire = Wire::over(stream);
    wire.send(&wire::connect(version, "new"));
    let Some(answer) = wire.receive() else {
        return false;
    };
    assert_eq!(
        (answer.first, &answer.body[..1]),
        (0x20, &[0][..]),
        "{answer:?}"
    );
    if answer.body[1] != 0 {
        assert_eq!(answer.body[1], code, "{answer:?}");
    }
    answer.body[1] == 0
}
