//! From a connection to a stream of MQTT packets, whatever it is wrapped in.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{Application, Protocol, accept::Served, prefixed::Prefixed};
use crate::{
    peer::Caller,
    websocket::{Upgraded, WebSocket, upgrade},
};

/// How much is read to see what a client speaks: nearly every CONNECT.
const FIRST_READ: usize = 512;

/// What a client speaks.
pub(super) enum Opened<S> {
    Mqtt(Prefixed<S>),
    WebSocket(Box<WebSocket<Prefixed<S>>>),
    /// A request that is not about MQTT.
    Http(Prefixed<S>),
}

/// Finds out what the client speaks and opens that; the error says why the client was refused.
///
/// `application` is what it has chosen within TLS. Who it is may change with what it asks for.
pub(super) async fn open<S>(
    mut stream: S,
    application: Option<Application>,
    caller: &mut Caller,
    served: &Served,
) -> Result<Opened<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = Vec::new();
    let speaks = match (served.config.protocol, application) {
        (Protocol::Mqtt, Some(Application::Http)) => {
            return Err("HTTP is not served on this listener".to_owned());
        }
        (Protocol::WebSocket, Some(Application::Mqtt)) => {
            return Err("MQTT is served within WebSocket only on this listener".to_owned());
        }
        (Protocol::Mqtt, _) => Application::Mqtt,
        (Protocol::WebSocket, _) => Application::Http,
        (Protocol::Any, Some(chosen)) => chosen,
        (Protocol::Any, None) => {
            first.reserve(FIRST_READ);
            let read = stream.read_buf(&mut first).await;
            read.map_err(|_| "the connection was lost")?;
            // A CONNECT begins with 0x10; the G of a GET begins no packet (MQTT 5, 2.1.3).
            match first.first() {
                Some(b'G') => Application::Http,
                _ => Application::Mqtt,
            }
        }
    };
    if speaks == Application::Mqtt {
        return Ok(Opened::Mqtt(Prefixed::new(first, stream)));
    }
    match upgrade(&mut stream, first, caller, served).await? {
        Upgraded::WebSocket(rest) => {
            let max_packet_size = served.core.limits.max_packet_size;
            let stream = WebSocket::new(Prefixed::new(rest, stream), max_packet_size).await;
            Ok(Opened::WebSocket(Box::new(stream)))
        }
        Upgraded::Other(request) => Ok(Opened::Http(Prefixed::new(request, stream))),
    }
}
