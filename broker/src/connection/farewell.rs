//! How a connection ends.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tracing::{debug, trace};

use super::{Connection, End, FAREWELL};
use crate::{
    acks::PendingAcks,
    codec::{Disconnect, Reason},
    handshake::Terms,
    sessions::Left,
    socket::Socket,
    store::Durable,
    stored::key,
};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Publishes the will where it is due, hands over the session, and says goodbye.
    pub(super) async fn end(mut self: Box<Self>, end: End) {
        let client = self.place.mailbox().client();
        let mut expiry = None;
        let (farewell, publishes_will) = match end {
            End::Disconnected {
                publishes_will,
                expiry: asked,
            } => {
                expiry = asked;
                (None, publishes_will)
            }
            End::Lost => (None, true),
            End::Failed { reason, what } => {
                self.core.fail(&client.id, client.peer, what);
                (Some((reason, what)), true)
            }
            End::TakenOver => {
                let what = "another connection has the client identifier";
                (Some((Reason::SessionTakenOver, what)), true)
            }
            End::Expelled => {
                let what = "the client may not be connected any more";
                self.core.fail(&client.id, client.peer, what);
                self.core.counters.connections_expelled.add(1);
                (Some((Reason::NotAuthorized, what)), true)
            }
            End::Stopping => (
                Some((Reason::ServerShuttingDown, "the gateway stops")),
                true,
            ),
        };
        debug!(client = &*client.id, ?farewell, "disconnected");
        let outlives = self.place.is_lasting() && expiry.unwrap_or(self.place.expiry()) > 0;
        let mut delayed = None;
        match self.will.take() {
            Some(will) if publishes_will && (will.delay == 0 || !outlives) => {
                self.inbound.take_will(&will, &self.core);
            }
            Some(will) if publishes_will => delayed = Some(*will),
            Some(_) => self.inbound.records.delete(&key::will(&client.id)),
            None => {}
        }
        if self.inbound.submit(&self.core, &mut self.acks).is_err() {
            trace!(client = &*client.id, "the store takes nothing");
        }
        let (handshakes, shared) = self.session.end();
        let left = Left {
            handshakes,
            shared,
            will: delayed,
            expiry,
        };
        self.place.leave(left).await;
        let goodbye = Goodbye {
            socket: self.socket,
            acks: self.acks,
            durable: self.durable,
        };
        // Whoever hears nothing more may find the connection closed at any time.
        timeout(FAREWELL, goodbye.say(farewell, &self.terms))
            .await
            .ok();
    }
}

/// What is left of a connection whose session is handed over.
struct Goodbye<S> {
    socket: Socket<S>,
    acks: PendingAcks,
    durable: Durable,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Goodbye<S> {
    /// Sends the acknowledgements that are still due, then DISCONNECT.
    async fn say(mut self, farewell: Option<(Reason, &str)>, terms: &Terms) {
        if let Some(last) = self.acks.last()
            && self.durable.reached(last).await.is_ok()
        {
            let durable = &self.durable;
            self.acks.release(
                |ticket| durable.has_reached(ticket),
                &mut self.socket.output,
            );
        }
        if let Some((reason, what)) = farewell {
            let before = self.socket.output.len();
            let out = &mut self.socket.output;
            Disconnect::encode(reason, Some(what), terms.version, out);
            if out.len() - before > terms.maximum_packet_size {
                out.truncate(before);
                Disconnect::encode(reason, None, terms.version, out);
            }
        }
        if let Err(error) = self.socket.finish().await {
            trace!(%error, "the peer was gone already");
        }
    }
}
