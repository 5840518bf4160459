//! MQTT in WebSocket messages (RFC 6455; MQTT 5, 6).
//!
//! - A message is held whole before its bytes are passed on. It may be larger than a packet, since
//!   a message can carry many, but not without a bound: beyond it the connection is closed with
//!   1009.
//! - What is written leaves as messages of bounded size, one at a time: a peer that does not read
//!   is felt at once.
//! - Anything but binary messages is closed with 1003, what breaks a rule with 1002.

#[cfg(test)]
mod tests;
mod upgrade;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

pub(crate) use upgrade::{Upgraded, upgrade};

/// Bytes in a message that is sent.
const MAX_PAYLOAD: usize = 16 * 1024;
/// Bytes that are read at once; an idle connection holds a buffer of this size.
///
/// The stream goes back to this size after a large message only if it is a power of two from 1 KiB.
const READ_BUFFER: usize = 1024;
/// Every client may send messages of this size, however small its packets have to be.
const LARGE_MESSAGE: usize = 1024 * 1024;
/// How long a peer may take to answer a Close.
const LINGER: Duration = Duration::from_secs(1);

/// The server's side of a WebSocket connection, as a stream of the bytes in its messages.
pub(crate) struct WebSocket<S> {
    stream: WebSocketStream<S>,
    /// What was not read yet of the latest message.
    ///
    /// It is let go only when the stream was asked for the next one: the stream keeps a buffer
    /// that nobody else holds, and with it the size of the largest message for good.
    message: Bytes,
    /// The Close that is to be sent when there is room.
    close: Option<CloseFrame>,
    /// A Close is on its way to the peer; nothing follows it.
    is_closed: bool,
    ended: Option<Ended>,
}

/// Why nothing more comes.
enum Ended {
    /// The peer closed.
    Closed,
    /// The peer broke a rule; which one.
    Breach(String),
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Takes a connection after its handshake, on which packets have at most `max_packet_size`.
    pub(crate) async fn new(stream: S, max_packet_size: usize) -> WebSocket<S> {
        let config = Some(config(max_packet_size));
        WebSocket {
            stream: WebSocketStream::from_raw_socket(stream, Role::Server, config).await,
            message: Bytes::new(),
            close: None,
            is_closed: false,
            ended: None,
        }
    }

    /// The rule of WebSocket that the peer broke, if it did.
    pub(crate) fn breach(&self) -> Option<&str> {
        match self.ended.as_ref()? {
            Ended::Breach(what) => Some(what),
            Ended::Closed => None,
        }
    }

    /// Waits for the peer's answer to a Close, so that it finds the connection closed in order.
    pub(crate) async fn linger(&mut self) {
        let answered = async {
            while self.is_closed && self.ended.is_none() {
                let next = poll_fn(|context| self.stream.poll_next_unpin(context)).await;
                if self.keep(next).is_err() {
                    return;
                }
            }
            if self.breach().is_some() {
                // What is left unread would take the Close back.
                let (stream, mut scrap) = (self.stream.get_mut(), [0; 256]);
                while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
            }
        };
        // A peer that does not answer has had its time.
        timeout(LINGER, answered).await.ok();
    }

    /// Keeps what came.
    fn keep(&mut self, next: Option<Result<Message, Error>>) -> io::Result<()> {
        match next {
            Some(Ok(Message::Binary(message))) => self.message = message,
            Some(Ok(Message::Text(_))) => {
                self.fail(
                    CloseCode::Unsupported,
                    "a text message comes, and MQTT is binary",
                );
            }
            // The stream answers both, and a Close that has no proper code with this one.
            Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::Protocol => {
                let what = "a Close has no proper code, or says that a rule was broken here";
                self.ended = Some(Ended::Breach(what.to_owned()));
            }
            Some(Ok(Message::Close(_))) | None => self.ended = Some(Ended::Closed),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                self.ended = Some(Ended::Closed);
            }
            Some(Err(error @ Error::Protocol(_))) => {
                self.fail(CloseCode::Protocol, &error.to_string());
            }
            Some(Err(error @ Error::Capacity(_))) => {
                self.fail(CloseCode::Size, &error.to_string());
            }
            Some(Err(Error::Utf8(_))) => self.fail(CloseCode::Invalid, "a text is not UTF-8"),
            Some(Err(error)) => return Err(into_io(error)),
        }
        Ok(())
    }

    /// The peer broke a rule: closes with `code`.
    fn fail(&mut self, code: CloseCode, what: &str) {
        if !self.is_closed {
            self.close_with(code, what);
        }
        self.ended = Some(Ended::Breach(what.to_owned()));
    }

    fn close_with(&mut self, code: CloseCode, reason: &str) {
        self.is_closed = true;
        self.close = Some(CloseFrame {
            code,
            reason: reason.into(),
        });
    }

    /// Sends all that waits; a Close last.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_flush_unpin(context)).map_err(into_io)?;
            let Some(close) = self.close.take() else {
                return Poll::Ready(Ok(()));
            };
            let close = Message::Close(Some(close));
            self.stream.start_send_unpin(close).map_err(into_io)?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A peer that only pings ends this by running out of what the runtime grants a task.
        while self.message.is_empty() {
            if let Some(ended) = &self.ended {
                let result = match ended {
                    Ended::Closed => Ok(()),
                    Ended::Breach(what) => {
                        Err(io::Error::new(io::ErrorKind::InvalidData, what.clone()))
                    }
                };
                // The answer to the peer; the task is woken when there is room.
                return match self.poll_sent(context) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(result),
                };
            }
            match self.stream.poll_next_unpin(context) {
                Poll::Ready(next) => self.keep(next)?,
                Poll::Pending => {
                    self.message = Bytes::new();
                    return Poll::Pending;
                }
            }
        }
        let count = self.message.len().min(buffer.remaining());
        buffer.put_slice(&self.message[..count]);
        self.message.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(context))?;
        if self.is_closed || self.ended.is_some() {
            // As after a reset: what comes too late goes nowhere.
            return Poll::Ready(Ok(bytes.len()));
        }
        let part = &bytes[..bytes.len().min(MAX_PAYLOAD)];
        if !part.is_empty() {
            let message = Message::Binary(Bytes::copy_from_slice(part));
            self.stream.start_send_unpin(message).map_err(into_io)?;
        }
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_closed && self.ended.is_none() {
            self.close_with(CloseCode::Normal, "");
        }
        ready!(self.poll_sent(context))?;
        Pin::new(self.stream.get_mut()).poll_shutdown(context)
    }
}

/// The bounds of a connection.
fn config(max_packet_size: usize) -> WebSocketConfig {
    let max_message = max_packet_size.saturating_mul(2).max(LARGE_MESSAGE);
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        // One message and answers to pings; without room only the latest ping is answered.
        .max_write_buffer_size(2 * MAX_PAYLOAD)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
