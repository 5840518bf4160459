//! The file upstream: lines, rotation, and what is left by crashes, full disks and others.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use perennial_connectors::Upstream;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    all_delivered, batch, build_upstream, lines_in, payloads_in, record, upstream_problems,
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn active(&self) -> PathBuf {
        self.path().join("records.ndjson")
    }

    fn upstream(&self, more: Value) -> Box<dyn Upstream> {
        let mut settings = more;
        settings["path"] = json!(self.path());
        build_upstream("file", settings)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

async fn deliver(upstream: &dyn Upstream, payloads: &[&str]) {
    let outcomes = upstream.send(&batch("archive", payloads)).await.unwrap();
    assert!(all_delivered(&outcomes, payloads.len()), "{outcomes:?}");
}

#[tokio::test]
async fn a_line_says_when_and_where_a_record_came_from_and_where_it_goes() {
    let folder = Folder::new();
    let upstream = folder.upstream(json!({}));
    let mut sent = batch("archive \"1\"", ["21.5"]);
    sent.records[0].topic = "sensors/é\t1".into();
    sent.records.push(record(b"\xff\xfe"));
    sent.records[1].id = "".into();
    upstream.send(&sent).await.unwrap();
    assert_eq!(
        fs::read_to_string(folder.active()).unwrap(),
        concat!(
            r#"{"time":"2026-11-20T10:15:30.123Z","topic":"sensors/é\t1","client_id":"pump","#,
            r#""destination":"archive \"1\"","id":"request123","payload":"21.5"}"#,
            "\n",
            r#"{"time":"2026-11-20T10:15:30.123Z","topic":"kinesisfirehose/message","client_id":"pump","#,
            r#""destination":"archive \"1\"","payload_base64":"//4="}"#,
            "\n",
        )
    );
}

#[tokio::test]
async fn files_rotate_by_size_and_a_batch_stays_in_one() {
    let folder = Folder::new();
    let upstream = folder.upstream(json!({"rotate_size": 4_096}));
    let long = "x".repeat(1_000);
    for _ in 0..5 {
        deliver(&*upstream, &[&long, &long]).await;
    }
    deliver(&*upstream, &[long.as_str(); 10]).await;
    deliver(&*upstream, &["last"]).await;
    assert_eq!(
        folder.names(),
        [
            "records-00000001.ndjson",
            "records-00000002.ndjson",
            "records-00000003.ndjson",
            "records-00000004.ndjson",
            "records-00000005.ndjson",
            "records-00000006.ndjson",
            "records.ndjson",
        ]
    );
    assert_eq!(lines_in(folder.path()).len(), 21);
    assert_eq!(payloads_in(folder.path()).last().unwrap(), "last");
}

#[tokio::test]
async fn rotated_files_are_numbered_on_after_a_restart() {
    let folder = Folder::new();
    let long = "x".repeat(5_000);
    for _ in 0..3 {
        deliver(&*folder.upstream(json!({"rotate_size": 4_096})), &[&long]).await;
    }
    assert_eq!(
        folder.names(),
        [
            "records-00000001.ndjson",
            "records-00000002.ndjson",
            "records.ndjson"
        ]
    );
}

#[tokio::test]
async fn the_oldest_rotated_files_go_when_a_number_is_to_be_kept() {
    let folder = Folder::new();
    fs::write(folder.path().join("records-7.ndjson"), "not ours\n").unwrap();
    let upstream = folder.upstream(json!({"rotate_size": 4_096, "keep": 2}));
    let long = "x".repeat(5_000);
    for _ in 0..6 {
        deliver(&*upstream, &[&long]).await;
    }
    assert_eq!(
        folder.names(),
        [
            "records-00000004.ndjson",
            "records-00000005.ndjson",
            "records-7.ndjson",
            "records.ndjson"
        ]
    );
}

#[tokio::test]
async fn a_line_that_a_crash_has_torn_is_removed_before_the_next_is_written() {
    for (left, kept) in [
        ("{\"payload\":\"one\"}\n{\"payl".to_owned(), 1),
        ("{\"payload\":\"one\"}\n".to_owned(), 1),
        ("{\"payl".to_owned(), 0),
        (String::new(), 0),
        (
            format!("{{\"payload\":\"one\"}}\n{}", "x".repeat(200_000)),
            1,
        ),
        (
            format!(
                "{}\n{}",
                json!({"payload": "y".repeat(70_000)}),
                "x".repeat(65_536)
            ),
            1,
        ),
        ("x".repeat(200_000), 0),
    ] {
        let folder = Folder::new();
        fs::write(folder.active(), &left).unwrap();
        deliver(&*folder.upstream(json!({})), &["next"]).await;
        let payloads = payloads_in(folder.path());
        assert_eq!(payloads.len(), kept + 1, "{} bytes were left", left.len());
        assert_eq!(payloads[kept], "next");
    }
}

#[tokio::test]
async fn a_file_that_is_moved_or_deleted_by_others_is_begun_anew() {
    let folder = Folder::new();
    let upstream = folder.upstream(json!({}));
    deliver(&*upstream, &["one"]).await;
    fs::rename(
        folder.active(),
        folder.path().join("records-00000001.ndjson"),
    )
    .unwrap();
    deliver(&*upstream, &["two"]).await;
    fs::remove_file(folder.active()).unwrap();
    deliver(&*upstream, &["three"]).await;
    assert_eq!(payloads_in(folder.path()), ["one", "three"]);
}

#[tokio::test]
async fn a_file_that_others_write_to_is_continued_on_a_new_line() {
    let folder = Folder::new();
    let upstream = folder.upstream(json!({}));
    deliver(&*upstream, &["one"]).await;
    let lines = fs::read_to_string(folder.active()).unwrap();
    fs::write(folder.active(), format!("{lines}{lines}{{\"torn")).unwrap();
    deliver(&*upstream, &["two"]).await;
    fs::write(folder.active(), "").unwrap();
    deliver(&*upstream, &["three"]).await;
    assert_eq!(payloads_in(folder.path()), ["three"]);
}

#[tokio::test]
async fn a_directory_has_one_writer_at_a_time() {
    let folder = Folder::new();
    let first = folder.upstream(json!({}));
    let second = folder.upstream(json!({}));
    deliver(&*first, &["one"]).await;
    let error = second.send(&batch("archive", ["two"])).await.unwrap_err();
    assert_eq!(error.code, "ResourceBusy");
    assert!(
        error.message.contains("give each its own `path`"),
        "{error}"
    );
    drop(first);
    deliver(&*second, &["two"]).await;
    assert_eq!(payloads_in(folder.path()), ["one", "two"]);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_writing_goes_on_when_there_is_room() {
    let folder = Folder::new();
    symlink("/dev/full", folder.active()).unwrap();
    let upstream = folder.upstream(json!({}));
    let error = upstream
        .send(&batch("archive", ["lost"]))
        .await
        .unwrap_err();
    assert_eq!(error.code, "StorageFull");
    assert!(error.message.contains("records.ndjson"), "{error}");
    fs::remove_file(folder.active()).unwrap();
    deliver(&*upstream, &["next"]).await;
    assert_eq!(payloads_in(folder.path()), ["next"]);
}

/// Set in the process whose files may not grow beyond 8 KiB.
const SMALL_FILES: &str = "PERENNIAL_TEST_SMALL_FILES";

#[test]
fn what_was_written_of_a_batch_that_did_not_fit_is_removed() {
    let folder = Folder::new();
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "file_upstream::in_a_process_with_small_files",
            "--ignored",
        ])
        .env(SMALL_FILES, folder.path())
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && report.contains("1 passed"),
        "{report}"
    );
    assert_eq!(payloads_in(folder.path()), ["one", "two"]);
}

#[tokio::test]
#[ignore = "run by the test above in a process of its own"]
async fn in_a_process_with_small_files() {
    let path = std::env::var_os(SMALL_FILES).expect("the directory to write to");
    let path = PathBuf::from(path);
    let upstream = build_upstream("file", json!({"path": path}));
    deliver(&*upstream, &["one"]).await;
    let before = fs::read(path.join("records.ndjson")).unwrap();
    let line = "x".repeat(1_000);
    let error = upstream
        .send(&batch("archive", vec![&line; 10]))
        .await
        .unwrap_err();
    assert_eq!(error.code, "FileTooLarge", "{error}");
    assert_eq!(fs::read(path.join("records.ndjson")).unwrap(), before);
    deliver(&*upstream, &["two"]).await;
}

#[test]
fn every_wrong_parameter_is_reported() {
    assert_eq!(
        upstream_problems("file", json!({"rotate_size": 1, "keep": 0})),
        [
            "rotate_size: 1 is not a number in 4096..=1099511627776",
            "keep: 0 is not a number in 1..=1000000",
            "path is needed: path = \"records\"",
        ]
    );
}
