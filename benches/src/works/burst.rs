//! Everybody connects at once, as after a power cut.

use std::{
    io::{self, ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};

use super::{Cpu, Effort, OTHERS_BUSY, Sample, Work, per_message, percent};
use crate::{
    brokers::{Broker, Keeps},
    client::{CONNACK, connect_packet},
    process,
    table::{Metric, percentile},
    wire::broken,
};

pub(super) const WORK: Work = Work {
    // It accepts one in a millisecond or two, and 2000 of them not within the minute.
    among: &["mosquitto", "perennial"],
    ..Work::new(
        "burst",
        "10 000 connects at once: time until the last has its CONNACK; refused: closed instead, or not \
         answered in 60 s; repeated: so late that the system asked again, after 1 s at the earliest \
         (--quick: 1000)",
        run,
    )
};

/// Open files beside those of the connections.
const OTHER_FILES: u64 = 200;

/// A connection that has no CONNACK after this long counts as refused.
const LATEST: Duration = Duration::from_secs(60);

/// After this long without an answer Linux asks for a connection again.
const REPEATED: Duration = Duration::from_secs(1);

static ALL: Metric = Metric::compared("all ms", 0);
static HALF: Metric = Metric::median("half ms", 0);
static ACCEPTED: Metric = Metric::sum("accepted");
static REFUSED: Metric = Metric::sum("refused");
static LATE: Metric = Metric::median("repeated", 0);
static CPU: Metric = Metric::compared("cpu µs/connect", 1);

fn run(broker: &Broker, effort: &Effort) -> io::Result<Sample> {
    let count: usize = if effort.quick { 1000 } else { 10_000 };
    process::allow_open_files(count as u64 + OTHER_FILES)?;
    let mut running = broker.start(&effort.directory, Keeps::Default)?;
    running.settle()?;
    let before = Cpu::read(&running)?;
    let start = Instant::now();
    let mut guests = Guests::call(running.address(), count)?;
    guests
        .wait(start + LATEST)
        .map_err(|error| running.explain(error))?;
    let elapsed = start.elapsed();
    let cpu = Cpu::read(&running)?.since(before);

    let mut times: Vec<Duration> = guests
        .all
        .iter()
        .filter_map(|guest| match guest.state {
            State::Welcome(at) => Some(at - start),
            _ => None,
        })
        .collect();
    times.sort_unstable();
    let at =
        |percent| percentile(&times, percent).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    Ok(vec![
        (&ALL, at(100.0)),
        (&HALF, at(50.0)),
        (&ACCEPTED, times.len() as f64),
        (&REFUSED, (count - times.len()) as f64),
        (
            &LATE,
            times.iter().filter(|&&time| time >= REPEATED).count() as f64,
        ),
        (&CPU, per_message(cpu.broker, count as u64)),
        (&OTHERS_BUSY, percent(cpu.others, elapsed)),
    ])
}

/// Clients that want to connect.
struct Guests {
    poll: Poll,
    all: Vec<Guest>,
    /// Those that have neither been accepted nor refused.
    waiting: usize,
}

struct Guest {
    stream: TcpStream,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// The system has not connected it.
    Knocking,
    /// Its CONNECT was sent; so many bytes of the CONNACK have come.
    Greeting([u8; CONNACK.len()], usize),
    Welcome(Instant),
    Refused,
}

impl Guests {
    /// Begins to connect `count` clients and waits for none of them.
    fn call(address: std::net::SocketAddr, count: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut all = Vec::with_capacity(count);
        for index in 0..count {
            let mut stream = TcpStream::connect(address)?;
            poll.registry().register(
                &mut stream,
                Token(index),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            all.push(Guest {
                stream,
                state: State::Knocking,
            });
        }
        Ok(Self {
            poll,
            all,
            waiting: count,
        })
    }

    /// Greets and listens until nobody waits any more, or until `deadline`.
    fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while self.waiting > 0 && Instant::now() < deadline {
            match self
                .poll
                .poll(&mut events, Some(Duration::from_millis(100)))
            {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let index = event.token().0;
                let guest = &mut self.all[index];
                let waited = guest.is_waiting();
                guest.handle(event, index)?;
                if waited && !guest.is_waiting() {
                    self.waiting -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Guest {
    fn is_waiting(&self) -> bool {
        matches!(self.state, State::Knocking | State::Greeting(..))
    }

    fn handle(&mut self, event: &Event, index: usize) -> io::Result<()> {
        if let State::Knocking = self.state
            && event.is_writable()
        {
            self.state = self.greet(index)?;
        }
        if event.is_readable() {
            self.state = self.listen()?;
        }
        Ok(())
    }

    fn greet(&mut self, index: usize) -> io::Result<State> {
        let packet = connect_packet(&format!("burst-{index}"), true);
        match self.stream.write(&packet) {
            Ok(written) if written == packet.len() => Ok(State::Greeting([0; CONNACK.len()], 0)),
            Ok(written) => Err(broken(format!("a new connection took {written} bytes"))),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(State::Knocking),
            Err(_) => Ok(State::Refused),
        }
    }

    /// Reads as much of the CONNACK as is there; who hears the end after it was not accepted.
    fn listen(&mut self) -> io::Result<State> {
        loop {
            let mut over = [0; 1];
            let rest = match &mut self.state {
                State::Greeting(answer, length) => &mut answer[*length..],
                _ => &mut over[..],
            };
            match self.stream.read(rest) {
                Ok(0) => return Ok(State::Refused),
                Ok(count) => self.state = self.state.with(count)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(self.state),
                Err(_) => return Ok(State::Refused),
            }
        }
    }
}

impl State {
    /// After `count` more bytes.
    fn with(self, count: usize) -> io::Result<Self> {
        match self {
            Self::Greeting(answer, length) if length + count < answer.len() => {
                Ok(Self::Greeting(answer, length + count))
            }
            Self::Greeting(CONNACK, _) => Ok(Self::Welcome(Instant::now())),
            Self::Greeting(answer, _) => Err(broken(format!("CONNACK is {answer:02x?}"))),
            _ => Err(broken("a message for a guest".to_owned())),
        }
    }
}
