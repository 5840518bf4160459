use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::reminder::INTERVAL;

const SECOND: Duration = Duration::from_secs(1);

fn config(folder: &TempDir, max_size: u64, files: usize) -> AuditConfig {
    AuditConfig {
        path: folder.path().join("audit.jsonl"),
        max_size,
        files,
    }
}

fn refused<'a>(client: &'a str, resource: &'a str, reason: Why) -> Refused<'a> {
    Refused {
        action: Action::Publish,
        resource,
        client,
        principal: &"user:tester",
        thing: Some("thing-1"),
        peer: Peer::Ip(SocketAddr::from(([192, 168, 1, 7], 1234))),
        reason,
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn counts(lines: &[Line]) -> Vec<u64> {
    lines.iter().map(|line| line.count).collect()
}

#[test]
fn a_client_is_written_about_at_once_and_then_once_per_interval_with_how_often() {
    let start = Instant::now();
    let mut recent = Recent::default();
    let publish = refused("a", "t/1", Why::Policy);
    assert_eq!(recent.count(&publish, 1, start).unwrap().count, 1);
    for _ in 0..5 {
        assert!(recent.count(&publish, 2, start + SECOND).is_none());
    }
    assert!(
        recent
            .count(&refused("b", "t/1", Why::Policy), 2, start)
            .is_some()
    );
    assert!(
        recent
            .count(&refused("a", "t/1", Why::DisabledThing), 2, start)
            .is_some()
    );
    assert!(recent.due(false, 3, start + INTERVAL - SECOND).is_empty());
    assert_eq!(counts(&recent.due(false, 3, start + INTERVAL)), [5]);
    // The next interval is under way.
    assert!(recent.count(&publish, 4, start + INTERVAL).is_none());
    assert_eq!(counts(&recent.due(false, 5, start + INTERVAL * 2)), [1]);
    // And one without a refusal ends it.
    assert!(recent.due(false, 6, start + INTERVAL * 3).is_empty());
    assert!(recent.count(&publish, 7, start + INTERVAL * 3).is_some());
}

#[test]
fn clients_beyond_the_bound_are_counted_together_and_make_room_when_their_interval_is_over() {
    let start = Instant::now();
    let mut recent = Recent::default();
    let count = |recent: &mut Recent, from: usize, to: usize, now| {
        let clients = (from..to).map(|number| number.to_string());
        clients
            .filter_map(|client| recent.count(&refused(&client, "t", Why::Policy), 0, now))
            .count()
    };
    assert_eq!(count(&mut recent, 0, 5_000, start), 4_096);
    assert_eq!(counts(&recent.due(false, 0, start)), [904]);
    assert!(recent.due(false, 0, start + INTERVAL).is_empty());
    assert_eq!(count(&mut recent, 5_000, 5_010, start + INTERVAL), 10);
}

#[tokio::test]
async fn a_line_says_who_was_refused_what_and_why() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 1 << 20, 3);
    let audit = Audit::start(config.clone());
    audit.refused(&refused("dev\n\"1", &"x".repeat(60_000), Why::Policy));
    audit.refused(&refused("dev\n\"1", "again", Why::Policy));
    audit.stop().await;

    let mut lines = lines(&config.path);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let again = lines.pop().unwrap();
    assert_eq!(
        (&again["resource"], &again["count"]),
        (&"again".into(), &1.into())
    );
    let mut line = lines.pop().unwrap();
    let time = line["time"].take();
    humantime::parse_rfc3339(time.as_str().unwrap()).unwrap();
    let expected = serde_json::json!({
        "time": null,
        "event": "refused",
        "action": "Publish",
        "resource": format!("{}...", "x".repeat(256)),
        "client": "dev\n\"1",
        "principal": "user:tester",
        "thing": "thing-1",
        "peer": "192.168.1.7:1234",
        "reason": "policy",
        "count": 1,
    });
    assert_eq!(line, expected);
    let mode = fs::metadata(&config.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn files_take_no_more_than_was_said_and_keep_the_latest_lines() {
    let folder = TempDir::new().unwrap();
    for (files, expected) in [(0, 1), (1, 2), (3, 4)] {
        let config = config(&folder, 4 << 10, files);
        let file = LogFile::new(config.clone());
        for number in 0..100 {
            let client = number.to_string();
            let line = || Line::refused(&refused(&client, "t", Why::Policy), 0);
            let (written, result) = file.append(&[line(), line()]);
            result.unwrap();
            assert_eq!(written, 2);
        }
        let found: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(found.len(), expected);
        for entry in found {
            let entry = entry.unwrap();
            assert!(entry.metadata().unwrap().len() <= 4 << 10);
            assert!(!lines(&entry.path()).is_empty());
        }
        let last = lines(&config.path).pop().unwrap();
        assert_eq!(last["client"], "99");
        for entry in fs::read_dir(folder.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_line_that_was_cut_short_takes_no_other_with_it() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 4 << 10, 3);
    let file = LogFile::new(config.clone());
    let line = || Line::refused(&refused("a", "t", Why::Policy), 0);
    file.append(&[line()]).1.unwrap();
    let whole = fs::read_to_string(&config.path).unwrap();
    fs::write(&config.path, &whole[..whole.len() / 2]).unwrap();
    file.append(&[line()]).1.unwrap();
    file.append(&[line()]).1.unwrap();
    let half = &whole[..whole.len() / 2];
    let expected = format!("{half}\n{whole}{whole}");
    assert_eq!(fs::read_to_string(&config.path).unwrap(), expected);
}

#[tokio::test]
async fn a_flood_costs_lines_that_are_counted_and_the_counts_are_right() {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, 1 << 20, 0);
    let audit = Audit::start(config.clone());
    // The writer has no turn before the last of them.
    for number in 0..3_000 {
        audit.refused(&refused(&number.to_string(), "t", Why::Policy));
    }
    let lost = audit.lost();
    assert_eq!(lost, 3_000 - WAITING as u64);
    audit.stop().await;

    let lines = lines(&config.path);
    let told: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "lost")
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["count"], lost);
    assert_eq!(lines.len(), WAITING + 1);
    let counted: Vec<_> = audit.counts().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(counted, [("Publish", "policy", 3_000)]);
}

#[tokio::test]
async fn a_full_disk_loses_lines_and_nothing_else() {
    let audit = Audit::start(AuditConfig {
        path: "/dev/full".into(),
        max_size: 1 << 20,
        files: 3,
    });
    audit.refused(&refused("a", "t", Why::Policy));
    audit.refused(&refused("b", "t", Why::Policy));
    audit.stop().await;
    assert_eq!(audit.lost(), 2);
    assert!(Path::new("/dev/full").exists());
}

#[test]
fn every_action_and_reason_has_a_count_of_its_own() {
    for (at, reason) in Why::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, at);
    }
    for (at, action) in Action::ALL.into_iter().enumerate() {
        assert_eq!(action as usize, at);
    }
}
