//! rumqttd as a process of its own: the test binary again, of which one test serves.
//!
//! A process, because rumqttd cannot be stopped, because a panic in it is part of what is shown,
//! and because its memory is to be told from that of the tests.

use std::{
    collections::HashMap,
    env,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{self, Command, Stdio},
    thread,
};

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};

use crate::support::{
    gateway::{Killed, quiet_port},
    memory,
    wait::{PATIENCE, wait_for},
};

/// The variable that says on which port the process is to serve; without it, it is no server.
const PORT: &str = "PERENNIAL_TEST_RUMQTTD_PORT";

/// The test that serves, by the name that the test binary knows it by.
const SERVE: &str = "support::rumqttd::serves_until_its_parent_ends";

/// The log of each filter holds four of these; by default it is ten of 100 MiB.
const SEGMENT: usize = 64 << 10;

/// A rumqttd that is killed when the test is over.
pub(crate) struct Rumqttd {
    child: Killed,
    address: SocketAddr,
}

impl Rumqttd {
    /// Starts it with its own defaults, but for the size of its logs, and waits until it listens.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, quiet_port()));
        let child = Command::new(env::current_exe().expect("the test binary"))
            .args([SERVE, "--exact", "--ignored", "--nocapture"])
            .env(PORT, address.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test binary starts");
        let mut child = Killed(child);
        wait_for(PATIENCE, "rumqttd listens", || {
            if let Some(status) = child.0.try_wait().expect("a child") {
                panic!("rumqttd ended with {status}");
            }
            TcpStream::connect(address).is_ok()
        });
        Self { child, address }
    }

    /// Where it serves MQTT 3.1.1.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        memory::resident_bytes(self.child.0.id())
    }
}

#[test]
#[ignore = "not a test, but the process that the tests start"]
fn serves_until_its_parent_ends() {
    let Ok(port) = env::var(PORT) else {
        return;
    };
    let port = port.parse().expect("a port");
    // The parent never writes; its end is the end of the pipe.
    thread::spawn(|| {
        io::stdin().read_to_end(&mut Vec::new()).ok();
        process::exit(0);
    });
    let ended = Broker::new(config(port)).start();
    panic!("rumqttd ended: {ended:?}");
}

/// The values of the `rumqttd.toml` that comes with rumqttd, except for the segments.
fn config(port: u16) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 60_000,
        max_payload_size: 20_480,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "v4-1".to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 10_010,
        max_outgoing_packet_count: 200,
        max_segment_size: SEGMENT,
        max_segment_count: 4,
        ..RouterConfig::default()
    };
    Config {
        router,
        v4: Some(HashMap::from([("1".to_owned(), server)])),
        ..Config::default()
    }
}
