//! One connection: reads, decodes, handles and writes, from CONNECT to the end.
//!
//! - An acknowledgement leaves when the store has synced what it promises, in the order of the publishes.
//! - Reading goes on meanwhile, up to a bound; then the client is not read from.

mod deliveries;
mod farewell;
mod packets;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    acks::PendingAcks,
    aliases::InboundAliases,
    codec::{DecodeError, Reason},
    compat::Compat,
    core::Core,
    handshake::{Admitted, Terms, Unserved, read_connect},
    inbound::Inbound,
    keep_alive::{KeepAlive, silence},
    listener::Handshake,
    mailbox::Pressure,
    peer::{Caller, Peer},
    rate::Rate,
    retained::Cursor,
    session::Session,
    sessions::{Place, attach},
    socket::Socket,
    store::{Block, Durable, Queue, Reader, StoreError, Ticket},
    will::Will,
};

/// Beyond this many unwritten bytes no more messages are encoded.
const OUTPUT_HIGH: usize = 64 * 1024;
/// Beyond this many unwritten bytes the client is not read from.
const OUTPUT_FULL: usize = 256 * 1024;
/// How long a publisher pauses for a subscriber that is nearly too far behind: less than the
/// way to the disk and back would cost both.
const COURTESY: Duration = Duration::from_millis(1);
/// How long a stopping connection waits for the disk and the peer.
const FAREWELL: Duration = Duration::from_secs(5);
/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client said goodbye; its will is discarded unless it asked for it.
    Disconnected {
        publishes_will: bool,
        /// Seconds that the session outlives the connection, if it has changed its mind.
        expiry: Option<u32>,
    },
    /// The peer went without a word.
    Lost,
    /// The client broke a rule or a bound.
    Failed { reason: Reason, what: &'static str },
    /// Another connection has the client identifier.
    TakenOver,
    /// The hooks do not let the client stay.
    Expelled,
    /// The broker stops.
    Stopping,
}

impl From<DecodeError> for End {
    fn from(error: DecodeError) -> End {
        End::Failed {
            reason: error.reason,
            what: error.what,
        }
    }
}

impl From<StoreError> for End {
    fn from(_: StoreError) -> End {
        End::Failed {
            reason: Reason::ServerUnavailable,
            what: "the store takes nothing",
        }
    }
}

/// Serves one client until its connection ends.
pub(crate) async fn serve<S>(
    stream: S,
    caller: Caller,
    compat: Compat,
    handshake: Handshake,
    core: Arc<Core>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What is needed to begin and to end a connection takes no memory meanwhile.
    let greeting = Box::pin(greet(Socket::new(stream), caller, compat, handshake, core));
    let Some(mut connection) = greeting.await else {
        return;
    };
    let end = connection.run().await;
    Box::pin(connection.end(end)).await;
}

/// Makes a connection of a stream on which CONNECT comes and can be accepted.
async fn greet<S>(
    mut socket: Socket<S>,
    caller: Caller,
    compat: Compat,
    mut handshake: Handshake,
    core: Arc<Core>,
) -> Option<Box<Connection<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let peer = caller.peer;
    let greeting = tokio::select! {
        greeting = handshake.limit(read_connect(&mut socket, caller, compat, &core)) => greeting,
        () = core.stop.cancelled() => return None,
    };
    drop(handshake);
    let Admitted { request, terms } = match greeting {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(Unserved { client_id, what })) => {
            reject(socket, &client_id, peer, what, &core).await;
            return None;
        }
        Err(cut) => {
            core.fail("", peer, cut.what());
            return None;
        }
    };
    let client_id = request.client.id.clone();
    let will = request.will.clone();
    let mut transaction = core.store.transaction();
    let (place, session_present) = match attach(&core, request, &mut transaction).await {
        Ok(attached) => attached,
        Err(refused) => {
            terms.refuse(refused, &mut socket.output);
            reject(socket, &client_id, peer, refused.what, &core).await;
            return None;
        }
    };
    let mut connection = Box::new(Connection::new(socket, terms, place, will, core));
    connection.inbound.records = transaction;
    if let Err(end) = connection.begin(session_present).await {
        connection.end(end).await;
        return None;
    }
    Some(connection)
}

/// Sends what was answered to a client that is not served.
async fn reject<S>(mut socket: Socket<S>, client_id: &str, peer: Peer, what: &str, core: &Core)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    core.fail(client_id, peer, what);
    // The peer may not wait for its CONNACK.
    timeout(FAREWELL, socket.finish()).await.ok();
}
struct Connection<S> {
    socket: Socket<S>,
    core: Arc<Core>,
    terms: Terms,
    place: Place,
    /// Cancelled when another connection has the client identifier, the client may not stay, or
    /// the broker stops.
    dismissed: CancellationToken,
    session: Session,
    will: Option<Box<Will>>,
    keep_alive: Option<KeepAlive>,
    inbound: Inbound,
    aliases: InboundAliases,
    /// How fast the client may publish, and until when it is not read from.
    rate: Option<Box<Rate>>,
    paused_until: Option<Instant>,
    acks: PendingAcks,
    durable: Durable,
    /// Reads the session's queue, once there is one.
    queue: Option<(Queue, Reader)>,
    /// When it is durable, more messages of the queue may be sent.
    promise: Ticket,
    /// Subscriptions whose retained messages are not sent yet.
    cursors: VecDeque<Cursor>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(
        socket: Socket<S>,
        terms: Terms,
        place: Place,
        will: Option<Will>,
        core: Arc<Core>,
    ) -> Connection<S> {
        let mailbox = place.mailbox();
        let client = mailbox.client();
        debug!(client = &*client.id, peer = %client.peer, version = ?client.version, "connected");
        let queue = mailbox.queue().map(|queue| (queue.clone(), queue.reader()));
        let head = queue.as_ref().map_or(0, |(queue, _)| queue.head());
        let session = Session::new(
            terms.version,
            terms.inflight,
            terms.maximum_packet_size,
            terms.aliases,
            place.handshakes(),
            head,
            place.promised(),
        );
        Connection {
            socket,
            dismissed: place.dismissed(),
            session,
            will: will.map(Box::new),
            keep_alive: terms.silence().map(KeepAlive::new),
            inbound: Inbound::new(client, mailbox.id, &core.store).on(terms.compat),
            aliases: InboundAliases::new(core.limits.max_topic_aliases),
            rate: Rate::of(core.limits.max_publish_rate).map(Box::new),
            paused_until: None,
            acks: PendingAcks::default(),
            durable: core.store.durable(),
            queue,
            promise: Ticket::DONE,
            cursors: place.cursors().into(),
            terms,
            place,
            core,
        }
    }

    /// Sends CONNACK when the session is on disk, and none is there that has ended.
    async fn begin(&mut self, session_present: bool) -> Result<(), End> {
        let transaction =
            std::mem::replace(&mut self.inbound.records, self.core.store.transaction());
        let ticket = self.core.store.submit(transaction)?;
        let ticket = ticket.max(self.core.sessions.ended());
        self.durable.reached(ticket).await?;
        let out = &mut self.socket.output;
        self.terms.accept(session_present, &self.core, out);
        Ok(())
    }

    /// Runs until the connection ends, and says why.
    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.work() {
                return end;
            }
            if self.inbound.take_pressure() == Pressure::High {
                sleep(COURTESY).await;
            }
            if let Err(end) = self.wait().await {
                return end;
            }
        }
    }

    /// Does all that can be done without waiting.
    fn work(&mut self) -> Result<(), End> {
        let handled = self.handle_input();
        let sent = self.send_messages();
        let submitted = self.inbound.submit(&self.core, &mut self.acks);
        let promised = self.promise();
        self.release_acks();
        handled.and(sent.and(submitted).and(promised).map_err(End::from))
    }

    /// Waits for the first of all that the connection waits for.
    async fn wait(&mut self) -> Result<(), End> {
        let wants_messages = self.session.wants_messages() && self.socket.unwritten() < OUTPUT_HIGH;
        let congested = self.core.store.is_congested();
        let reading = self.may_read() && !congested;
        if let (Some(keep_alive), false) = (&mut self.keep_alive, reading) {
            // A client that is not read from cannot be heard.
            keep_alive.hear();
        }
        let is_lasting = self.place.is_lasting();
        let mailbox = self.place.mailbox();
        let spilled = if wants_messages && !is_lasting {
            mailbox.spilled()
        } else {
            None
        };
        let reads_queue = wants_messages && (is_lasting || spilled.is_some());
        if let (None, Some(queue)) = (&self.queue, spilled) {
            let reader = queue.reader();
            self.queue = Some((queue, reader));
        }
        let hears_mailbox = wants_messages && (is_lasting || !reads_queue);
        let feeds_retained = self.feeds_retained();
        tokio::select! {
            progress = self.socket.progress(reading) => {
                let progress = progress.map_err(|_| End::Lost)?;
                if progress.end {
                    return Err(End::Lost);
                }
                if let (Some(keep_alive), true) = (&mut self.keep_alive, progress.read) {
                    keep_alive.hear();
                }
            }
            () = mailbox.arrived(), if hears_mailbox => {}
            block = next_block(&mut self.queue), if reads_queue => self.take_block(&block?)?,
            progress = self.durable.changed(), if congested || !self.acks.is_empty() || self.session.is_held_up() => {
                progress?;
            }
            () = tokio::task::yield_now(), if feeds_retained => {}
            () = pause(self.paused_until), if self.paused_until.is_some() => self.paused_until = None,
            () = silence(&mut self.keep_alive) => {
                return Err(End::Failed { reason: Reason::KeepAliveTimeout, what: "nothing was heard in time" });
            }
            () = self.dismissed.cancelled() => {
                return Err(if self.core.stop.is_cancelled() {
                    End::Stopping
                } else if self.place.is_expelled() {
                    End::Expelled
                } else {
                    End::TakenOver
                });
            }
        }
        Ok(())
    }

    /// Whether another packet may be handled: acknowledgements and output have bounds.
    fn may_read(&self) -> bool {
        !self.acks.is_full() && self.socket.unwritten() < OUTPUT_FULL && self.paused_until.is_none()
    }

    /// Moves the acknowledgements that the disk covers to the output.
    fn release_acks(&mut self) {
        let durable = &self.durable;
        self.acks.release(
            |ticket| durable.has_reached(ticket),
            &mut self.socket.output,
        );
    }
}

async fn next_block(queue: &mut Option<(Queue, Reader)>) -> Result<Block, StoreError> {
    match queue {
        // Most connections never read from a queue, and their task need not have room for it.
        Some((_, reader)) => Box::pin(reader.next()).await,
        None => std::future::pending().await,
    }
}

async fn pause(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
