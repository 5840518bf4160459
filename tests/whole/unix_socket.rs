//! A listener that is a file of this machine.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

use crate::support::{
    gateway::{Gateway, run_to_end},
    version::Version::{self, V5, V311},
    wait::PATIENCE,
    wire,
};

/// A path with nothing behind it, in the data folder.
const LISTENER: &str = "[[listener]]\npath = \"mqtt.sock\"\n";

fn path(gateway: &Gateway) -> PathBuf {
    gateway.data_dir().join("mqtt.sock")
}

/// Connects through the file and is accepted.
#[track_caller]
fn connected(gateway: &Gateway, version: Version, client_id: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path(gateway)).expect("the gateway takes connections");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(&wire::connect(version, client_id))
        .unwrap();
    let answer = receive(&mut stream);
    assert_eq!((answer.first, &answer.body[..2]), (0x20, &[0, 0][..]));
    stream
}

#[track_caller]
fn receive(stream: &mut UnixStream) -> wire::Packet {
    let mut input = Vec::new();
    loop {
        if let Some(packet) = wire::take_packet(&mut input) {
            assert!(input.is_empty(), "more than one packet");
            return packet;
        }
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a packet comes");
        input.extend_from_slice(&byte);
    }
}

#[test]
fn clients_of_the_file_and_of_the_network_are_served_together() {
    let gateway = Gateway::start(LISTENER);
    let mut remote = wire::Wire::connect(gateway.address(), V5, "remote");
    remote.subscribe(V5, "t", 1);
    let mut local = connected(&gateway, V311, "local");
    local
        .write_all(&wire::publish(V311, 1, 5, b"t", b"through the file"))
        .unwrap();
    assert_eq!(wire::acknowledged(&receive(&mut local)), 5);
    let message = remote.expect("PUBLISH");
    assert_eq!(wire::delivered(V5, &message).1, b"through the file");
}

#[test]
fn the_file_is_there_for_its_owner_while_the_gateway_runs() {
    let mut gateway = Gateway::start(LISTENER);
    let file = fs::symlink_metadata(path(&gateway)).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert!(gateway.terminate().success());
    assert!(!path(&gateway).exists());

    let gateway = Gateway::start(&format!("{LISTENER}mode = 0o666\n"));
    let file = fs::symlink_metadata(path(&gateway)).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o666);
}

#[test]
fn the_file_of_a_killed_gateway_is_replaced() {
    let mut gateway = Gateway::start(LISTENER);
    connected(&gateway, V311, "first");
    gateway.kill9();
    assert!(path(&gateway).exists());
    gateway.restart();
    connected(&gateway, V311, "second");
}

/// What a gateway says that is to listen on `path` and cannot.
#[track_caller]
fn refused(gateway: &Gateway) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("[[listener]]\npath = {:?}\n", path(gateway));
    fs::write(folder.path().join("perennial.toml"), config).unwrap();
    let finished = run_to_end(folder.path(), &[&"run", &"--config", &"perennial.toml"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    finished.stderr
}

#[test]
fn the_file_of_a_process_that_listens_is_not_replaced() {
    let gateway = Gateway::start(LISTENER);
    let told = refused(&gateway);
    let place = path(&gateway);
    assert!(told.contains(&format!("{}", place.display())), "{told}");
    assert!(told.contains("in use"), "{told}");
    connected(&gateway, V311, "undisturbed");

    let stranger = Gateway::prepare(0, "");
    let _listener = UnixListener::bind(path(&stranger)).unwrap();
    assert!(refused(&stranger).contains("in use"));
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let gateway = Gateway::prepare(0, "");
    fs::write(path(&gateway), "precious").unwrap();
    assert!(refused(&gateway).contains("not a socket"));
    assert_eq!(fs::read(path(&gateway)).unwrap(), b"precious");
}

#[test]
fn the_file_goes_when_another_listener_cannot_be_had() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "{LISTENER}[[listener]]\naddress = \"{}\"\n",
        taken.local_addr().unwrap()
    );
    fs::write(folder.path().join("perennial.toml"), config).unwrap();
    let arguments: [&dyn AsRef<std::ffi::OsStr>; 5] = [
        &"run",
        &"--config",
        &"perennial.toml",
        &"--data-dir",
        &"data",
    ];
    let finished = run_to_end(folder.path(), &arguments);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(folder.path().join("data/store").exists());
    assert!(!folder.path().join("data/mqtt.sock").exists());
}
