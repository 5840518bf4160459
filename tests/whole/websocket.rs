//! MQTT over WebSocket: by clients that are not ours, and by the byte.

use std::fs;

use tempfile::TempDir;

use crate::support::{
    gateway::{Bare, Gateway},
    python::{Transport, paho_in_every_version},
    version::Version::{self, V5, V311},
    wait::{PATIENCE, pause, wait_for},
    web_socket::{BINARY, CLOSE, PING, PONG, TEXT, WebSocket, answer, frame, request},
    wire::{self, Wire},
};

#[track_caller]
fn in_every_version(script: &str) {
    paho_in_every_version(script, Transport::WebSocket);
}

#[test]
fn messages_of_every_qos_arrive_once_in_order_and_at_the_qos_that_was_granted() {
    in_every_version("qos.py");
}

#[test]
fn payloads_of_any_size_up_to_the_limit_arrive_as_they_were_sent() {
    in_every_version("payloads.py");
}

#[test]
fn the_will_of_a_killed_client_is_published_and_that_of_a_polite_one_is_not() {
    in_every_version("will.py");
}

#[test]
fn a_second_client_with_the_same_identifier_takes_over() {
    in_every_version("takeover.py");
}

/// Shakes hands and is accepted as an MQTT client.
#[track_caller]
fn connected(gateway: &Gateway, version: Version, client_id: &str) -> WebSocket {
    let mut socket = WebSocket::connect(gateway.address());
    socket.send_frame(BINARY, &wire::connect(version, client_id));
    let answer = socket.expect_packet("CONNACK");
    assert_eq!((answer.first, &answer.body[..2]), (0x20, &[0, 0][..]));
    socket
}

#[test]
fn one_port_serves_mqtt_with_and_without_websocket() {
    let gateway = Gateway::start("");
    let mut plain = Wire::connect(gateway.address(), V311, "plain");
    plain.subscribe(V311, "t", 1);
    let mut web = connected(&gateway, V5, "web");
    web.send_frame(BINARY, &wire::subscribe(V5, 1, b"t", 1));
    assert_eq!(web.expect_packet("SUBACK").first, 0x90);

    plain.send(&wire::publish(V311, 1, 7, b"t", b"from plain"));
    web.send_frame(BINARY, &wire::publish(V5, 1, 8, b"t", b"from the web"));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let packet = plain.expect("PUBLISH");
        if packet.first & 0xF0 == 0x30 {
            seen.push(wire::delivered(V311, &packet).1.to_vec());
        }
    }
    seen.sort();
    assert_eq!(seen, [&b"from plain"[..], b"from the web"]);
    seen.clear();
    while seen.len() < 2 {
        let packet = web.expect_packet("PUBLISH");
        if packet.first & 0xF0 == 0x30 {
            seen.push(wire::delivered(V5, &packet).1.to_vec());
        }
    }
    seen.sort();
    assert_eq!(seen, [&b"from plain"[..], b"from the web"]);
}

#[test]
fn packets_may_be_split_and_joined_over_frames_and_messages() {
    let gateway = Gateway::start("");
    let mut socket = WebSocket::connect(gateway.address());
    // A frame for each byte, and an empty one.
    for byte in wire::connect(V311, "pieces") {
        socket.send_frame(BINARY, &[byte]);
        socket.send_frame(BINARY, &[]);
    }
    assert_eq!(socket.expect_packet("CONNACK").body, [0, 0]);

    // Many packets and the beginning of another in one frame.
    let mut bytes = Vec::new();
    for id in 1..=100 {
        bytes.extend(wire::publish(V311, 1, id, b"t", b"many"));
    }
    let next = wire::publish(V311, 1, 101, b"t", b"torn");
    bytes.extend_from_slice(&next[..3]);
    socket.send_frame(BINARY, &bytes);
    for id in 1..=100 {
        assert_eq!(wire::acknowledged(&socket.expect_packet("PUBACK")), id);
    }
    // The rest in a message of several frames, with a ping in between.
    socket.send_frame(0x02, &next[3..5]);
    socket.send_frame(PING, b"still there?");
    assert_eq!(
        socket.receive_frame(),
        Some((PONG, b"still there?".to_vec()))
    );
    socket.send_frame(0x00, &next[5..6]);
    socket.send_frame(0x80, &next[6..]);
    assert_eq!(wire::acknowledged(&socket.expect_packet("PUBACK")), 101);
}

#[test]
fn the_first_packet_may_come_together_with_the_request() {
    let gateway = Gateway::start("");
    let mut socket = WebSocket::open(gateway.address());
    let mut bytes = request(gateway.address()).into_bytes();
    bytes.extend(frame(BINARY, &wire::connect(V5, "eager")));
    socket.send(&bytes);
    socket.accepted();
    assert_eq!(socket.expect_packet("CONNACK").first, 0x20);
}

#[test]
fn a_request_may_come_in_pieces_but_not_for_longer_than_a_connect_may_take() {
    let gateway = Gateway::start("[limits]\nconnect_timeout = \"1s\"\n");
    let mut slow = WebSocket::open(gateway.address());
    let bytes = request(gateway.address()).into_bytes();
    for piece in bytes.chunks(bytes.len() / 5) {
        slow.send(piece);
        pause(std::time::Duration::from_millis(20));
    }
    slow.accepted();
    // The handshake of WebSocket does not begin the time for CONNECT anew.
    assert_eq!(slow.receive_frame(), None);
    let mut endless = WebSocket::open(gateway.address());
    endless.send(b"GET /mqtt HTTP/1.1\r\n");
    assert_eq!(endless.receive_frame(), None);
}

#[test]
fn a_frame_may_be_larger_than_a_packet_and_a_packet_not_larger_than_the_limit() {
    let gateway = Gateway::start("[limits]\nmax_packet_size = \"1KiB\"\n");
    let mut socket = connected(&gateway, V5, "client");
    let packet = wire::publish(V5, 0, 0, b"t", &[b'x'; 900]);
    let mut bytes = packet.repeat(200);
    bytes.extend(wire::packet(0xC0, &[]));
    socket.send_frame(BINARY, &bytes);
    assert_eq!(socket.expect_packet("PINGRESP").first, 0xD0);

    socket.send_frame(BINARY, &wire::publish(V5, 0, 0, b"t", &[b'x'; 1_100]));
    let farewell = socket.expect_packet("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x95));
    assert_eq!(socket.expect_close(), Some(1000));

    // A frame may have twice the limit, and a MiB in any case.
    let mut socket = connected(&gateway, V5, "client");
    socket.send_frame(BINARY, &vec![0; (1 << 20) + 1]);
    assert_eq!(socket.expect_close(), Some(1009));
}

#[test]
fn what_is_not_a_binary_message_by_the_book_ends_with_the_code_for_it() {
    let gateway = Gateway::start("");
    let mut unmasked = frame(BINARY, &[0xC0, 0]);
    unmasked[1] &= 0x7F;
    let endless = [&[BINARY, 0xFF][..], &[0xFF; 8], &[0; 4]].concat();
    for (bytes, code) in [
        (frame(TEXT, b"hello"), 1003),
        (unmasked, 1002),
        (frame(0xC2, &[0xC0, 0]), 1002),
        (frame(0x80, &[0xC0, 0]), 1002),
        (endless, 1009),
    ] {
        let mut socket = connected(&gateway, V311, "breaks rules");
        socket.send(&bytes);
        assert_eq!(socket.expect_close(), Some(code), "{bytes:?}");
    }
    wait_for(PATIENCE, "the log says why", || {
        gateway.stderr().contains("a text message comes")
    });
}

#[test]
fn a_close_is_answered_and_without_disconnect_it_sets_off_the_will() {
    let gateway = Gateway::start("");
    let mut watcher = Wire::connect(gateway.address(), V311, "watcher");
    watcher.subscribe(V311, "will", 0);
    let mut socket = WebSocket::connect(gateway.address());
    socket.send_frame(BINARY, &wire::connect_with(V311, 0x06, &[]));
    assert_eq!(socket.expect_packet("CONNACK").body, [0, 0]);
    socket.send_frame(CLOSE, &1001_u16.to_be_bytes());
    assert_eq!(socket.expect_close(), Some(1001));
    assert!(watcher.expect("the will").body.ends_with(b"gone"));
}

#[test]
fn the_gateway_closes_in_order_when_the_client_disconnects_and_when_it_stops() {
    let mut gateway = Gateway::start("");
    let mut polite = connected(&gateway, V311, "polite");
    polite.send_frame(BINARY, &wire::packet(0xE0, &[]));
    assert_eq!(polite.expect_close(), Some(1000));

    let mut client = connected(&gateway, V5, "client");
    assert!(gateway.terminate().success());
    let farewell = client.expect_packet("DISCONNECT");
    assert_eq!((farewell.first, farewell.body[0]), (0xE0, 0x8B));
    assert_eq!(client.expect_close(), Some(1000));
}

#[test]
fn the_oldest_devices_in_the_field_are_answered_as_they_need_it() {
    let gateway = Gateway::start("");
    // 128 bytes instead of 16, a signed query, an extension that is not taken.
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0\
               +P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3\
               x9fn8=";
    let request = request(gateway.address())
        .replace("dGhlIHNhbXBsZSBub25jZQ==", key)
        .replace(
            "/mqtt",
            "/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=86400",
        )
        .replace(
            "Protocol: mqtt\r\n",
            "Protocol: mqttv3.1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        );
    let answer = answer(gateway.address(), &request);
    assert!(
        answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{answer}"
    );
    let accept = "\r\nsec-websocket-accept: WyiKX9CHbrfiGGdAJxgmx8LIyes=\r\n";
    assert!(answer.contains(accept), "{answer}");
    assert!(
        answer.contains("\r\nsec-websocket-protocol: mqttv3.1\r\n"),
        "{answer}"
    );
    let lower = answer.to_lowercase();
    assert!(lower.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(lower.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    assert!(!lower.contains("extensions"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n") && answer.len() < 1_024);
}

#[test]
fn a_request_for_anything_else_is_told_what_is_wrong() {
    let gateway = Gateway::start("");
    let good = request(gateway.address());
    for (request, status, body) in [
        (good.replace("/mqtt", "/"), "404 Not Found", "/mqtt"),
        (
            good.replace("Upgrade: websocket\r\n", ""),
            "426 Upgrade Required",
            "Upgrade: websocket",
        ),
        (
            good.replace("Version: 13", "Version: 8"),
            "426 Upgrade Required",
            "13",
        ),
        (
            good.replace("Sec-WebSocket-Key", "X-Key"),
            "400 Bad Request",
            "Sec-WebSocket-Key",
        ),
        (
            good.replace("Protocol: mqtt", "Protocol: chat"),
            "400 Bad Request",
            "mqttv3.1",
        ),
        (
            good.replace("Host", "Origin: https://elsewhere.example\r\nHost"),
            "403 Forbidden",
            "origins",
        ),
        ("G\r\n\r\n".to_owned(), "400 Bad Request", "HTTP"),
    ] {
        let answer = answer(gateway.address(), &request);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}{answer}"
        );
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(text.contains(body), "{answer}");
    }
    Wire::connect(gateway.address(), V311, "afterwards");
}

/// The address in the line of `gateway`'s output that begins with `what`, the last one.
fn address(gateway: &Bare, what: &str) -> std::net::SocketAddr {
    let printed = gateway.stdout();
    let line = printed
        .lines()
        .rfind(|line| line.trim_start().starts_with(what))
        .unwrap();
    let place = line.split_whitespace().last().unwrap();
    let place = place.trim_start_matches("ws://").trim_end_matches("/mqtt");
    place.parse().unwrap()
}

#[test]
fn a_listener_may_serve_one_of_the_two_alone_and_pages_that_it_names() {
    let folder = TempDir::new().unwrap();
    let config = r#"
        [[listener]]
        address = "127.0.0.1:0"
        protocol = "mqtt"
        [[listener]]
        address = "127.0.0.1:0"
        protocol = "websocket"
        origins = ["https://dashboard.example"]
    "#;
    fs::write(folder.path().join("perennial.toml"), config).unwrap();
    let gateway = Bare::start(folder.path(), &[&"run", &"--config", &"perennial.toml"]);
    let (mqtt, web) = (
        address(&gateway, "listening"),
        address(&gateway, "websocket"),
    );
    assert_ne!(mqtt, web);

    Wire::connect(mqtt, V311, "plain");
    let mut refused = Wire::open(mqtt);
    refused.send(request(mqtt).as_bytes());
    assert_eq!(refused.receive(), None);

    let page = |origin: &str| request(web).replace("Host", &format!("Origin: {origin}\r\nHost"));
    let listed = answer(web, &page("https://dashboard.example"));
    assert!(listed.starts_with("HTTP/1.1 101 "), "{listed}");
    let own = answer(web, &page(&format!("http://{web}")));
    assert!(own.starts_with("HTTP/1.1 101 "), "{own}");
    let other = answer(web, &page("https://elsewhere.example"));
    assert!(other.starts_with("HTTP/1.1 403 "), "{other}");
    let posted = answer(web, &request(web).replace("GET", "POST"));
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    let no_http = answer(web, "\x10\x0C\0\x04MQTT");
    assert!(no_http.starts_with("HTTP/1.1 400 "), "{no_http}");
}
