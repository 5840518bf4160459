//! Devices that publish at an even pace, whatever happens to the broker.
//!
//! - QoS 1; the payload says who, which and when.
//! - A device whose connection breaks comes back, and publishes again what was not acknowledged.
//! - A message that is due waits in its device until it can leave.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mio::{Events, Poll};

use crate::wire::Stamp;

use device::Device;

mod device;

/// Who publishes, and what.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) count: u16,
    /// Each device publishes to its own topic below this.
    pub(crate) topic: &'static str,
    /// Bytes of a payload; at least 32.
    pub(crate) payload: usize,
    /// Messages of all devices together.
    pub(crate) per_second: u32,
}

/// Devices that publish.
pub(crate) struct Devices {
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<Vec<u64>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicU64,
}

impl Devices {
    /// Connects the devices to `address` and lets them publish; stamps count from `epoch`.
    pub(crate) fn start(address: SocketAddr, plan: Plan, epoch: Instant) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut fleet = Fleet::connect(address, plan, epoch, Arc::clone(&shared))?;
        let thread = thread::Builder::new()
            .name("devices".to_owned())
            .spawn(move || fleet.run())?;
        Ok(Self { shared, thread })
    }

    /// How many messages have been acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Publishes nothing more and waits until all is acknowledged; how many messages each device
    /// has published.
    pub(crate) fn finish(self) -> io::Result<Vec<u64>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the devices' thread panicked")))
    }
}

struct Fleet {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    per_second: u32,
    epoch: Instant,
    devices: Vec<Device>,
    shared: Arc<Shared>,
}

impl Fleet {
    fn connect(
        address: SocketAddr,
        plan: Plan,
        epoch: Instant,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let now = Instant::now();
        let mut devices: Vec<Device> = (0..plan.count)
            .map(|index| Device::new(plan, index, now))
            .collect();
        for device in &mut devices {
            device.come_back(address, &poll)?;
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            address,
            per_second: plan.per_second,
            epoch,
            devices,
            shared,
        })
    }

    /// Publishes until it is to stop and all is acknowledged.
    fn run(&mut self) -> io::Result<Vec<u64>> {
        let start = Instant::now();
        let mut published = 0;
        loop {
            if !self.shared.stop.load(Ordering::Relaxed) {
                let due = (start.elapsed().as_secs_f64() * f64::from(self.per_second)) as u64;
                self.publish(published..due);
                published = due;
            } else if self.devices.iter().all(|device| device.open() == 0) {
                return Ok(self.devices.iter().map(Device::published).collect());
            }
            for device in &mut self.devices {
                device.push(self.address, &self.poll)?;
            }
            self.exchange()?;
        }
    }

    /// Message `n` is that of device `n % count`.
    fn publish(&mut self, messages: Range<u64>) {
        let stamp = Stamp(self.epoch.elapsed().as_nanos() as u64);
        let count = self.devices.len() as u64;
        for message in messages {
            let device = &mut self.devices[(message % count) as usize];
            device.publish(stamp);
        }
    }

    fn exchange(&mut self) -> io::Result<()> {
        let wait = Some(Duration::from_millis(1));
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            let device = &mut self.devices[event.token().0];
            let open = device.open();
            device.handle(event)?;
            let acknowledged = (open - device.open()) as u64;
            self.shared
                .acknowledged
                .fetch_add(acknowledged, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    };

    use super::*;
    use crate::{
        client::CONNACK,
        wire::{Mark, append_ack},
    };

    const PLAN: Plan = Plan {
        count: 1,
        topic: "t",
        payload: 32,
        per_second: 1000,
    };

    /// Bytes of a PUBLISH of the plan: header, `t/0`, packet id, payload.
    const PUBLISH: usize = 2 + 5 + 2 + 32;

    /// A broker's end of a new connection.
    fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (mut stream, _) = listener.accept()?;
        let mut connect = [0; 2];
        stream.read_exact(&mut connect)?;
        stream.read_exact(&mut vec![0; usize::from(connect[1])])?;
        stream.write_all(&CONNACK)?;
        Ok(stream)
    }

    /// Takes `messages` and acknowledges the first `acks`; the sequence numbers that have come.
    fn take(stream: &mut TcpStream, messages: usize, acks: usize) -> io::Result<Vec<u64>> {
        (0..messages)
            .map(|index| take_one(stream, index < acks))
            .collect()
    }

    fn take_one(stream: &mut TcpStream, acknowledge: bool) -> io::Result<u64> {
        let mut publish = [0; PUBLISH];
        stream.read_exact(&mut publish)?;
        if acknowledge {
            let mut ack = Vec::new();
            append_ack(u16::from_be_bytes([publish[7], publish[8]]), &mut ack);
            stream.write_all(&ack)?;
        }
        assert!(Stamp::read(&publish[9..]).is_some());
        Ok(Mark::read(&publish[9..])?.sequence)
    }

    #[test]
    fn a_device_comes_back_and_publishes_again_what_was_not_acknowledged() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let broker = thread::spawn(move || {
            let mut stream = accept(&listener)?;
            let first = take(&mut stream, 5, 3)?;
            // What the device still sends is read, or the system would reset the connection and
            // take the acknowledgements with it.
            stream.shutdown(Shutdown::Write)?;
            stream.read_to_end(&mut Vec::new())?;
            let mut stream = accept(&listener)?;
            let second = take(&mut stream, 20, 20)?;
            Ok::<_, io::Error>((first, second, stream))
        });
        let devices = Devices::start(address, PLAN, Instant::now()).unwrap();
        let (first, second, _open) = broker.join().unwrap().unwrap();
        assert_eq!(first, [0, 1, 2, 3, 4]);
        assert_eq!(second, (3..23).collect::<Vec<u64>>());
        let deadline = Instant::now() + Duration::from_secs(10);
        while devices.acknowledged() < 23 && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(devices.acknowledged(), 23);
    }
}
