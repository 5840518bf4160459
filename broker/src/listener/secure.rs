//! What a listener hands connections to: for the handshake that makes them secure, and for
//! requests in HTTP that are not about MQTT.

use std::{error::Error, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};

use super::transport::Transport;
use crate::{
    hooks::{Answer, Principal},
    peer::Peer,
};

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections secure and finds out from whom they come.
pub trait Secure: Send + Sync + 'static {
    /// Does the server's side of the handshake; the broker sees to it that it ends in time.
    ///
    /// # Errors
    /// What was wrong, for the log; the client has been told what it may know.
    fn secure(
        &self,
        transport: Transport,
        peer: Peer,
    ) -> Answer<'_, Result<Secured, Box<dyn Error + Send + Sync>>>;
}

/// A connection that is secure.
pub struct Secured {
    /// What was said within.
    pub stream: Box<dyn Stream>,
    /// Who the client is, if it has shown it.
    pub principal: Option<Arc<dyn Principal>>,
    /// What the client has chosen to speak, if it has.
    pub application: Option<Application>,
}

/// What is spoken on a secure connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Application {
    /// MQTT.
    Mqtt,
    /// HTTP, which a WebSocket begins with, too.
    Http,
}

/// Serves requests in HTTP that are not about MQTT.
pub trait Web: Send + Sync + 'static {
    /// Serves one connection; the broker sees to it that it ends in time.
    fn serve(
        &self,
        stream: Box<dyn Stream>,
        peer: Peer,
        principal: Option<Arc<dyn Principal>>,
    ) -> Answer<'_, ()>;
}
