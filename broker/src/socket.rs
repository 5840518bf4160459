//! A byte stream with its buffers.
//!
//! Reading and writing go on at once in one future; a connection that is idle has no
//! buffers, others grow with its traffic, and are bounded by their users.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::codec::{DecodeError, Frame};

/// What a connection without a read buffer reads at most.
const PROBE: usize = 1024;
/// The size of a busy connection's read buffer, unless one packet needs more.
const BUSY_BUFFER: usize = 64 * 1024;
/// So many short reads in a row make a connection idle.
const SHORT_READS: u32 = 16;

/// A connection's stream, what was read from it and what is to be written.
pub(crate) struct Socket<S> {
    stream: S,
    pub(crate) input: Input,
    /// Bytes to write; append and call [`Socket::progress`].
    pub(crate) output: Vec<u8>,
    written: usize,
}

/// What happened to a stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// Something was read.
    pub(crate) read: bool,
    /// The peer sends nothing more.
    pub(crate) end: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) fn new(stream: S) -> Socket<S> {
        Socket {
            stream,
            input: Input::default(),
            output: Vec::new(),
            written: 0,
        }
    }

    /// Bytes that wait to be written.
    pub(crate) fn unwritten(&self) -> usize {
        self.output.len() - self.written
    }

    /// Waits until something was read or written; reads only while `reading`. Cancel-safe.
    pub(crate) async fn progress(&mut self, reading: bool) -> io::Result<Progress> {
        poll_fn(|context| {
            let wrote = self.poll_write(context)?;
            let read = if reading {
                self.input.poll_read(&mut self.stream, context)?
            } else {
                None
            };
            match read {
                Some(bytes) => Poll::Ready(Ok(Progress {
                    read: bytes > 0,
                    end: bytes == 0,
                })),
                None if wrote => Poll::Ready(Ok(Progress::default())),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Writes everything that waits, and closes the sending side.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        while self.unwritten() > 0 {
            self.progress(false).await?;
        }
        poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await
    }

    /// Writes what the stream takes; whether it took anything.
    fn poll_write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let mut wrote = false;
        while self.written < self.output.len() {
            match Pin::new(&mut self.stream).poll_write(context, &self.output[self.written..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(bytes) => {
                    self.written += bytes;
                    wrote = true;
                }
                Poll::Pending => break,
            }
        }
        if self.written == self.output.len() {
            let is_idle = self.written < PROBE && self.output.capacity() > PROBE;
            self.written = 0;
            self.output.clear();
            self.output.shrink_to(if is_idle { 0 } else { BUSY_BUFFER });
            // What the stream took and still holds; if it cannot go yet, this task is woken.
            if let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(context) {
                flushed?;
            }
        }
        Ok(wrote)
    }
}

/// Bytes that were read and not yet handled.
#[derive(Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    short_reads: u32,
}

impl Input {
    /// The first packet, when it has come whole.
    pub(crate) fn frame(&self, limit: usize) -> Result<Option<Frame<'_>>, DecodeError> {
        Frame::first(&self.buffer[self.start..self.end], limit)
    }

    /// The first `bytes` were handled.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() <= PROBE || self.short_reads >= SHORT_READS {
                self.buffer = Vec::new();
            }
        }
    }

    /// Reads once; `None` while there is nothing.
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> io::Result<Option<usize>> {
        if self.buffer.is_empty() {
            return self.probe(stream, context);
        }
        self.make_room();
        let mut free = ReadBuf::new(&mut self.buffer[self.end..]);
        let Poll::Ready(result) = poll_once(stream, context, &mut free) else {
            return Ok(None);
        };
        let bytes = result?;
        self.end += bytes;
        self.short_reads = if bytes < PROBE {
            self.short_reads + 1
        } else {
            0
        };
        if self.end == self.buffer.len() && self.buffer.len() < BUSY_BUFFER {
            let size = (self.buffer.len() * 4).min(BUSY_BUFFER);
            self.buffer.resize(size, 0);
        }
        Ok(Some(bytes))
    }

    /// Reads without a buffer; only what comes needs one.
    fn probe<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> io::Result<Option<usize>> {
        let mut bytes = [0; PROBE];
        let Poll::Ready(result) = poll_once(stream, context, &mut ReadBuf::new(&mut bytes)) else {
            return Ok(None);
        };
        let count = result?;
        self.short_reads = 0;
        self.end = count;
        self.buffer = bytes[..count].to_vec();
        if count == PROBE {
            self.buffer.resize(4 * PROBE, 0);
        }
        Ok(Some(count))
    }

    /// Room for the rest of the first packet, or for one read.
    ///
    /// A packet gets no more room at once than as much again as has come of it.
    fn make_room(&mut self) {
        let held = self.end - self.start;
        let needed = Frame::announced(&self.buffer[self.start..self.end])
            .unwrap_or(0)
            .min((4 * PROBE).max(2 * held))
            .max(held + 1);
        if self.start > 0
            && (self.end == self.buffer.len() || self.start + needed > self.buffer.len())
        {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.buffer.len() < needed {
            self.buffer.resize(needed.max(PROBE), 0);
        }
    }
}

fn poll_once<S: AsyncRead + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    free: &mut ReadBuf<'_>,
) -> Poll<io::Result<usize>> {
    let before = free.filled().len();
    ready!(Pin::new(stream).poll_read(context, free))?;
    Poll::Ready(Ok(free.filled().len() - before))
}
