//! Frames from a client, taken apart as their bytes come (RFC 6455, 5).

use super::{BINARY, CLOSE, PING, PONG};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
/// The longest header of a client: two bytes, eight for the length, four for the mask.
const MAX_HEADER: usize = 14;
/// Bytes in a control frame at most (5.5).
const MAX_CONTROL: u64 = 125;

/// Takes the payload of messages out of frames; keeps nothing of it.
#[derive(Default)]
pub(super) struct Decoder {
    state: State,
    /// A message is open: its next frame is a continuation.
    in_message: bool,
    /// The body of the latest ping, if nobody has taken it.
    ping: Option<Vec<u8>>,
    ended: Option<Ended>,
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// The peer closed; what to answer, if it gave a code.
    Closed { code: Option<u16> },
    /// The peer broke a rule.
    Breach(Breach),
}

/// A broken rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Breach {
    /// The status code for the peer (7.4.1).
    pub(super) code: u16,
    pub(super) what: &'static str,
}

/// What the next byte is.
enum State {
    Header {
        bytes: [u8; MAX_HEADER],
        have: usize,
    },
    Payload(Frame),
    Control(Frame, Vec<u8>),
}

/// What a header says.
#[derive(Clone, Copy)]
struct Frame {
    opcode: u8,
    is_last: bool,
    left: u64,
    /// Begins with the key for the next byte.
    mask: [u8; 4],
}

impl Default for State {
    fn default() -> State {
        State::Header {
            bytes: [0; MAX_HEADER],
            have: 0,
        }
    }
}

impl Decoder {
    /// Decodes what was read; the payload of messages is moved to the front, and so much it is.
    pub(super) fn decode(&mut self, bytes: &mut [u8]) -> usize {
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() && self.ended.is_none() {
            match &mut self.state {
                State::Header {
                    bytes: header,
                    have,
                } => {
                    header[*have] = bytes[from];
                    *have += 1;
                    from += 1;
                    let (header, have) = (*header, *have);
                    self.header(&header[..have]);
                }
                State::Payload(frame) => {
                    let count = frame.available(bytes.len() - from);
                    bytes.copy_within(from..from + count, to);
                    frame.take(&mut bytes[to..to + count]);
                    from += count;
                    to += count;
                }
                State::Control(frame, body) => {
                    let count = frame.available(bytes.len() - from);
                    let part = &mut bytes[from..from + count];
                    frame.take(part);
                    body.extend_from_slice(part);
                    from += count;
                }
            }
            self.finish_frame();
        }
        to
    }

    /// Why nothing more comes, once that is so.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// The body of the latest ping that was not answered: older ones need no answer (5.5.3).
    pub(super) fn take_ping(&mut self) -> Option<Vec<u8>> {
        self.ping.take()
    }

    /// Reads a header when it is there whole.
    fn header(&mut self, header: &[u8]) {
        let parsed = match Frame::parse(header) {
            Ok(None) => return,
            Ok(Some(frame)) => self.expect(frame).map(|()| frame),
            Err(breach) => Err(breach),
        };
        match parsed {
            Ok(frame) if frame.is_control() => {
                self.state = State::Control(frame, Vec::with_capacity(frame.left as usize));
            }
            Ok(frame) => self.state = State::Payload(frame),
            Err(breach) => self.ended = Some(Ended::Breach(breach)),
        }
    }

    /// Whether `frame` may come here; keeps track of messages in several frames (5.4).
    fn expect(&mut self, frame: Frame) -> Result<(), Breach> {
        match (frame.opcode, self.in_message) {
            (TEXT, _) => Err(Breach {
                code: 1003,
                what: "a text message comes, and MQTT is binary",
            }),
            (BINARY, false) | (CONTINUATION, true) => {
                self.in_message = !frame.is_last;
                Ok(())
            }
            (BINARY, true) => Err(protocol("a message begins within another")),
            (CONTINUATION, false) => Err(protocol("a message is continued that was not begun")),
            _ => Ok(()),
        }
    }

    /// Goes on to the next header behind the last byte of a frame.
    fn finish_frame(&mut self) {
        let is_over = |frame: &Frame| frame.left == 0;
        match &mut self.state {
            State::Payload(frame) if is_over(frame) => {}
            State::Control(frame, body) if is_over(frame) => match frame.opcode {
                PING => self.ping = Some(std::mem::take(body)),
                CLOSE => self.ended = Some(closed(body)),
                _ => {}
            },
            _ => return,
        }
        self.state = State::default();
    }
}

impl Frame {
    /// What `header` says, when it is there whole; what is wrong is found as early as it can be.
    fn parse(header: &[u8]) -> Result<Option<Frame>, Breach> {
        let &[first, second, ref rest @ ..] = header else {
            return Ok(None);
        };
        let frame = Frame {
            opcode: first & 0x0F,
            is_last: first & 0x80 != 0,
            left: u64::from(second & 0x7F),
            mask: [0; 4],
        };
        if first & 0x70 != 0 {
            return Err(protocol(
                "a reserved bit is set, and no extension is in use",
            ));
        }
        if !matches!(
            frame.opcode,
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG
        ) {
            return Err(protocol("a frame has a reserved opcode"));
        }
        if second & 0x80 == 0 {
            return Err(protocol("a frame is not masked"));
        }
        if frame.is_control() && (!frame.is_last || frame.left > MAX_CONTROL) {
            return Err(protocol("a control frame is too long or in parts"));
        }
        let size = match frame.left {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((length, mask)) = rest.split_at_checked(size) else {
            return Ok(None);
        };
        let Ok(mask) = <[u8; 4]>::try_from(mask) else {
            return Ok(None);
        };
        let left = match size {
            0 => frame.left,
            _ => length
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if left > u64::MAX / 2 {
            return Err(protocol("a frame is longer than a length can say"));
        }
        Ok(Some(Frame {
            left,
            mask,
            ..frame
        }))
    }

    fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }

    /// How many of so many bytes are its own.
    fn available(&self, bytes: usize) -> usize {
        usize::try_from(self.left).map_or(bytes, |left| left.min(bytes))
    }

    /// Takes the mask off its next bytes.
    fn take(&mut self, bytes: &mut [u8]) {
        let key = u32::from_ne_bytes(self.mask);
        let mut words = bytes.chunks_exact_mut(4);
        for word in &mut words {
            let plain = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]) ^ key;
            word.copy_from_slice(&plain.to_ne_bytes());
        }
        for (byte, key) in words.into_remainder().iter_mut().zip(self.mask) {
            *byte ^= key;
        }
        self.mask.rotate_left(bytes.len() % 4);
        self.left -= bytes.len() as u64;
    }
}

/// What a Close says (5.5.1); its code is answered with the same.
fn closed(body: &[u8]) -> Ended {
    let code = match body {
        [] => return Ended::Closed { code: None },
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        [_] => 0,
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => Ended::Closed { code: Some(code) },
        _ => Ended::Breach(protocol("a Close has no proper code")),
    }
}

fn protocol(what: &'static str) -> Breach {
    Breach { code: 1002, what }
}
