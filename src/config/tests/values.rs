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
fn an_address_that_others_reach_is_refused_unless_the_listener_says_that_it_is_insecure() {
    let why = "can be reached from other machines, and nothing authenticates who connects; \
               use a loopback address such as \"127.0.0.1:1883\", or say `insecure = true` \
               where everyone on the network may publish and subscribe";
    for address in [
        "0.0.0.0:1883",
        "[::]:1883",
        "192.0.2.1:1883",
        "[::ffff:192.0.2.1]:1",
    ] {
        let text = format!("[[listener]]\naddress = \"{address}\"");
        let told = problems(&text);
        assert_eq!(told, format!("p.toml:2:11: `address`: {address} {why}"));
        let config = read(&format!("{text}\ninsecure = true"));
        assert_eq!(config.listeners, [address.parse().unwrap()]);
    }
    for address in ["127.9.9.9:1", "[::1]:1883", "[::ffff:127.0.0.1]:1"] {
        read(&format!("[[listener]]\naddress = \"{address}\""));
    }
}

#[test]
fn an_address_needs_an_ip_and_a_port_of_its_own() {
    let listener = |address| format!("[[listener]]\naddress = \"{address}\"\n");
    assert_eq!(
        problems(&listener("localhost")),
        "p.toml:2:11: `address` takes an IP address and a port, such as \"127.0.0.1:1883\", \
         found the text \"localhost\""
    );
    let (first, any) = (listener("127.0.0.1:1"), listener("127.0.0.1:0"));
    assert_eq!(
        problems(&format!("{first}{any}{any}{first}")),
        "p.toml:8:11: `address`: 127.0.0.1:1 has a listener above; one is enough"
    );
    assert_eq!(
        problems("[[listener]]\n"),
        "p.toml:1:1: `address` is missing in `listener`; right would be: address = \"127.0.0.1:1883\""
    );
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
