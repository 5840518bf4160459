//! The first packet: CONNECT, and what the broker makes of it.

use std::{sync::Arc, time::Duration};

use bytestring::ByteString;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    codec::{ConnAck, Connect, Frame, PacketType, QoS, Reason, Version},
    compat::{Compat, silence_allowed},
    core::Core,
    hooks::{Client, Connecting},
    limits::Limits,
    peer::Caller,
    sessions::{Refused, Request},
    socket::Socket,
    will::Will,
};

/// The longest client identifier; it is a part of keys in the store.
const CLIENT_ID_BYTES: usize = 1024;

/// A CONNECT that the broker can serve, if there is a session for it.
pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) terms: Terms,
}

/// A client that is not served.
pub(crate) struct Unserved {
    /// Its identifier, if it has come so far as to say it.
    pub(crate) client_id: ByteString,
    /// Why it is not.
    pub(crate) what: &'static str,
}

impl From<&'static str> for Unserved {
    fn from(what: &'static str) -> Unserved {
        Unserved {
            client_id: ByteString::new(),
            what,
        }
    }
}

/// What holds for a connection.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) version: Version,
    pub(crate) compat: Compat,
    /// Seconds; zero for none.
    pub(crate) keep_alive: u16,
    /// Messages in flight to the client.
    pub(crate) inflight: u16,
    /// Publishes in flight from the client.
    pub(crate) receive_maximum: u16,
    /// The largest packet that the client takes.
    pub(crate) maximum_packet_size: usize,
    /// Topic aliases that the client takes.
    pub(crate) aliases: u16,
    /// What the client asked for and got otherwise.
    changed: Changed,
}

#[derive(Clone, Debug, Default)]
struct Changed {
    client_id: Option<ByteString>,
    keep_alive: Option<u16>,
    session_expiry: Option<u32>,
}

impl Terms {
    /// How long the client may be silent.
    pub(crate) fn silence(&self) -> Option<Duration> {
        silence_allowed(self.keep_alive)
    }

    /// The CONNACK for a client that got its session.
    pub(crate) fn accept(&self, session_present: bool, core: &Core, out: &mut Vec<u8>) {
        ConnAck {
            session_present,
            reason: Reason::Success,
            reason_string: None,
            session_expiry: self.changed.session_expiry,
            receive_maximum: self.receive_maximum,
            maximum_qos: if self.compat.is_whole_mqtt() {
                QoS::ExactlyOnce
            } else {
                QoS::AtLeastOnce
            },
            maximum_packet_size: core.limits.max_packet_size as u32,
            assigned_client_id: self.changed.client_id.as_deref(),
            topic_alias_maximum: core.limits.max_topic_aliases,
            subscription_identifiers_available: self.compat.is_whole_mqtt(),
            server_keep_alive: self.changed.keep_alive,
        }
        .encode(self.version, out);
    }

    /// The CONNACK for a client that gets no session.
    pub(crate) fn refuse(&self, refused: Refused, out: &mut Vec<u8>) {
        refuse(self.version, refused, self.maximum_packet_size, out);
    }
}

/// Reads CONNECT; one that cannot be served is answered, and the error says why.
pub(crate) async fn read_connect<S>(
    socket: &mut Socket<S>,
    caller: Caller,
    compat: Compat,
    core: &Core,
) -> Result<Admitted, Unserved>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if let Some(frame) = socket
            .input
            .frame(core.limits.max_packet_size)
            .map_err(|error| error.what)?
        {
            let length = frame.length;
            let admitted = answer(frame, caller, compat, core, &mut socket.output).await;
            socket.input.consume(length);
            return admitted;
        }
        let progress = socket
            .progress(true)
            .await
            .map_err(|_| "the connection was lost")?;
        if progress.end {
            return Err("the peer closed the connection before CONNECT".into());
        }
    }
}

/// Decides about a first packet; appends its CONNACK if it is refused.
async fn answer(
    frame: Frame<'_>,
    caller: Caller,
    compat: Compat,
    core: &Core,
    out: &mut Vec<u8>,
) -> Result<Admitted, Unserved> {
    if frame.packet_type != PacketType::Connect {
        return Err("the first packet is not CONNECT".into());
    }
    let connect = Connect::decode(frame.body).map_err(|error| {
        let refused = Refused {
            reason: error.reason,
            what: error.what,
        };
        // MQTT 3 has a return code for a wrong version only; else it closes.
        if frame.body.starts_with(b"\0\x04MQTT\x05") {
            refuse(Version::V5, refused, usize::MAX, out);
        } else if error.reason == Reason::UnsupportedProtocolVersion {
            refuse(Version::V311, refused, usize::MAX, out);
        }
        error.what
    })?;
    let admitted = admit(&connect, caller, compat, core).await;
    admitted.map_err(|refused| {
        let largest = largest_packet(&connect);
        refuse(connect.version, refused, largest, out);
        Unserved {
            client_id: connect.client_id.into(),
            what: refused.what,
        }
    })
}

fn refuse(version: Version, refused: Refused, largest: usize, out: &mut Vec<u8>) {
    let encode = |reason_string| {
        let mut packet = Vec::new();
        ConnAck {
            session_present: false,
            reason: refused.reason,
            reason_string,
            session_expiry: None,
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            maximum_packet_size: u32::MAX,
            assigned_client_id: None,
            topic_alias_maximum: 0,
            subscription_identifiers_available: true,
            server_keep_alive: None,
        }
        .encode(version, &mut packet);
        packet
    };
    let explained = encode(Some(refused.what));
    // [MQTT-3.2.2-19]: the reason string is left out where the packet would be too large, and
    // the packet where it still is ([MQTT-3.1.2-24]).
    let packet = Some(explained).filter(|packet| packet.len() <= largest);
    let packet = packet.unwrap_or_else(|| encode(None));
    if packet.len() <= largest {
        out.extend(packet);
    }
}

fn largest_packet(connect: &Connect<'_>) -> usize {
    connect
        .maximum_packet_size
        .map_or(usize::MAX, |bytes| bytes as usize)
}

/// Whether the broker can serve what a CONNECT asks for.
async fn admit(
    connect: &Connect<'_>,
    caller: Caller,
    compat: Compat,
    core: &Core,
) -> Result<Admitted, Refused> {
    let refused = |reason, what| Refused { reason, what };
    if core.store.is_poisoned() {
        return Err(refused(
            Reason::ServerUnavailable,
            "the store takes nothing",
        ));
    }
    if connect.has_authentication_method {
        return Err(refused(
            Reason::BadAuthenticationMethod,
            "enhanced authentication is not offered",
        ));
    }
    let is_v5 = connect.version == Version::V5;
    let is_assigned = connect.client_id.is_empty();
    if is_assigned && !connect.clean_start && !is_v5 {
        return Err(refused(
            Reason::ClientIdentifierNotValid,
            "a client without an identifier asks for a session",
        ));
    }
    if connect.client_id.len() > CLIENT_ID_BYTES || !compat.takes_client_id(connect.client_id) {
        return Err(refused(
            Reason::ClientIdentifierNotValid,
            "the client identifier is too long, or begins with $ where that is not allowed",
        ));
    }
    let will = connect.will.as_ref();
    let will = will.map(|will| admit_will(will, compat, &core.limits));
    let will = will.transpose()?;
    let id = if is_assigned {
        core.assign_client_id()
    } else {
        connect.client_id.into()
    };
    let expiry = core.limits.session_expiry(connect.session_expiry);
    let mut client = Client {
        id: id.clone(),
        user_name: connect.user_name.map(str::to_owned),
        peer: caller.peer,
        version: connect.version,
        principal: caller.principal,
    };
    let connecting = Connecting {
        client: &client,
        password: connect.password,
        is_persistent: expiry > 0,
        has_will: will.is_some(),
    };
    let admitted = core.hooks.connect(connecting).await;
    client.principal = admitted.map_err(|reason| refused(reason, "the client was not admitted"))?;
    let keep_alive = compat.keep_alive(connect.keep_alive, core.limits.max_keep_alive);
    // Clients below MQTT 5 cannot be told.
    let keep_alive = if is_v5 {
        keep_alive
    } else {
        connect.keep_alive
    };
    let terms = Terms {
        version: connect.version,
        compat,
        keep_alive,
        inflight: compat
            .max_in_flight(core.limits.max_inflight)
            .min(connect.receive_maximum),
        receive_maximum: compat.max_in_flight(core.limits.receive_maximum),
        maximum_packet_size: largest_packet(connect),
        aliases: connect
            .topic_alias_maximum
            .min(core.limits.max_topic_aliases),
        changed: Changed {
            client_id: is_assigned.then_some(id),
            keep_alive: (keep_alive != connect.keep_alive).then_some(keep_alive),
            session_expiry: (expiry != connect.session_expiry).then_some(expiry),
        },
    };
    if connect.maximum_packet_size.is_some() {
        let mut connack = Vec::new();
        terms.accept(false, core, &mut connack);
        if connack.len() > terms.maximum_packet_size {
            return Err(refused(
                Reason::PacketTooLarge,
                "the client takes no packet as large as its CONNACK",
            ));
        }
    }
    let request = Request {
        client: Arc::new(client),
        clean_start: connect.clean_start,
        expiry,
        will,
    };
    Ok(Admitted { request, terms })
}

fn admit_will(
    will: &crate::codec::Will<'_>,
    compat: Compat,
    limits: &Limits,
) -> Result<Will, Refused> {
    if will.qos == QoS::ExactlyOnce && !compat.is_whole_mqtt() {
        return Err(Refused {
            reason: Reason::QosNotSupported,
            what: "the will has QoS 2",
        });
    }
    if will.retain && !compat.retains(will.topic.as_bytes()) {
        return Err(Refused {
            reason: Reason::NotAuthorized,
            what: "a will on a topic that begins with $ cannot be retained",
        });
    }
    let is_taken = limits.take_topic(will.topic) && compat.takes_topic(will.topic);
    Will::new(will).filter(|_| is_taken).ok_or(Refused {
        reason: Reason::TopicNameInvalid,
        what: "the will topic is not a topic name, or longer or deeper than is allowed",
    })
}
