//! A restart with much to remember.

use std::{
    io::{self, ErrorKind, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{Effort, MISSING, RESIDENT, Sample, Work, megabytes};
use crate::{
    brokers::{Broker, Keeps, Running},
    client::{connect, leave_session, resume_session},
    inbox::{Inbox, Packet},
    process,
    session::drain,
    table::Metric,
    wire::{Frame, broken, packet_id},
};

pub(super) const WORK: Work = Work {
    rounds: 3,
    // It keeps nothing across a restart.
    among: &["mosquitto", "perennial"],
    ..Work::new(
        "restart",
        "100 000 QoS 1 messages of 64 B queued in 1000 sessions: from the start of the process until \
         the first client is back in its session. The gateway was ended with SIGKILL; mosquitto with \
         SIGTERM, since only then is anything on the disk (--quick: 100 sessions)",
        run,
    )
};

/// Messages in each session.
const QUEUED: u64 = 100;

/// Messages that may be unacknowledged while the sessions are filled.
const WINDOW: u64 = 200;

/// How many sessions are looked into, spread over all.
const CHECKED: u16 = 50;

/// The longest that a restart may take, and the next acknowledgement.
const LATEST: Duration = Duration::from_secs(60);

static READY: Metric = Metric::compared("ready ms", 0);
static CPU: Metric = Metric::median("cpu ms", 0);
static CHECKED_MESSAGES: Metric = Metric::sum("checked");

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let sessions: u16 = if effort.quick { 100 } else { 1000 };
    let mut running = broker.start(&effort.directory, Keeps::Everything)?;
    fill(&running, sessions).map_err(|error| running.explain(error))?;
    let start = running.restart()?;
    let first = come_back(&running, start).map_err(|error| running.explain(error))?;
    let (ready, cpu, memory) = (start.elapsed(), running.cpu()?, running.memory()?);

    let mut stream = Some(first);
    let mut missing = 0;
    for index in (0..sessions).step_by(usize::from(sessions / CHECKED)) {
        let stream = match stream.take() {
            Some(first) => Ok(first),
            None => resume_session(running.address(), &client_id(index)),
        };
        let mut wanted = vec![0; usize::from(sessions)];
        wanted[usize::from(index)] = QUEUED;
        missing += stream
            .and_then(|stream| drain(stream, &wanted))
            .map_err(|error| running.explain(error))?
            .missing;
    }
    Ok(vec![
        (&READY, ready.as_secs_f64() * 1e3),
        (&CPU, cpu.as_secs_f64() * 1e3),
        (&RESIDENT, megabytes(memory.resident)),
        (&CHECKED_MESSAGES, (u64::from(CHECKED) * QUEUED) as f64),
        (&MISSING, missing as f64),
    ])
}

fn client_id(index: u16) -> String {
    format!("restart-{index}")
}

/// Leaves the sessions behind and publishes to each; every message has been acknowledged.
fn fill(running: &Running, sessions: u16) -> io::Result<()> {
    for index in 0..sessions {
        let filter = format!("bench/restart/{index}");
        leave_session(running.address(), &client_id(index), &filter, 1)?;
    }
    let mut stream = connect(running.address(), "filler", None)?;
    stream.set_nonblocking(false)?;
    publish(&mut stream, sessions)
}

/// Publishes the messages for all sessions, one session after the other.
fn publish(stream: &mut TcpStream, sessions: u16) -> io::Result<()> {
    let frame_for = |index: u64| {
        let topic = format!("bench/restart/{index}");
        Frame::new(&topic, false, 1, 64, 1, index as u16)
    };
    let all = u64::from(sessions) * QUEUED;
    let (mut sent, mut acknowledged) = (0, 0);
    let mut frame = frame_for(0);
    let mut inbox = Inbox::new();
    let mut news = Instant::now();
    loop {
        let mut bytes = Vec::new();
        while sent < all.min(acknowledged + WINDOW) {
            if sent % QUEUED == 0 {
                frame = frame_for(sent / QUEUED);
            }
            frame.append(sent, &mut bytes);
            sent += 1;
        }
        stream.write_all(&bytes)?;
        if acknowledged == all {
            return Ok(());
        }
        inbox.read(stream)?;
        while let Some(packet) = inbox.next()? {
            if packet != Packet::Ack(packet_id(acknowledged)) {
                return Err(broken(format!("a publisher was sent {packet:?}")));
            }
            acknowledged += 1;
            news = Instant::now();
        }
        if news.elapsed() > LATEST {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}

/// Asks for the first session until the broker listens.
fn come_back(running: &Running, start: Instant) -> io::Result<TcpStream> {
    loop {
        match resume_session(running.address(), &client_id(0)) {
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused && start.elapsed() < LATEST =>
            {
                process::wait_until(Instant::now() + Duration::from_millis(1));
            }
            result => return result,
        }
    }
}
