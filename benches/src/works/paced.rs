//! Messages at an even pace: how long an acknowledgement takes when nothing is overloaded.
//!
//! The reference is a bare `fdatasync` loop on the same file system, measured in a round of its own
//! between the brokers': what the disk alone makes a durable acknowledgement wait.

use std::{
    io::{self, ErrorKind, Write},
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token};

use super::{
    CPU, Cpu, Effort, MESSAGES, OTHERS_BUSY, Reference, Sample, Work, per_message, percent,
};
use crate::{
    brokers::{Broker, Keeps, Running},
    client::{Client, connect},
    inbox::Packet,
    process,
    table::{Metric, percentile},
    wire::{Frame, broken, packet_id},
};

pub(super) const WORK: Work = Work {
    baselines: &[FDATASYNC],
    reference: Some(Reference {
        name: FDATASYNC,
        run: run_reference,
    }),
    ..Work::new(
        "paced",
        "QoS 1, 5000 msg/s over 50 connections, 256 B: time from publish to acknowledgement; \
         fdatasync: append 256 B to a file and sync it, at the same pace",
        run,
    )
};

const FDATASYNC: &str = "fdatasync";
const CONNECTIONS: u16 = 50;
const PAYLOAD: usize = 256;
const PACE: Duration = Duration::from_micros(200);

/// How long an acknowledgement may be late before the round fails.
const LATEST: Duration = Duration::from_secs(20);

static P50: Metric = Metric::median("p50 µs", 0);
static P99: Metric = Metric::compared("p99 µs", 0);
static WORST: Metric = Metric::max("max µs", 0);
static REACHED: Metric = Metric::median("msg/s", 0);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    let messages = (effort.time.as_nanos() / PACE.as_nanos()) as usize;
    let before = Cpu::read(&running)?;
    let start = Instant::now();
    let latencies = publish(&running, messages).map_err(|error| running.explain(error))?;
    let elapsed = start.elapsed();
    let cpu = Cpu::read(&running)?.since(before);
    let mut sample = figures(latencies, elapsed)?;
    sample.push((&CPU, per_message(cpu.broker, messages as u64)));
    sample.push((&OTHERS_BUSY, percent(cpu.others, elapsed)));
    Ok(sample)
}

/// One thread publishes, this one reads; so neither makes the other late.
fn publish(running: &Running, messages: usize) -> io::Result<Vec<Duration>> {
    let mut poll = Poll::new()?;
    let mut writers = Vec::new();
    let mut readers = Vec::new();
    for index in 0..CONNECTIONS {
        let stream = connect(running.address(), &format!("paced-{index}"), None)?;
        let frame = Frame::new(
            &format!("bench/ingest/{index}"),
            false,
            1,
            PAYLOAD,
            1,
            index,
        );
        writers.push((stream.try_clone()?, frame));
        readers.push(Client::new(
            stream,
            poll.registry(),
            Token(usize::from(index)),
        )?);
    }
    let start = Instant::now();
    let sent_at: Vec<AtomicU64> = (0..messages).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        let pacer = scope.spawn(|| pace(&mut writers, &sent_at, start));
        let latencies = collect(&mut poll, &mut readers, &sent_at, start);
        match pacer.join() {
            Ok(paced) => paced.and(latencies),
            Err(_) => Err(io::Error::other("the publishing thread panicked")),
        }
    })
}

/// Message `n` goes over connection `n % 50` at `n * PACE`.
fn pace(
    writers: &mut [(TcpStream, Frame)],
    sent_at: &[AtomicU64],
    start: Instant,
) -> io::Result<()> {
    let connections = writers.len();
    let mut due = start;
    let mut bytes = Vec::new();
    for (index, sent_at) in sent_at.iter().enumerate() {
        process::wait_until(due);
        due += PACE;
        let (stream, frame) = &mut writers[index % connections];
        bytes.clear();
        frame.append((index / connections) as u64, &mut bytes);
        sent_at.store(start.elapsed().as_nanos() as u64, Ordering::Release);
        stream.write_all(&bytes)?;
    }
    Ok(())
}

fn collect(
    poll: &mut Poll,
    readers: &mut [Client],
    sent_at: &[AtomicU64],
    start: Instant,
) -> io::Result<Vec<Duration>> {
    let mut events = Events::with_capacity(256);
    let mut latencies = Vec::with_capacity(sent_at.len());
    let mut acknowledged = vec![0_u64; readers.len()];
    let deadline = start + PACE * sent_at.len() as u32 + LATEST;
    while latencies.len() < sent_at.len() {
        if Instant::now() > deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            let connection = event.token().0;
            let reader = &mut readers[connection];
            reader.notice(event);
            while let Some(packet) = reader.next()? {
                let now = start.elapsed();
                let round = acknowledged[connection];
                if packet != Packet::Ack(packet_id(round)) {
                    return Err(broken(format!("a publisher was sent {packet:?}")));
                }
                acknowledged[connection] += 1;
                let sent = sent_at[round as usize * usize::from(CONNECTIONS) + connection]
                    .load(Ordering::Acquire);
                latencies.push(now.saturating_sub(Duration::from_nanos(sent)));
            }
        }
    }
    Ok(latencies)
}

fn run_reference(effort: &Effort) -> io::Result<Sample> {
    let directory = tempfile::tempdir_in(&effort.directory)?;
    let mut file = std::fs::File::create(directory.path().join("synced"))?;
    let record = [b'x'; PAYLOAD];
    let mut latencies = Vec::new();
    let start = Instant::now();
    let mut due = start;
    while start.elapsed() < effort.time {
        process::wait_until(due);
        due += PACE;
        let began = Instant::now();
        file.write_all(&record)?;
        file.sync_data()?;
        latencies.push(began.elapsed());
    }
    figures(latencies, start.elapsed())
}

fn figures(mut latencies: Vec<Duration>, elapsed: Duration) -> io::Result<Sample> {
    latencies.sort_unstable();
    let at = |percent| {
        let value = percentile(&latencies, percent);
        value
            .map(|time| time.as_secs_f64() * 1e6)
            .ok_or_else(|| io::Error::other("nothing was measured"))
    };
    Ok(vec![
        (&P99, at(99.0)?),
        (&P50, at(50.0)?),
        (&WORST, at(100.0)?),
        (&REACHED, latencies.len() as f64 / elapsed.as_secs_f64()),
        (&MESSAGES, latencies.len() as f64),
    ])
}
