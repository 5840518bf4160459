//! What a broker sends to a load, scanned where it lies: only acknowledgements and marks leave the
//! buffer.

use std::io::{self, ErrorKind, Read};

use crate::wire::{Mark, broken};

const CAPACITY: usize = 256 * 1024;

/// What a broker sends to a load.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Packet {
    Ack(u16),
    /// A message; `packet_id` is there when it is to be acknowledged.
    Publish {
        packet_id: Option<u16>,
        mark: Mark,
    },
}

/// Bytes that arrived and are not scanned yet.
pub(crate) struct Inbox {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; CAPACITY].into(),
            start: 0,
            end: 0,
        }
    }

    /// Reads once; true if the socket may hold more.
    pub(crate) fn read(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        match stream.read(&mut self.buffer[self.end..]) {
            Ok(0) => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the broker closed a connection",
            )),
            Ok(read) => {
                self.end += read;
                Ok(self.end == self.buffer.len())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes the next whole packet.
    pub(crate) fn next(&mut self) -> io::Result<Option<Packet>> {
        let bytes = &self.buffer[self.start..self.end];
        let Some((header, length)) = remaining_length(bytes)? else {
            return Ok(None);
        };
        if header + length > self.buffer.len() {
            return Err(broken(format!(
                "a packet of {length} bytes, which no publisher sent"
            )));
        }
        let Some(body) = bytes.get(header..header + length) else {
            return Ok(None);
        };
        self.start += header + length;
        match bytes[0] >> 4 {
            3 => publish(bytes[0], body).map(Some),
            4 if body.len() == 2 => Ok(Some(Packet::Ack(u16::from_be_bytes([body[0], body[1]])))),
            kind => Err(broken(format!(
                "a packet of type {kind}, which a load does not expect"
            ))),
        }
    }
}

/// The length of the fixed header and of what follows it, once the whole header is there.
fn remaining_length(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut length = 0;
    for index in 0..4 {
        let Some(&byte) = bytes.get(1 + index) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((2 + index, length)));
        }
    }
    Err(broken(
        "a remaining length of more than four bytes".to_owned(),
    ))
}

fn publish(first: u8, body: &[u8]) -> io::Result<Packet> {
    let short = || broken("a PUBLISH shorter than its header".to_owned());
    let text = body
        .first_chunk()
        .map(|length| usize::from(u16::from_be_bytes(*length)))
        .ok_or_else(short)?;
    let rest = body.get(2 + text..).ok_or_else(short)?;
    if first & 0b0110 == 0 {
        return Ok(Packet::Publish {
            packet_id: None,
            mark: Mark::read(rest)?,
        });
    }
    let (packet_id, payload) = rest.split_first_chunk().ok_or_else(short)?;
    Ok(Packet::Publish {
        packet_id: Some(u16::from_be_bytes(*packet_id)),
        mark: Mark::read(payload)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, append_ack};

    fn scan(bytes: &[u8], step: usize) -> Vec<Packet> {
        let mut inbox = Inbox::new();
        let mut packets = Vec::new();
        for mut chunk in bytes.chunks(step) {
            inbox.read(&mut chunk).unwrap();
            while let Some(packet) = inbox.next().unwrap() {
                packets.push(packet);
            }
        }
        packets
    }

    #[test]
    fn a_message_comes_back_with_its_mark_and_packet_id_however_it_is_cut() {
        let mut bytes = Vec::new();
        let mut frame = Frame::new("bench/ingest/7", false, 1, 256, 3, 49);
        frame.append(65_535, &mut bytes);
        append_ack(258, &mut bytes);
        Frame::new("bench/a", true, 0, 64, 4, 1).append(0xff_ffff_fffe, &mut bytes);
        let wanted = [
            Packet::Publish {
                packet_id: Some(1),
                mark: Mark {
                    run: 3,
                    publisher: 49,
                    sequence: 65_535,
                },
            },
            Packet::Ack(258),
            Packet::Publish {
                packet_id: None,
                mark: Mark {
                    run: 4,
                    publisher: 1,
                    sequence: 0xff_ffff_fffe,
                },
            },
        ];
        for step in [1, 2, 7, 300, bytes.len()] {
            assert_eq!(scan(&bytes, step), wanted, "in pieces of {step}");
        }
    }

    #[test]
    fn a_payload_without_a_mark_is_an_error() {
        let mut inbox = Inbox::new();
        inbox.read(&mut &b"\x30\x05\x00\x01thi"[..]).unwrap();
        assert!(inbox.next().is_err());
    }
}
