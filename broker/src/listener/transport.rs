//! A connection as the system gives it, whatever it runs over.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::handshakes::Meter;

/// A connection as the system gives it.
#[derive(Debug)]
pub struct Transport {
    socket: Socket,
    /// Counts what comes while nobody knows from whom.
    meter: Option<Box<Meter>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Transport {
        Socket::Tcp(stream).into()
    }
}

impl From<UnixStream> for Transport {
    fn from(stream: UnixStream) -> Transport {
        Socket::Unix(stream).into()
    }
}

impl From<Socket> for Transport {
    fn from(socket: Socket) -> Transport {
        Transport {
            socket,
            meter: None,
        }
    }
}

impl Transport {
    /// Counts what comes by `meter`, for as long as that has something to count.
    pub(super) fn count_by(&mut self, meter: Meter) {
        self.meter = Some(Box::new(meter));
    }

    /// Sends small packets at once: acknowledgements should not wait for each other.
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Tcp(stream) => stream.set_nodelay(true),
            Socket::Unix(_) => Ok(()),
        }
    }
}

/// Calls a method of whichever stream it is.
macro_rules! either {
    ($transport:expr, $method:ident($($argument:expr),*)) => {
        match &mut $transport.socket {
            Socket::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Socket::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = either!(self, poll_read(context, buffer));
        if let Some(meter) = &mut self.meter
            && !meter.count(buffer.filled().len() - before)
        {
            self.meter = None;
        }
        read
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(context))
    }
}
