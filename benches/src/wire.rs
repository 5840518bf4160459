//! What a load sends, in the bytes of MQTT 3.1.1.
//!
//! A PUBLISH is encoded once; each message changes its packet id and its mark.

use std::io::{self, ErrorKind};

/// Appends an MQTT string.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
}

/// A whole packet: `first` byte, length, `body`.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

/// How many characters a number takes, in hexadecimal.
const DIGITS: usize = 16;

fn write_number(value: u64, out: &mut [u8]) {
    for (index, digit) in out[..DIGITS].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(value >> (60 - 4 * index)) as usize & 15];
    }
}

fn read_number(text: &[u8]) -> Option<u64> {
    text.get(..DIGITS)?
        .iter()
        .try_fold(0_u64, |value, &digit| match digit {
            b'0'..=b'9' => Some(value << 4 | u64::from(digit - b'0')),
            b'a'..=b'f' => Some(value << 4 | u64::from(digit - b'a' + 10)),
            _ => None,
        })
}

/// Who a message is: the first 16 characters of its payload, in hexadecimal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// Which run of the load, so that a late message of an earlier run is known as such.
    pub(crate) run: u8,
    pub(crate) publisher: u16,
    /// Counts from 0 for each publisher in each run; 40 bits.
    pub(crate) sequence: u64,
}

impl Mark {
    pub(crate) const LENGTH: usize = DIGITS;

    fn write(self, out: &mut [u8]) {
        let value = u64::from(self.run) << 56
            | u64::from(self.publisher) << 40
            | self.sequence & 0xff_ffff_ffff;
        write_number(value, out);
    }

    /// Reads the mark at the start of `payload`.
    pub(crate) fn read(payload: &[u8]) -> io::Result<Self> {
        let value = read_number(payload)
            .ok_or_else(|| broken("a payload does not begin with a mark".to_owned()))?;
        Ok(Self {
            run: (value >> 56) as u8,
            publisher: (value >> 40) as u16,
            sequence: value & 0xff_ffff_ffff,
        })
    }
}

/// When a message was published, in nanoseconds: the 16 characters behind its mark, where the
/// load wrote them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    /// Reads the stamp in `payload`, if there is one.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        read_number(payload.get(Mark::LENGTH..)?).map(Self)
    }
}

/// A PUBLISH of one publisher, encoded once.
pub(crate) struct Frame {
    bytes: Vec<u8>,
    run: u8,
    publisher: u16,
    /// Where the mark is repeated in the topic, if each message has a topic of its own.
    topic_mark: Option<usize>,
    packet_id: Option<usize>,
    mark: usize,
}

impl Frame {
    /// `payload` is the length; `fresh` gives each message a topic level of its own below `topic`.
    pub(crate) fn new(
        topic: &str,
        fresh: bool,
        qos: u8,
        payload: usize,
        run: u8,
        publisher: u16,
    ) -> Self {
        let topic = if fresh {
            format!("{topic}/{}", "0".repeat(Mark::LENGTH))
        } else {
            topic.to_owned()
        };
        let mut body = Vec::new();
        push_text(&mut body, &topic);
        let topic_end = body.len();
        if qos > 0 {
            body.extend([0, 0]);
        }
        let mark = body.len();
        body.extend(filler(publisher).take(payload.max(Mark::LENGTH)));
        let bytes = packet(0x30 | qos << 1, &body);
        let header = bytes.len() - body.len();
        Self {
            bytes,
            run,
            publisher,
            topic_mark: fresh.then(|| header + topic_end - Mark::LENGTH),
            packet_id: (qos > 0).then_some(header + topic_end),
            mark: header + mark,
        }
    }

    /// Appends the message with `sequence` to `out`.
    pub(crate) fn append(&mut self, sequence: u64, out: &mut Vec<u8>) {
        let mark = Mark {
            run: self.run,
            publisher: self.publisher,
            sequence,
        };
        mark.write(&mut self.bytes[self.mark..]);
        if let Some(at) = self.topic_mark {
            mark.write(&mut self.bytes[at..]);
        }
        if let Some(at) = self.packet_id {
            self.bytes[at..at + 2].copy_from_slice(&packet_id(sequence).to_be_bytes());
        }
        out.extend_from_slice(&self.bytes);
    }

    /// As [`append`](Self::append), with a stamp; the payload has at least 32 bytes.
    pub(crate) fn append_stamped(&mut self, sequence: u64, stamp: Stamp, out: &mut Vec<u8>) {
        write_number(stamp.0, &mut self.bytes[self.mark + Mark::LENGTH..]);
        self.append(sequence, out);
    }
}

/// The packet id of a publisher's message: 1 to 65535, round and round.
pub(crate) fn packet_id(sequence: u64) -> u16 {
    (sequence % u64::from(u16::MAX)) as u16 + 1
}

/// Printable text that does not compress to nothing, so that a broker which compresses has work too.
fn filler(publisher: u16) -> impl Iterator<Item = u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(publisher) << 32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[(state >> 58) as usize]
    })
}

/// Appends the PUBACK for `packet_id`.
pub(crate) fn append_ack(packet_id: u16, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

/// The broker did what the protocol, or this load, does not know.
pub(crate) fn broken(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_length_and_the_topic_that_were_asked_for() {
        let mut bytes = Vec::new();
        Frame::new("t", true, 1, 64, 1, 2).append(5, &mut bytes);
        assert_eq!(bytes[..2], [0x32, 2 + 18 + 2 + 64]);
        assert_eq!(&bytes[2..22], b"\x00\x12t/0100020000000005");
        assert_eq!(bytes[22..24], [0, 6]);
        assert_eq!(&bytes[24..40], b"0100020000000005");
        assert_eq!(bytes.len(), 2 + 18 + 2 + 2 + 64);
    }

    #[test]
    fn a_stamp_stands_behind_the_mark_and_is_read_from_there() {
        let (mut stamped, mut plain) = (Vec::new(), Vec::new());
        let mut frame = Frame::new("t", false, 1, 64, 1, 2);
        frame.append(5, &mut plain);
        frame.append_stamped(5, Stamp(0xabc), &mut stamped);
        let (stamped, plain) = (&stamped[7..], &plain[7..]);
        assert_eq!(Mark::read(stamped).ok(), Mark::read(plain).ok());
        assert_eq!(Stamp::read(stamped), Some(Stamp(0xabc)));
        assert_eq!(Stamp::read(plain), None);
        assert_eq!(stamped[32..], plain[32..]);
    }

    #[test]
    fn packet_ids_are_never_zero() {
        assert_eq!(
            [0, 65_534, 65_535, 65_536].map(packet_id),
            [1, 65_535, 1, 2]
        );
    }
}
