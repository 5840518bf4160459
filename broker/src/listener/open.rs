//! From a connection to a stream of MQTT packets, whatever it is wrapped in.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{Origins, Protocol, prefixed::Prefixed};
use crate::websocket::{WebSocket, upgrade};

/// How much is read to see what a client speaks: nearly every CONNECT.
const FIRST_READ: usize = 512;

/// A stream that MQTT packets come from and go to.
pub(super) enum Opened<S> {
    Mqtt(Prefixed<S>),
    WebSocket(Box<WebSocket<Prefixed<S>>>),
}

/// Finds out what the client speaks and opens that; the error says why the client was refused.
pub(super) async fn open<S>(
    mut stream: S,
    protocol: Protocol,
    origins: &Origins,
    max_packet_size: usize,
) -> Result<Opened<S>, &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = Vec::new();
    match protocol {
        Protocol::Mqtt => return Ok(Opened::Mqtt(Prefixed::new(first, stream))),
        Protocol::WebSocket => {}
        Protocol::Any => {
            first.reserve(FIRST_READ);
            let read = stream.read_buf(&mut first).await;
            read.map_err(|_| "the connection was lost")?;
            // A CONNECT begins with 0x10; the G of a GET begins no packet (MQTT 5, 2.1.3).
            if first.first() != Some(&b'G') {
                return Ok(Opened::Mqtt(Prefixed::new(first, stream)));
            }
        }
    }
    let rest = upgrade(&mut stream, first, origins).await?;
    let stream = WebSocket::new(Prefixed::new(rest, stream), max_packet_size).await;
    Ok(Opened::WebSocket(Box::new(stream)))
}
