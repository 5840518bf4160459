//! One connection: reads, decodes, handles and writes, from CONNECT to the end.
//!
//! - An acknowledgement leaves when the store has synced what it promises, in the order of the publishes.
//! - Reading goes on meanwhile, up to a bound; then the client is not read from.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, trace};

use crate::{
    acks::PendingAcks,
    aliases::InboundAliases,
    clock::unix_millis,
    codec::{
        Ack, AckKind, DecodeError, Disconnect, Frame, PacketType, Publish, QoS, Reason, Subscribe,
        Unsubscribe, Version, answer_len, encode_suback, encode_unsuback,
    },
    compat::Compat,
    core::Core,
    handshake::{Admitted, Terms, read_connect},
    inbound::{Inbound, NotTaken},
    keep_alive::{KeepAlive, silence},
    listener::Handshake,
    mailbox::Pressure,
    peer::Peer,
    rate::Rate,
    retained::Cursor,
    session::{Progress, Session, Standing},
    sessions::{Left, Place, attach},
    socket::Socket,
    store::{Block, Durable, Queue, Reader, StoreError, Ticket},
    stored::{key, read_message},
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
/// Messages in the queue of a session above which no retained messages are added to it.
const QUEUE_BUSY: u64 = 1_000;

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
    handshake: Handshake,
    core: Arc<Core>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // What is needed to begin and to end a connection takes no memory meanwhile.
    let greeting = Box::pin(greet(Socket::new(stream), peer, compat, handshake, core));
    let Some(mut connection) = greeting.await else {
        return;
    };
    let end = connection.run().await;
    Box::pin(connection.end(end)).await;
}

/// Makes a connection of a stream on which CONNECT comes and can be accepted.
async fn greet<S>(
    mut socket: Socket<S>,
    peer: Peer,
    compat: Compat,
    mut handshake: Handshake,
    core: Arc<Core>,
) -> Option<Box<Connection<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let greeting = tokio::select! {
        greeting = handshake.limit(read_connect(&mut socket, peer, compat, &core)) => greeting,
        () = core.stop.cancelled() => return None,
    };
    drop(handshake);
    let Admitted { request, terms } = match greeting {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(what)) => {
            reject(socket, "", peer, what, &core).await;
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
    /// Cancelled when another connection has the client identifier, or the broker stops.
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
        debug!(client = %client.id, peer = %client.peer, version = ?client.version, "connected");
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

    /// Sends CONNACK when the session is on disk.
    async fn begin(&mut self, session_present: bool) -> Result<(), End> {
        let transaction =
            std::mem::replace(&mut self.inbound.records, self.core.store.transaction());
        let ticket = self.core.store.submit(transaction)?;
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

    /// Lets the store know in time how far messages of the queue may be sent.
    fn promise(&mut self) -> Result<(), StoreError> {
        if let Some(until) = self.session.next_promise() {
            self.promise = self.place.promise(until)?;
        }
        Ok(())
    }

    /// Appends messages for the client to the output.
    fn send_messages(&mut self) -> Result<(), StoreError> {
        self.feed_retained()?;
        if !self.session.has_pending() {
            self.session.drain(self.place.mailbox());
        }
        if !self.session.has_pending() {
            return Ok(());
        }
        if self.durable.has_reached(self.promise) {
            self.session.allow();
        }
        self.session.send(
            &mut self.socket.output,
            OUTPUT_HIGH,
            unix_millis(),
            &self.core.counters,
        );
        if !self.session.has_pending() {
            self.place.mailbox().sent();
        }
        if let Some((queue, _)) = &self.queue
            && self.place.is_lasting()
        {
            for sequences in self.session.take_obsolete() {
                self.inbound.records.settle(queue, sequences);
            }
        }
        Ok(())
    }

    /// Whether retained messages can be sent or queued.
    fn feeds_retained(&self) -> bool {
        let is_busy = |(queue, _): &(Queue, Reader)| {
            let records = queue.records();
            records > 0 && records >= QUEUE_BUSY.min(self.core.limits.session_queue_messages / 2)
        };
        !self.cursors.is_empty()
            && self.session.wants_messages()
            && self.socket.unwritten() < OUTPUT_HIGH
            && !(self.place.is_lasting() && self.queue.as_ref().is_some_and(is_busy))
    }

    /// Takes the next retained messages that a subscription begins with.
    fn feed_retained(&mut self) -> Result<(), StoreError> {
        if !self.feeds_retained() {
            return Ok(());
        }
        let Some(mut cursor) = self.cursors.pop_front() else {
            return Ok(());
        };
        let core = Arc::clone(&self.core);
        // A message that replaces what is read here has to come behind it in the session's
        // queue, so it is not submitted before; what was gathered so far is.
        let unchanged = if self.place.is_lasting() {
            self.inbound.submit(&core, &mut self.acks)?;
            Some(core.retained.hold())
        } else {
            None
        };
        let next = core.retained.next(&mut cursor, unix_millis());
        self.place
            .retained_sent(&cursor, next.is_none(), &mut self.inbound.records);
        let Some(deliveries) = next else {
            if self.cursors.is_empty() {
                self.cursors = VecDeque::new();
            }
            return Ok(());
        };
        let mailbox = self.place.mailbox();
        let client = mailbox.client();
        let mut unkept = VecDeque::new();
        for delivery in deliveries {
            let message = delivery.run.get(0);
            if !core.hooks.deliver(&client, message.topic) {
                continue;
            }
            if mailbox.is_durable() && delivery.terms.qos(&message) > QoS::AtMostOnce {
                mailbox.keep(&message, &delivery.terms, &mut self.inbound.records);
            } else {
                unkept.push_back(delivery);
            }
        }
        self.session.take(&mut unkept);
        self.cursors.push_front(cursor);
        if unchanged.is_some() {
            self.inbound.submit(&core, &mut self.acks)?;
        }
        Ok(())
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
                let stops = self.core.stop.is_cancelled();
                return Err(if stops { End::Stopping } else { End::TakenOver });
            }
        }
        Ok(())
    }

    /// Whether another packet may be handled: acknowledgements and output have bounds.
    fn may_read(&self) -> bool {
        !self.acks.is_full() && self.socket.unwritten() < OUTPUT_FULL && self.paused_until.is_none()
    }

    /// Handles the packets that were read.
    fn handle_input(&mut self) -> Result<(), End> {
        let mut input = std::mem::take(&mut self.socket.input);
        let (mut handled, mut publishes) = (Ok(()), 0);
        while handled.is_ok() && self.may_read() {
            match input.frame(self.core.limits.max_packet_size) {
                Ok(Some(frame)) => {
                    let length = frame.length;
                    if frame.packet_type == PacketType::Publish && self.is_too_fast() {
                        break;
                    }
                    publishes += u64::from(frame.packet_type == PacketType::Publish);
                    handled = self.handle(frame);
                    input.consume(length);
                }
                Ok(None) => break,
                Err(error) => handled = Err(error.into()),
            }
        }
        self.socket.input = input;
        if publishes > 0 {
            self.core.counters.messages_received.add(publishes);
        }
        handled
    }

    /// Whether the client has to wait before it publishes on.
    fn is_too_fast(&mut self) -> bool {
        let Some(rate) = &mut self.rate else {
            return false;
        };
        self.paused_until = rate.take(Instant::now()).err();
        if self.paused_until.is_some() {
            self.core.counters.publishers_throttled.add(1);
        }
        self.paused_until.is_some()
    }

    fn handle(&mut self, frame: Frame<'_>) -> Result<(), End> {
        let version = self.terms.version;
        frame.check_flags(version)?;
        match frame.packet_type {
            PacketType::Publish => {
                self.publish(&Publish::decode(frame.flags, frame.body, version)?)
            }
            PacketType::PubAck => self.acknowledge(AckKind::PubAck, frame.body),
            PacketType::PubRec => self.acknowledge(AckKind::PubRec, frame.body),
            PacketType::PubRel => self.acknowledge(AckKind::PubRel, frame.body),
            PacketType::PubComp => self.acknowledge(AckKind::PubComp, frame.body),
            PacketType::Subscribe => self.subscribe(&Subscribe::decode(frame.body, version)?),
            PacketType::Unsubscribe => self.unsubscribe(&Unsubscribe::decode(frame.body, version)?),
            PacketType::PingReq => {
                if !frame.body.is_empty() {
                    return Err(DecodeError::malformed("a PINGREQ has a body").into());
                }
                self.socket.output.extend_from_slice(&[0xD0, 0]);
                Ok(())
            }
            PacketType::Disconnect => {
                Err(self.disconnect(Disconnect::decode(frame.body, version)?))
            }
            PacketType::Connect => Err(DecodeError::protocol("a second CONNECT").into()),
            PacketType::Auth if version == Version::V5 => {
                Err(DecodeError::protocol("AUTH without an authentication method").into())
            }
            PacketType::Auth => Err(DecodeError::malformed("the packet type is reserved").into()),
        }
    }

    fn disconnect(&self, disconnect: Disconnect) -> End {
        let asked = disconnect.session_expiry;
        if self.place.expiry() == 0 && asked.is_some_and(|seconds| seconds > 0) {
            let what = "a DISCONNECT wants to keep a session that its CONNECT did not";
            return DecodeError::protocol(what).into();
        }
        End::Disconnected {
            publishes_will: disconnect.publishes_will,
            expiry: asked.map(|seconds| self.core.limits.session_expiry(seconds)),
        }
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Result<(), End> {
        let (version, compat) = (self.terms.version, self.terms.compat);
        let kind = match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(AckKind::PubAck),
            QoS::ExactlyOnce => Some(AckKind::PubRec),
        };
        check_compat(compat, publish)?;
        let is_exactly_once = publish.qos == QoS::ExactlyOnce;
        let is_repeated = is_exactly_once && self.session.has_received(publish.packet_id);
        if kind.is_some()
            && !is_repeated
            && version == Version::V5
            && self.open_publishes() >= self.terms.receive_maximum
        {
            return Err(End::Failed {
                reason: Reason::ReceiveMaximumExceeded,
                what: "more publishes are open than the receive maximum",
            });
        }
        let alias = publish.properties.topic_alias;
        let topic = self.aliases.resolve(publish.topic, alias)?;
        if is_repeated {
            // It has been taken ([MQTT-4.3.3-10]).
            self.session.receive(publish.packet_id);
            self.inbound
                .acknowledge(AckKind::PubRec, publish.packet_id, Reason::Success);
            return Ok(());
        }
        let taken = if publish.retain && !compat.retains(topic) {
            let what = "a message on a topic that begins with $ cannot be retained";
            Err(NotTaken::Refused(Reason::NotAuthorized, what))
        } else {
            self.inbound
                .take(&Publish { topic, ..*publish }, &self.core)
        };
        let reason = match taken {
            Ok(()) => Reason::Success,
            Err(NotTaken::Invalid(error)) => return Err(error.into()),
            Err(NotTaken::Refused(reason, what)) => {
                self.core.counters.messages_refused.add(1);
                // MQTT 3 can only close; at QoS 0 nobody waits for an answer.
                if version != Version::V5 && (kind.is_some() || reason == Reason::NotAuthorized) {
                    return Err(End::Failed { reason, what });
                }
                reason
            }
        };
        if is_exactly_once && reason == Reason::Success {
            self.session.receive(publish.packet_id);
            if self.place.is_lasting() {
                let key = key::received(self.inbound.client_id(), publish.packet_id);
                self.inbound.records.put(&key, &[]);
            }
        }
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

    /// Handles a step of a handshake. What a session that outlives its connection must not
    /// forget is on disk before the answer leaves.
    fn acknowledge(&mut self, kind: AckKind, body: &[u8]) -> Result<(), End> {
        let ack = Ack::decode(kind, body, self.terms.version)?;
        let id = ack.packet_id;
        let (inbound, out) = (&mut self.inbound, &mut self.socket.output);
        let mut answer = |kind, reason| Ack::encode(kind, id, reason, self.terms.version, out);
        let queue = self.queue.as_ref().filter(|_| self.place.is_lasting());
        match (self.session.acknowledge(ack), queue) {
            (Progress::Nothing, _) | (Progress::Done(_) | Progress::Completed(_), None) => {}
            (Progress::Done(position), Some((queue, _))) => {
                inbound.records.settle(queue, position..position + 1);
            }
            (Progress::Completed(position), Some((queue, _))) => {
                inbound.records.settle(queue, position..position + 1);
                let key = key::released(inbound.client_id(), position);
                inbound.records.delete_lazily(&key);
            }
            (Progress::Received(position), Some(_)) => {
                let key = key::released(inbound.client_id(), position);
                inbound.records.put(&key, &[]);
                inbound.acknowledge(AckKind::PubRel, id, Reason::Success);
            }
            (Progress::Received(_), None) => answer(AckKind::PubRel, Reason::Success),
            (Progress::Release(reason), Some(_)) => {
                inbound.acknowledge(AckKind::PubRel, id, reason);
            }
            (Progress::Release(reason), None) => answer(AckKind::PubRel, reason),
            (Progress::Released(reason), Some(_)) => {
                if reason == Reason::Success {
                    let key = key::received(inbound.client_id(), id);
                    inbound.records.delete(&key);
                }
                inbound.acknowledge(AckKind::PubComp, id, reason);
            }
            (Progress::Released(reason), None) => answer(AckKind::PubComp, reason),
        }
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Result<(), End> {
        self.check_answer(subscribe.filters.len())?;
        let compat = self.terms.compat;
        let asks_for_2 = |(_, options): &(_, _)| is_exactly_once(options);
        if !compat.is_whole_mqtt() && subscribe.filters.iter().any(asks_for_2) {
            return Err(QOS_2);
        }
        // What was published before reaches no new subscription, and is found if retained.
        self.inbound.submit(&self.core, &mut self.acks)?;
        let reasons = if !compat.takes_filters(subscribe.filters.len()) {
            vec![Reason::QuotaExceeded; subscribe.filters.len()]
        } else if !compat.is_whole_mqtt() && subscribe.identifier.is_some() {
            vec![Reason::SubscriptionIdentifiersNotSupported; subscribe.filters.len()]
        } else {
            let records = &mut self.inbound.records;
            let (reasons, due) = self.place.subscribe(subscribe, compat, records);
            self.begin_with_retained(due);
            reasons
        };
        let version = self.terms.version;
        let write = |out: &mut Vec<u8>| encode_suback(subscribe.packet_id, &reasons, version, out);
        self.answer(write);
        Ok(())
    }

    /// Begins with what is retained for each filter, once however often it is repeated.
    fn begin_with_retained(&mut self, due: Vec<Cursor>) {
        let mut begun = HashSet::new();
        let last = due.into_iter().rev();
        let last: Vec<_> = last
            .filter(|cursor| begun.insert(cursor.filter.clone()))
            .collect();
        self.cursors
            .retain(|cursor| !begun.contains(&cursor.filter));
        self.cursors.extend(last.into_iter().rev());
    }

    /// Whether the client takes a SUBACK or UNSUBACK for so many filters ([MQTT-3.1.2-24]).
    fn check_answer(&self, filters: usize) -> Result<(), End> {
        if answer_len(filters) > self.terms.maximum_packet_size {
            return Err(End::Failed {
                reason: Reason::PacketTooLarge,
                what: "the client takes no packet as large as the answer for its filters",
            });
        }
        Ok(())
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) -> Result<(), End> {
        self.check_answer(unsubscribe.filters.len())?;
        self.inbound.forward(&self.core);
        let records = &mut self.inbound.records;
        let reasons = self.place.unsubscribe(unsubscribe, records);
        let place = &self.place;
        self.cursors.retain(|cursor| place.has(&cursor.filter));
        let version = self.terms.version;
        let write =
            |out: &mut Vec<u8>| encode_unsuback(unsubscribe.packet_id, &reasons, version, out);
        self.answer(write);
        Ok(())
    }

    /// Lets `write` answer, when what it says is on disk if it must be.
    fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.place.is_lasting() {
            self.inbound.answer(write);
        } else {
            write(&mut self.socket.output);
        }
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
        let Some((queue, _)) = &self.queue else {
            return Ok(());
        };
        let is_lasting = self.place.is_lasting();
        let mut end = block.first();
        for (sequence, record) in block.records() {
            end = sequence + 1;
            if is_lasting
                && self.session.standing(sequence) == Standing::Sent
                && queue.is_settled(sequence)
            {
                self.session.pass(sequence);
                continue;
            }
            match read_message(&record, is_lasting.then_some(sequence)) {
                Some(delivery) if is_lasting => self.session.take_stored(sequence, delivery),
                Some(delivery) => self.session.take(&mut VecDeque::from([delivery])),
                None => {
                    error!(
                        queue = queue.name(),
                        sequence, "a stored message cannot be read"
                    );
                    self.inbound.records.settle(queue, sequence..end);
                }
            }
        }
        if is_lasting {
            return Ok(());
        }
        let mut transaction = self.core.store.transaction();
        transaction.settle(queue, block.first()..end);
        self.core.store.submit(transaction)?;
        self.place.mailbox().fetched(block.len() as u64);
        Ok(())
    }

    /// Publishes the will where it is due, hands over the session, and says goodbye.
    async fn end(mut self: Box<Self>, end: End) {
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
            End::Stopping => (
                Some((Reason::ServerShuttingDown, "the gateway stops")),
                true,
            ),
        };
        debug!(client = %client.id, ?farewell, "disconnected");
        let outlives = self.place.is_lasting() && expiry.unwrap_or(self.place.expiry()) > 0;
        let mut delayed = None;
        match self.will.take() {
            Some(will) if publishes_will && (will.delay == 0 || !outlives) => {
                self.inbound.publish_will(&will, &self.core);
            }
            Some(will) if publishes_will => delayed = Some(*will),
            Some(_) => self.inbound.records.delete(&key::will(&client.id)),
            None => {}
        }
        if self.inbound.submit(&self.core, &mut self.acks).is_err() {
            trace!(client = %client.id, "the store takes nothing");
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

/// The end of a connection on which QoS 2 is not there.
const QOS_2: End = End::Failed {
    reason: Reason::QosNotSupported,
    what: "QoS 2 is not there on this listener",
};

fn is_exactly_once(options: &crate::codec::SubscriptionOptions) -> bool {
    options.qos == QoS::ExactlyOnce
}

/// Whether a publish keeps to what a listener is compatible with.
fn check_compat(compat: Compat, publish: &Publish<'_>) -> Result<(), End> {
    if !compat.is_whole_mqtt() && publish.qos == QoS::ExactlyOnce {
        return Err(QOS_2);
    }
    if !compat.takes_payload(publish.payload.len()) {
        return Err(End::Failed {
            reason: Reason::PacketTooLarge,
            what: "the payload is larger than 128 KiB",
        });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    fn size_of_future<F>(_: impl FnOnce(TcpStream, Peer, Handshake, Arc<Core>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_takes_little_memory() {
        let task = size_of_future(|stream, peer, handshake, core| {
            serve(stream, peer, Compat::None, handshake, core)
        });
        assert!(task <= 896, "{task} bytes");
        let connection = size_of::<Connection<TcpStream>>();
        assert!(connection <= 1_280, "{connection} bytes");
    }
}
