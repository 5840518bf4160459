//! One connection: reads, decodes, handles and writes, from CONNECT to the end.
//!
//! - An acknowledgement leaves when the store has synced what it promises, in the order of the publishes.
//! - Reading goes on meanwhile, up to a bound; then the client is not read from.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, trace};

use crate::{
    acks::PendingAcks,
    clock::unix_millis,
    codec::{
        Ack, AckKind, DecodeError, Disconnect, Frame, PacketType, Publish, QoS, Reason, Subscribe,
        Unsubscribe, Version, encode_suback, encode_unsuback,
    },
    compat::Compat,
    core::Core,
    handshake::{Accepted, read_connect},
    inbound::{Inbound, NotTaken},
    keep_alive::{KeepAlive, silence},
    mailbox::Pressure,
    message::{StoredWill, read_stored},
    peer::Peer,
    presence::Presence,
    session::Session,
    socket::Socket,
    store::{Block, Durable, Queue, Reader, StoreError},
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
    Disconnected { publishes_will: bool },
    /// The peer went without a word.
    Lost,
    /// The client broke a rule or a bound.
    Failed { reason: Reason, what: &'static str },
    /// Another connection has the client identifier.
    TakenOver,
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
    peer: Peer,
    compat: Compat,
    core: Arc<Core>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = Socket::new(stream);
    let greeting = tokio::select! {
        greeting = timeout(core.limits.connect_timeout, read_connect(&mut socket, peer, &core)) => greeting,
        () = stop.cancelled() => return,
    };
    let accepted = match greeting {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(what)) => {
            core.fail("", peer, what);
            // The peer may not wait for its CONNACK.
            timeout(FAREWELL, socket.finish()).await.ok();
            return;
        }
        Err(_) => {
            core.fail("", peer, "no CONNECT came in time");
            return;
        }
    };
    let mut connection = Connection::new(socket, accepted, core);
    let end = connection.run(&stop).await;
    connection.end(end).await;
}

struct Connection<S> {
    socket: Socket<S>,
    core: Arc<Core>,
    presence: Presence,
    taken_over: oneshot::Receiver<()>,
    session: Session,
    will: Option<StoredWill>,
    keep_alive: Option<KeepAlive>,
    inbound: Inbound,
    acks: PendingAcks,
    durable: Durable,
    /// Reads the session's queue, once there is one.
    overflow: Option<(Queue, Reader)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(socket: Socket<S>, accepted: Accepted, core: Arc<Core>) -> Connection<S> {
        let Accepted {
            client,
            keep_alive,
            will,
            session,
        } = accepted;
        debug!(client = %client.id, peer = %client.peer, version = ?client.version, "connected");
        let (presence, taken_over) = Presence::new(Arc::clone(&core), Arc::clone(&client));
        Connection {
            socket,
            taken_over,
            session,
            will,
            keep_alive: keep_alive.map(KeepAlive::new),
            inbound: Inbound::new(client, presence.mailbox.id, &core.store),
            acks: PendingAcks::default(),
            durable: core.store.durable(),
            overflow: None,
            presence,
            core,
        }
    }

    /// Runs until the connection ends, and says why.
    async fn run(&mut self, stop: &CancellationToken) -> End {
        loop {
            if let Err(end) = self.work() {
                return end;
            }
            if self.inbound.take_pressure() == Pressure::High {
                sleep(COURTESY).await;
            }
            if let Err(end) = self.wait(stop).await {
                return end;
            }
        }
    }

    /// Does all that can be done without waiting.
    fn work(&mut self) -> Result<(), End> {
        let handled = self.handle_input();
        self.release_acks();
        handled?;
        if self.session.pending.is_empty() {
            self.presence.mailbox.drain(&mut self.session.pending);
        }
        if !self.session.pending.is_empty() {
            self.session.send(
                &mut self.socket.output,
                OUTPUT_HIGH,
                unix_millis(),
                &self.core.counters,
            );
        }
        Ok(())
    }

    /// Waits for the first of all that the connection waits for.
    async fn wait(&mut self, stop: &CancellationToken) -> Result<(), End> {
        let wants_messages = self.session.wants_messages() && self.socket.unwritten() < OUTPUT_HIGH;
        let congested = self.core.store.is_congested();
        let reading = self.may_read() && !congested;
        if let (Some(keep_alive), false) = (&mut self.keep_alive, reading) {
            // A client that is not read from cannot be heard.
            keep_alive.hear();
        }
        if wants_messages && self.overflow.is_none() {
            self.overflow = self.presence.mailbox.spilled().map(|queue| {
                let reader = queue.reader();
                (queue, reader)
            });
        }
        let reads_overflow = wants_messages && self.presence.mailbox.spilled().is_some();
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
            () = self.presence.mailbox.arrived(), if wants_messages && !reads_overflow => {}
            block = next_block(&mut self.overflow), if reads_overflow => self.take_block(&block?)?,
            progress = self.durable.changed(), if congested || !self.acks.is_empty() => {
                progress?;
            }
            () = silence(&mut self.keep_alive) => {
                return Err(End::Failed { reason: Reason::KeepAliveTimeout, what: "nothing was heard in time" });
            }
            _ = &mut self.taken_over => return Err(End::TakenOver),
            () = stop.cancelled() => return Err(End::Stopping),
        }
        Ok(())
    }

    /// Whether another packet may be handled: acknowledgements and output have bounds.
    fn may_read(&self) -> bool {
        !self.acks.is_full() && self.socket.unwritten() < OUTPUT_FULL
    }

    /// Handles the packets that were read, then hands over what they publish as one.
    fn handle_input(&mut self) -> Result<(), End> {
        let mut input = std::mem::take(&mut self.socket.input);
        let mut handled = Ok(());
        while handled.is_ok() && self.may_read() {
            match input.frame(self.core.limits.max_packet_size) {
                Ok(Some(frame)) => {
                    let length = frame.length;
                    handled = self.handle(frame);
                    input.consume(length);
                }
                Ok(None) => break,
                Err(error) => handled = Err(error.into()),
            }
        }
        self.socket.input = input;
        let submitted = self.inbound.submit(&self.core, &mut self.acks);
        handled.and(submitted.map_err(End::from))
    }

    fn handle(&mut self, frame: Frame<'_>) -> Result<(), End> {
        let version = self.version();
        match frame.packet_type {
            PacketType::Publish => {
                self.publish(&Publish::decode(frame.flags, frame.body, version)?)
            }
            PacketType::PubAck => self.acknowledge(AckKind::PubAck, frame.body),
            PacketType::PubRec => self.acknowledge(AckKind::PubRec, frame.body),
            PacketType::PubRel => self.acknowledge(AckKind::PubRel, frame.body),
            PacketType::PubComp => self.acknowledge(AckKind::PubComp, frame.body),
            PacketType::Subscribe => {
                self.subscribe(&Subscribe::decode(frame.body, version)?);
                Ok(())
            }
            PacketType::Unsubscribe => {
                self.unsubscribe(&Unsubscribe::decode(frame.body, version)?);
                Ok(())
            }
            PacketType::PingReq => {
                if !frame.body.is_empty() {
                    return Err(DecodeError::malformed("a PINGREQ has a body").into());
                }
                self.socket.output.extend_from_slice(&[0xD0, 0]);
                Ok(())
            }
            PacketType::Disconnect => {
                let Disconnect { publishes_will } = Disconnect::decode(frame.body, version)?;
                Err(End::Disconnected { publishes_will })
            }
            PacketType::Connect => Err(DecodeError::protocol("a second CONNECT").into()),
            PacketType::Auth if version == Version::V5 => {
                Err(DecodeError::protocol("AUTH without an authentication method").into())
            }
            PacketType::Auth => Err(DecodeError::malformed("the packet type is reserved").into()),
        }
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Result<(), End> {
        let version = self.version();
        self.core.counters.messages_received.add(1);
        if publish.retain {
            return Err(End::Failed {
                reason: Reason::RetainNotSupported,
                what: "retained messages are not offered",
            });
        }
        if publish.properties.topic_alias.is_some() {
            return Err(End::Failed {
                reason: Reason::TopicAliasInvalid,
                what: "a topic alias comes although none is offered",
            });
        }
        let kind = match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(AckKind::PubAck),
            QoS::ExactlyOnce => Some(AckKind::PubRec),
        };
        if kind.is_some()
            && version == Version::V5
            && self.open_publishes() >= self.core.limits.receive_maximum
        {
            return Err(End::Failed {
                reason: Reason::ReceiveMaximumExceeded,
                what: "more publishes are open than the receive maximum",
            });
        }
        if publish.qos == QoS::ExactlyOnce && !self.session.receive(publish.packet_id) {
            self.inbound
                .acknowledge(AckKind::PubRec, publish.packet_id, Reason::Success);
            return Ok(());
        }
        let reason = match self.inbound.take(publish, &self.core) {
            Ok(()) => Reason::Success,
            Err(NotTaken::Invalid(error)) => return Err(error.into()),
            Err(NotTaken::Refused(reason, what)) => {
                self.core.counters.messages_refused.add(1);
                // MQTT 3 can only close; at QoS 0 nobody waits for an answer.
                if version != Version::V5 && (kind.is_some() || reason == Reason::NotAuthorized) {
                    return Err(End::Failed { reason, what });
                }
                self.session.release(publish.packet_id);
                reason
            }
        };
        if let Some(kind) = kind {
            self.inbound.acknowledge(kind, publish.packet_id, reason);
        }
        Ok(())
    }

    /// Publishes that no PUBACK or PUBCOMP has answered (MQTT 5, 4.9).
    fn open_publishes(&self) -> u16 {
        let at_least_once = self.acks.open().pubacks + self.inbound.open().pubacks;
        u16::try_from(at_least_once + self.session.received()).unwrap_or(u16::MAX)
    }

    fn acknowledge(&mut self, kind: AckKind, body: &[u8]) -> Result<(), End> {
        let ack = Ack::decode(kind, body, self.version())?;
        self.session.acknowledge(ack, &mut self.socket.output);
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) {
        self.inbound.forward(&self.core);
        let reasons = self.presence.subscribe(subscribe);
        encode_suback(
            subscribe.packet_id,
            &reasons,
            self.version(),
            &mut self.socket.output,
        );
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) {
        self.inbound.forward(&self.core);
        let reasons = self.presence.unsubscribe(unsubscribe);
        encode_unsuback(
            unsubscribe.packet_id,
            &reasons,
            self.version(),
            &mut self.socket.output,
        );
    }

    fn version(&self) -> Version {
        self.presence.mailbox.client.version
    }

    /// Moves the acknowledgements that the disk covers to the output.
    fn release_acks(&mut self) {
        let durable = &self.durable;
        self.acks.release(
            |ticket| durable.has_reached(ticket),
            &mut self.socket.output,
        );
    }

    /// Takes messages that waited in the session's queue.
    fn take_block(&mut self, block: &Block) -> Result<(), End> {
        let Some((queue, _)) = &self.overflow else {
            return Ok(());
        };
        let mut end = block.first();
        for (sequence, record) in block.records() {
            end = sequence + 1;
            match read_stored(&record) {
                Some(delivery) => self.session.pending.push_back(delivery),
                None => error!(
                    queue = queue.name(),
                    sequence, "a stored message cannot be read"
                ),
            }
        }
        let mut transaction = self.core.store.transaction();
        transaction.settle(queue, block.first()..end);
        self.core.store.submit(transaction)?;
        self.presence.mailbox.fetched(block.len() as u64);
        Ok(())
    }

    /// Says goodbye, publishes the will where it is due, and leaves.
    async fn end(mut self, end: End) {
        let client = Arc::clone(&self.presence.mailbox.client);
        let (farewell, publishes_will) = match end {
            End::Disconnected { publishes_will } => (None, publishes_will),
            End::Lost => (None, true),
            End::Failed { reason, what } => {
                self.core.fail(&client.id, client.peer, what);
                (Some(reason), true)
            }
            End::TakenOver => (Some(Reason::SessionTakenOver), true),
            End::Stopping => (Some(Reason::ServerShuttingDown), true),
        };
        debug!(client = %client.id, ?farewell, "disconnected");
        if let (true, Some(will)) = (publishes_will, self.will.take()) {
            self.inbound.publish_will(&will, &self.core);
        }
        // Whoever hears nothing more may find the connection closed at any time.
        timeout(FAREWELL, self.say_goodbye(farewell, client.version))
            .await
            .ok();
    }

    /// Sends the acknowledgements that are still due, then DISCONNECT.
    async fn say_goodbye(&mut self, farewell: Option<Reason>, version: Version) {
        if let Some(last) = self.acks.last()
            && self.durable.reached(last).await.is_ok()
        {
            self.release_acks();
        }
        if let Some(reason) = farewell {
            Disconnect::encode(reason, version, &mut self.socket.output);
        }
        if let Err(error) = self.socket.finish().await {
            trace!(%error, "the peer was gone already");
        }
    }
}

async fn next_block(overflow: &mut Option<(Queue, Reader)>) -> Result<Block, StoreError> {
    match overflow {
        Some((_, reader)) => reader.next().await,
        None => std::future::pending().await,
    }
}
