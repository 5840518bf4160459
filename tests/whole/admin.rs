//! The admin server, by its socket and over TCP: who is let in, and what each may take.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    os::unix::net::UnixListener,
};

use crate::support::{
    admin::{METRICS, ask_socket, ask_tcp, get, json, open_tcp, post, socket},
    gateway::{Bare, Gateway, run_to_end},
    version::Version::V311,
    wait::{PATIENCE, wait_for},
    wire::Wire,
};

/// Metrics are served and devices, too.
#[track_caller]
fn assert_serves(gateway: &Gateway) {
    wait_for(PATIENCE, "metrics are served", || {
        ask_tcp(gateway, &get("/metrics")).starts_with("HTTP/1.1 200 OK\r\n")
    });
    Wire::connect(gateway.address(), V311, "device");
}

#[test]
fn the_socket_is_there_for_its_owner_while_the_gateway_runs() {
    let mut gateway = Gateway::start("");
    let file = fs::symlink_metadata(socket(&gateway)).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert!(ask_socket(&gateway, &get("/health")).ends_with("{\"ready\":true}"));
    assert!(gateway.terminate().success());
    assert!(!socket(&gateway).exists());
}

#[test]
fn the_socket_of_a_killed_gateway_is_replaced() {
    let mut gateway = Gateway::start("");
    gateway.kill9();
    assert!(socket(&gateway).exists());
    let left = json(&gateway, &["queues"]);
    assert_eq!(left[0]["running"], false);
    gateway.restart();
    assert_eq!(json(&gateway, &["queues"])[0]["running"], true);
}

#[test]
fn a_data_directory_whose_path_is_too_long_for_a_socket_has_one_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("{}/data", "d".repeat(120));
    fs::write(
        folder.path().join("perennial.toml"),
        "[[listener]]\naddress = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let config: [&dyn AsRef<std::ffi::OsStr>; 4] =
        [&"--config", &"perennial.toml", &"--data-dir", &deep];
    let gateway = Bare::start(folder.path(), &[&[&"run" as _], &config[..]].concat());
    let finished = run_to_end(folder.path(), &[&[&"queues" as _], &config[..]].concat());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stdout.starts_with("There are no queues."),
        "{finished:?}"
    );
    drop(gateway);
}

#[test]
fn a_file_in_the_sockets_place_costs_the_socket_and_nothing_else() {
    let mut gateway = Gateway::prepare(0, METRICS);
    fs::write(socket(&gateway), "precious").unwrap();
    gateway.restart();
    assert_serves(&gateway);
    assert!(
        gateway.stderr().contains("not a socket"),
        "{}",
        gateway.stderr()
    );
    assert!(gateway.terminate().success());
    assert_eq!(fs::read(socket(&gateway)).unwrap(), b"precious");
}

#[test]
fn over_tcp_nothing_is_shown_but_counts_and_nothing_is_changed() {
    let gateway = Gateway::start(METRICS);
    assert_serves(&gateway);
    assert!(ask_tcp(&gateway, &get("/health")).starts_with("HTTP/1.1 200 OK\r\n"));
    let everything = "{\"everything\":true}";
    let requests = [
        get("/"),
        get("/queues"),
        post("/dead-letters/list", "{}"),
        post("/dead-letters/show", "{\"id\":\"c/1\"}"),
        post("/dead-letters/replay", "{}"),
        post("/dead-letters/drop", everything),
    ];
    for request in requests {
        let answer = ask_tcp(&gateway, &request);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    let answer = ask_tcp(&gateway, &post("/metrics", ""));
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    // The same is there by the socket.
    let answer = ask_socket(&gateway, &post("/dead-letters/drop", everything));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn what_is_no_proper_request_is_refused_and_costs_nothing() {
    let gateway = Gateway::start(METRICS);
    let garbage: [&[u8]; 5] = [
        b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ];
    for request in garbage {
        let answer = ask_tcp(&gateway, request);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{answer}"
        );
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    for request in [long, many] {
        let answer = ask_tcp(&gateway, request.as_bytes());
        let is_refused = answer.is_empty()
            || answer.starts_with("HTTP/1.1 414 ")
            || answer.starts_with("HTTP/1.1 431 ");
        assert!(is_refused, "{answer}");
    }
    let large = post("/dead-letters/list", &" ".repeat(2 << 20));
    let answer = ask_socket(&gateway, &large);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
        "{answer}"
    );
    for body in ["", "7", "{\"limit\":-1}", "{\"unknown\":1}", "\u{0}"] {
        let answer = ask_socket(&gateway, &post("/dead-letters/list", body));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let answer = ask_socket(&gateway, &post("/dead-letters/drop", "{}"));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_serves(&gateway);
}

#[test]
fn those_who_connect_and_say_nothing_keep_nobody_out_for_long() {
    let gateway = Gateway::start(METRICS);
    let mut silent: Vec<_> = (0..16).map(|_| open_tcp(&gateway)).collect();
    // There is place for 16, and who comes then is closed at once.
    let mut next = open_tcp(&gateway);
    next.write_all(&get("/metrics")).ok();
    let mut answer = Vec::new();
    let ended = next.read_to_end(&mut answer);
    assert!(ended.is_err() || answer.is_empty(), "{answer:?}");
    // The silent ones are closed for their silence, and their places are there again.
    for stream in &mut silent {
        stream.read_to_end(&mut answer).ok();
    }
    assert_serves(&gateway);
}

#[test]
fn a_gateway_stops_while_somebody_is_connected() {
    let mut gateway = Gateway::start(METRICS);
    let mut silent = open_tcp(&gateway);
    // Whoever comes later is let in later; one that is not let in yet would be reset.
    ask_tcp(&gateway, &get("/metrics"));
    assert!(gateway.terminate().success());
    assert_eq!(silent.read(&mut [0]).ok(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let gateway = Gateway::start(METRICS);
    let address = open_tcp(&gateway).peer_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config =
        format!("[[listener]]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"{address}\"\n");
    fs::write(folder.path().join("perennial.toml"), config).unwrap();
    let finished = run_to_end(folder.path(), &[&"run", &"--config", &"perennial.toml"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let told = format!("cannot serve metrics on {address}");
    assert!(finished.stderr.contains(&told), "{finished:?}");
}

#[test]
fn a_socket_that_is_not_a_gateways_is_an_error() {
    let gateway = Gateway::prepare(0, "");
    let listener = UnixListener::bind(socket(&gateway)).unwrap();
    let strange = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH\r\n").ok();
        }
    });
    let data_dir = gateway.data_dir();
    let finished = run_to_end(&gateway.folder(), &[&"queues", &"--data-dir", &data_dir]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("ended the connection"),
        "{finished:?}"
    );
    strange.join().unwrap();
}
