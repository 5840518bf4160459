//! What waits in a session that outlived its connection, taken and counted.

use std::{
    io::{self, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    inbox::{Inbox, Packet},
    seen::Seen,
    wire::{append_ack, broken},
};

/// After this long without a message the rest counts as missing.
const QUIET: Duration = Duration::from_secs(2);

/// What a session held.
pub(crate) struct Drained {
    /// Different messages.
    pub(crate) received: u64,
    pub(crate) missing: u64,
    pub(crate) duplicates: u64,
    /// Messages that came after one that was published later.
    pub(crate) late: u64,
    /// Until the last new message.
    pub(crate) elapsed: Duration,
}

/// Takes and acknowledges what the broker sends over `stream` until it has sent all of `wanted`,
/// the numbers of messages by publisher, or falls silent.
pub(crate) fn drain(mut stream: TcpStream, wanted: &[u64]) -> io::Result<Drained> {
    stream.set_read_timeout(Some(QUIET))?;
    let start = Instant::now();
    let mut inbox = Inbox::new();
    let mut acks = Vec::new();
    let mut seen: Vec<Seen> = wanted.iter().map(|_| Seen::default()).collect();
    let (mut received, mut elapsed) = (0, Duration::ZERO);
    let all: u64 = wanted.iter().sum();
    while received < all && start.elapsed() < elapsed + QUIET {
        inbox.read(&mut stream)?;
        while let Some(packet) = inbox.next()? {
            count(&packet, &mut seen, &mut acks)?;
        }
        stream.write_all(&acks)?;
        acks.clear();
        let before = received;
        received = seen.iter().map(Seen::unique).sum();
        if received > before {
            elapsed = start.elapsed();
        }
    }
    let missing = |(wanted, seen): (&u64, &Seen)| wanted.saturating_sub(seen.unique());
    Ok(Drained {
        received,
        missing: wanted.iter().zip(&seen).map(missing).sum(),
        duplicates: seen.iter().map(Seen::duplicates).sum(),
        late: seen.iter().map(Seen::late).sum(),
        elapsed,
    })
}

fn count(packet: &Packet, seen: &mut [Seen], acks: &mut Vec<u8>) -> io::Result<()> {
    let Packet::Publish { packet_id, mark } = packet else {
        return Err(broken(format!("a subscriber was sent {packet:?}")));
    };
    if let Some(packet_id) = packet_id {
        append_ack(*packet_id, acks);
    }
    match seen.get_mut(usize::from(mark.publisher)) {
        Some(seen) => seen.insert(mark.sequence),
        None => return Err(broken(format!("a message of nobody: {mark:?}"))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        net::{Ipv4Addr, TcpListener},
        thread,
    };

    use super::*;
    use crate::wire::Frame;

    #[test]
    fn what_a_session_is_without_is_missing_and_what_came_is_acknowledged() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut broker, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        for (publisher, sequence) in [(0, 0), (1, 0), (1, 2), (1, 1), (1, 1)] {
            Frame::new("t", false, 1, 64, 1, publisher).append(sequence, &mut bytes);
        }
        broker.write_all(&bytes).unwrap();
        let acks = thread::spawn(move || {
            let mut acks = Vec::new();
            broker.read_to_end(&mut acks).map(|_| acks)
        });
        let drained = drain(client, &[2, 3]).unwrap();
        assert_eq!((drained.received, drained.missing), (4, 1));
        assert_eq!((drained.duplicates, drained.late), (1, 1));
        let acks = acks.join().unwrap().unwrap();
        let ids: Vec<u8> = acks.chunks(4).map(|ack| ack[3]).collect();
        assert_eq!(ids, [1, 1, 3, 2, 2]);
    }
}
