//! MQTT in WebSocket messages (RFC 6455; MQTT 5, 6).
//!
//! - Frames are taken apart as they come, in the buffer that they are read into: neither a frame
//!   nor a message is ever held whole, so that their size needs no bound.
//! - What is written leaves as frames of bounded size, straight from the caller's buffer: a peer
//!   that does not read is felt at once.

mod decoder;
#[cfg(test)]
mod tests;
mod upgrade;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::timeout,
};

use decoder::{Decoder, Ended};
pub(crate) use upgrade::upgrade;

/// Bytes in a frame that is sent; what their length needs is two bytes.
const MAX_PAYLOAD: usize = 0xFFFF;
/// How long a peer may take to answer a Close.
const LINGER: Duration = Duration::from_secs(1);

const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The server's side of a WebSocket connection, as a stream of the bytes in its messages.
pub(crate) struct WebSocket<S> {
    stream: S,
    decoder: Decoder,
    frame: Begun,
    /// A control frame on its way; it begins and ends between other frames.
    control: Vec<u8>,
    control_at: usize,
    /// The body of the Close that is to be sent.
    close: Option<Vec<u8>>,
    /// Nothing follows a Close.
    is_closed: bool,
}

/// A frame that was begun to be sent.
#[derive(Default)]
struct Begun {
    header: [u8; 4],
    /// What is left of the header lies behind this.
    header_at: usize,
    /// Bytes of its payload that are still to be sent; zero between frames.
    owed: usize,
}

impl<S> WebSocket<S> {
    /// Takes a connection after its handshake.
    pub(crate) fn new(stream: S) -> WebSocket<S> {
        WebSocket {
            stream,
            decoder: Decoder::default(),
            frame: Begun::default(),
            control: Vec::new(),
            control_at: 0,
            close: None,
            is_closed: false,
        }
    }

    /// The rule of WebSocket that the peer broke, if it did.
    pub(crate) fn breach(&self) -> Option<&'static str> {
        match self.decoder.ended()? {
            Ended::Breach(breach) => Some(breach.what),
            Ended::Closed { .. } => None,
        }
    }

    /// The next control frame to send, when there is one.
    fn next_control(&mut self) -> Option<Vec<u8>> {
        if self.is_closed {
            return None;
        }
        if let Some(body) = self.decoder.take_ping() {
            return Some(control_frame(PONG, &body));
        }
        let body = self.close.take()?;
        self.is_closed = true;
        Some(control_frame(CLOSE, &body))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Waits for the peer's answer to a Close, so that it finds the connection closed in order.
    pub(crate) async fn linger(&mut self) {
        let answered = async {
            let mut scrap = [0; 256];
            while self.is_closed && !matches!(self.decoder.ended(), Some(Ended::Closed { .. })) {
                match self.stream.read(&mut scrap).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => self.decoder.decode(&mut scrap[..count]),
                };
            }
        };
        // A peer that does not answer has had its time.
        timeout(LINGER, answered).await.ok();
    }

    /// Sends all control frames that are due; only between other frames.
    fn poll_control(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.control_at < self.control.len() {
                let rest = &self.control[self.control_at..];
                self.control_at +=
                    sent(ready!(Pin::new(&mut self.stream).poll_write(context, rest)))?;
            }
            self.control_at = 0;
            match self.next_control() {
                Some(frame) => self.control = frame,
                None => {
                    self.control = Vec::new();
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Sends control frames unless a frame is under way, which sends them when it is over.
    fn try_control(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.frame.owed > 0 {
            return Ok(());
        }
        match self.poll_control(context) {
            Poll::Ready(result) => result,
            // The task is woken when there is room.
            Poll::Pending => Ok(()),
        }
    }

    /// Sends as much of the frame that was begun as the stream takes: bytes of its payload.
    fn poll_frame(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let payload = &bytes[..bytes.len().min(self.frame.owed)];
        let stream = Pin::new(&mut self.stream);
        let header = &self.frame.header[self.frame.header_at..];
        let count = if header.is_empty() {
            sent(ready!(stream.poll_write(context, payload)))?
        } else {
            let parts = [IoSlice::new(header), IoSlice::new(payload)];
            sent(ready!(stream.poll_write_vectored(context, &parts)))?
        };
        let of_header = count.min(header.len());
        self.frame.header_at += of_header;
        self.frame.owed -= count - of_header;
        Poll::Ready(Ok(count - of_header))
    }

    /// Keeps what a newly decoded end asks for.
    fn answer_end(&mut self) {
        if self.is_closed || self.close.is_some() {
            return;
        }
        self.close = self.decoder.ended().map(|ended| match ended {
            Ended::Closed { code } => code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec()),
            Ended::Breach(breach) => close_body(breach.code, breach.what),
        });
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A peer that only pings ends this by running out of what the runtime grants a task.
        loop {
            self.try_control(context)?;
            match self.decoder.ended() {
                Some(Ended::Closed { .. }) => return Poll::Ready(Ok(())),
                Some(Ended::Breach(breach)) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, breach.what);
                    return Poll::Ready(Err(error));
                }
                None => {}
            }
            let start = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let read = &mut buffer.filled_mut()[start..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let payload = self.decoder.decode(read);
            buffer.set_filled(start + payload);
            self.answer_end();
            if payload > 0 {
                self.try_control(context)?;
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.frame.owed == 0 {
                ready!(self.poll_control(context))?;
                if self.is_closed {
                    // As after a reset: what comes too late goes nowhere.
                    return Poll::Ready(Ok(bytes.len()));
                }
                self.frame = Begun::of(bytes.len().min(MAX_PAYLOAD));
            }
            if bytes.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let count = ready!(self.poll_frame(context, bytes))?;
            if count > 0 {
                self.try_control(context)?;
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.frame.owed == 0 {
            ready!(self.poll_control(context))?;
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.frame.owed == 0 {
            if !self.is_closed && self.close.is_none() {
                self.close = Some(close_body(1000, ""));
            }
            ready!(self.poll_control(context))?;
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Begun {
    /// A frame of one binary message.
    fn of(payload: usize) -> Begun {
        let (mut header, length) = ([0; 4], payload as u16);
        let begin = if payload < 126 {
            header[2..].copy_from_slice(&[0x80 | BINARY, length as u8]);
            2
        } else {
            header[..2].copy_from_slice(&[0x80 | BINARY, 126]);
            header[2..].copy_from_slice(&length.to_be_bytes());
            0
        };
        Begun {
            header,
            header_at: begin,
            owed: payload,
        }
    }
}

/// Bytes that a stream took.
fn sent(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    }
}

fn control_frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode, body.len() as u8];
    frame.extend_from_slice(body);
    frame
}

/// A status code and what it means here, which is short enough for a control frame.
fn close_body(code: u16, reason: &str) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    body.extend_from_slice(reason.as_bytes());
    body
}
