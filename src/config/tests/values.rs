//! What is wrong with keys, values and the text as a whole.

use super::*;

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    assert_eq!(
        problems("[[listener]]\naddress = \"127.0.0.1:1\"\n  insecrue = true\n"),
        "p.toml:3:3: unknown key `insecrue`; did you mean `insecure`?"
    );
    assert_eq!(
        problems("[store]\nspeed = 1\n"),
        "p.toml:2:1: unknown key `speed`; there are: `durability`, `memory`, `sync_interval`"
    );
    assert_eq!(
        problems(&format!("{CONNECTORS}keep_files = 3\n{ARCHIVE_RULE}")),
        "p.toml:18:1: unknown key `keep_files`; there are: `keep`, `path`, `rotate_size`"
    );
}

#[test]
fn a_wrong_type_is_answered_with_the_right_one() {
    for (text, told) in [
        ("data_dir = 5", "1:12: `data_dir` takes a path, found 5"),
        (
            "data_dir = \"\"",
            "1:12: `data_dir` takes a path, found the text \"\"",
        ),
        (
            "limits = \"many\"",
            "1:10: `limits` takes a table, written under [limits], found the text \"many\"",
        ),
        (
            "[listener]\naddress = \"127.0.0.1:1883\"",
            "1:1: `listener` takes tables, each written under [[listener]], found a table",
        ),
        (
            "listener = [\"127.0.0.1:1883\"]",
            "1:13: `listener` takes tables, each written under [[listener]], \
             found the text \"127.0.0.1:1883\"",
        ),
        (
            "[limits]\nmax_connections = \"ten\"",
            "2:19: `max_connections` takes a whole number from 1 to 1000000, found the text \"ten\"",
        ),
        (
            "[limits]\nconnect_timeout = 2026-11-20",
            "2:19: `connect_timeout` takes a time from 100ms to 10m, such as \"250ms\" or \"2m\", \
             found the date or time 2026-11-20",
        ),
        (
            "[limits]\nmax_packet_size = [1]",
            "2:19: `max_packet_size` takes a size from 1KiB to 256MiB, such as \"64MiB\", found a list",
        ),
        (
            "[limits]\nsession_queue_full = \"drop\"",
            "2:22: `session_queue_full` takes one of \"drop_oldest\", \"drop_newest\", \"refuse\", \
             found the text \"drop\"",
        ),
        (
            "worker_threads = \"all\"",
            "1:18: `worker_threads` takes a whole number from 1 to 64, found the text \"all\"",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\nprotocol = \"ws\"",
            "3:12: `protocol` takes one of \"mqtt\", \"websocket\", \"any\", found the text \"ws\"",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\ncompat = \"aws_iot\"",
            "3:10: `compat` takes a table, written under [listener.compat], \
             found the text \"aws_iot\"",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\norigins = \"*\"",
            "3:11: `origins` takes a list of texts, found the text \"*\"",
        ),
        (
            "[store]\ndurability = true",
            "2:14: `durability` takes one of \"sync\", \"interval\", \"os\", found true",
        ),
        (
            "[[listener]]\naddress = \"127.0.0.1:1\"\ninsecure = \"yes\"",
            "3:12: `insecure` takes true or false, found the text \"yes\"",
        ),
    ] {
        assert_eq!(problems(text), format!("p.toml:{told}"));
    }
}

#[test]
fn a_value_out_of_range_is_answered_with_the_range() {
    for (text, told) in [
        (
            "[limits]\nmax_connections = 0",
            "2:19: `max_connections` takes a whole number from 1 to 1000000, found 0",
        ),
        (
            "[limits]\nmax_connections = -1",
            "2:19: `max_connections` takes a whole number from 1 to 1000000, found -1",
        ),
        (
            "[limits]\nmax_connections = 99999999999999999999999999",
            "2:19: `max_connections` takes a whole number from 1 to 1000000, \
             found 99999999999999999999999999",
        ),
        (
            "[limits]\nmax_connections_per_address = 0",
            "2:31: `max_connections_per_address` takes a whole number from 1 to 1000000, found 0",
        ),
        (
            "[limits]\nconnect_rate = 1_000_001",
            "2:16: `connect_rate` takes a whole number of at most 1000000, found 1000001",
        ),
        (
            "[limits]\nmax_handshakes = 0",
            "2:18: `max_handshakes` takes a whole number from 1 to 1000000, found 0",
        ),
        (
            "[limits]\nmax_topic_length = 65_536",
            "2:20: `max_topic_length` takes a whole number from 1 to 65535, found 65536",
        ),
        (
            "[limits]\nmax_topic_levels = 0",
            "2:20: `max_topic_levels` takes a whole number from 1 to 65535, found 0",
        ),
        (
            "[limits]\nmax_topic_aliases = 65_536",
            "2:21: `max_topic_aliases` takes a whole number of at most 65535, found 65536",
        ),
        (
            "[limits]\nmax_keep_alive = \"1day\"",
            "2:18: `max_keep_alive` takes a time of at most 18h 12m 15s, such as \"250ms\" or \
             \"2m\", found the text \"1day\"",
        ),
        (
            "[limits]\nmax_publish_rate = -1",
            "2:20: `max_publish_rate` takes a whole number of at most 100000000, found -1",
        ),
        (
            "[limits]\nmailbox_bytes_total = 1",
            "2:23: `mailbox_bytes_total` takes a size from 1MiB to 1TiB, such as \"64MiB\", found 1",
        ),
        (
            "[limits]\nmax_sessions = 1_000_001",
            "2:16: `max_sessions` takes a whole number of at most 1000000, found 1000001",
        ),
        (
            "[limits]\nmax_session_expiry = 0",
            "2:22: `max_session_expiry` takes a time from 1s to 10years, such as \"250ms\" or \
             \"2m\", found 0",
        ),
        (
            "[limits]\nmax_retained_messages = 100_000_001",
            "2:25: `max_retained_messages` takes a whole number of at most 100000000, \
             found 100000001",
        ),
        (
            "[limits]\nmax_retained_bytes = \"2TiB\"",
            "2:22: `max_retained_bytes` takes a size of at most 1TiB, such as \"64MiB\", \
             found the text \"2TiB\"",
        ),
        (
            "[limits]\nsys_interval = \"2days\"",
            "2:16: `sys_interval` takes a time of at most 1day, such as \"250ms\" or \"2m\", \
             found the text \"2days\"",
        ),
        (
            "worker_threads = 0",
            "1:18: `worker_threads` takes a whole number from 1 to 64, found 0",
        ),
        (
            "[limits]\nmax_packet_size = \"257MiB\"",
            "2:19: `max_packet_size` takes a size from 1KiB to 256MiB, such as \"64MiB\", \
             found the text \"257MiB\"",
        ),
        (
            "[limits]\nconnect_timeout = inf",
            "2:19: `connect_timeout` takes a time from 100ms to 10m, such as \"250ms\" or \"2m\", \
             found inf",
        ),
    ] {
        assert_eq!(problems(text), format!("p.toml:{told}"));
    }
}

#[test]
fn an_interval_without_its_durability_is_refused() {
    assert_eq!(
        problems("[store]\nsync_interval = \"2s\""),
        "p.toml:2:17: `sync_interval`: it means something with `durability = \"interval\"` only"
    );
}

#[test]
fn several_errors_are_reported_at_once_in_the_order_of_the_file() {
    let text = "data_dri = \"/data\"\n\
                [limits]\n\
                max_connections = 0\n\
                [[listener]]\n\
                address = \"localhost:1883\"\n\
                [[rule]]\n\
                filter = 5\n\
                connector = \"b\"\n";
    assert_eq!(
        problems(text),
        "p.toml:1:1: unknown key `data_dri`; did you mean `data_dir`?\n\
         p.toml:3:19: `max_connections` takes a whole number from 1 to 1000000, found 0\n\
         p.toml:5:11: `address` takes an IP address and a port, such as \"127.0.0.1:1883\", \
         found the text \"localhost:1883\"\n\
         p.toml:7:10: `filter` takes a text, found 5\n\
         p.toml:8:13: unknown connector \"b\"; no [[connector]] is defined"
    );
}

#[test]
fn syntax_errors_have_their_line_and_column_and_nothing_is_guessed_behind_them() {
    assert_eq!(
        problems("[limits]\nmax_connections = \nunknown_key = 5\nx = 'open\n"),
        "p.toml:2:19: this is not TOML: string values must be quoted, expected literal string\n\
         p.toml:4:10: this is not TOML: invalid literal string, expected `'`"
    );
    assert_eq!(
        problems("data_dir = \"a\"\ndata_dir = \"b\"\n"),
        "p.toml:2:1: this is not TOML: duplicate key"
    );
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let told = problems(&format!("data_dir = {}", "[".repeat(100_000)));
    assert!(
        told.starts_with("p.toml:1:"),
        "{}",
        &told[..100.min(told.len())]
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_errors_and_shift_no_columns() {
    assert_eq!(
        problems("\u{feff}# ä\r\n[limits]\r\nmax_connections = 0\r\n"),
        "p.toml:3:19: `max_connections` takes a whole number from 1 to 1000000, found 0"
    );
}

#[test]
fn what_a_message_repeats_is_short_and_stays_on_one_line() {
    let text = format!(
        "data_dir = [\"a\"]\n\"line\\nbreak\" = 1\n{} = 2\n",
        "k".repeat(5_000)
    );
    let told = problems(&text);
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.lines().all(|line| line.len() < 250), "{told}");
}
