//! The first packet: CONNECT, and what the broker makes of it.

use std::{sync::Arc, time::Duration};

use bytestring::ByteString;
use perennial_rules::TopicName;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    codec::{ConnAck, Connect, Frame, PacketType, Reason, Version},
    core::Core,
    hooks::Client,
    message::StoredWill,
    peer::Peer,
    session::Session,
    socket::Socket,
};

/// A CONNECT that was accepted.
pub(crate) struct Accepted {
    pub(crate) client: Arc<Client>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) will: Option<StoredWill>,
    pub(crate) session: Session,
}

/// Reads CONNECT and answers it; the error says why the client was refused.
pub(crate) async fn read_connect<S>(
    socket: &mut Socket<S>,
    peer: Peer,
    core: &Core,
) -> Result<Accepted, &'static str>
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
            let accepted = accept(frame, peer, core, &mut socket.output);
            socket.input.consume(length);
            return accepted;
        }
        let progress = socket
            .progress(true)
            .await
            .map_err(|_| "the connection was lost")?;
        if progress.end {
            return Err("the peer closed the connection before CONNECT");
        }
    }
}

/// Decides about a first packet and appends its CONNACK.
fn accept(
    frame: Frame<'_>,
    peer: Peer,
    core: &Core,
    out: &mut Vec<u8>,
) -> Result<Accepted, &'static str> {
    if frame.packet_type != PacketType::Connect {
        return Err("the first packet is not CONNECT");
    }
    let mut answer = ConnAck {
        reason: Reason::Success,
        assigned_client_id: None,
        receive_maximum: core.limits.receive_maximum,
        maximum_packet_size: core.limits.max_packet_size as u32,
        session_ends_with_connection: false,
    };
    let connect = match Connect::decode(frame.body) {
        Ok(connect) => connect,
        Err(error) => {
            answer.reason = error.reason;
            // MQTT 3 has a return code for a wrong version only; else it closes.
            if frame.body.starts_with(b"\0\x04MQTT\x05") {
                answer.encode(Version::V5, out);
            } else if error.reason == Reason::UnsupportedProtocolVersion {
                answer.encode(Version::V311, out);
            }
            return Err(error.what);
        }
    };
    match admit(&connect, peer, core) {
        Ok(accepted) => {
            answer.assigned_client_id = connect.client_id.is_empty().then_some(&accepted.client.id);
            answer.session_ends_with_connection = connect.session_expiry > 0;
            answer.encode(connect.version, out);
            Ok(accepted)
        }
        Err((reason, what)) => {
            answer.reason = reason;
            answer.encode(connect.version, out);
            Err(what)
        }
    }
}

/// Whether the broker can serve what a CONNECT asks for.
fn admit(
    connect: &Connect<'_>,
    peer: Peer,
    core: &Core,
) -> Result<Accepted, (Reason, &'static str)> {
    if core.store.is_poisoned() {
        return Err((Reason::ServerUnavailable, "the store takes nothing"));
    }
    if connect.has_authentication_method {
        return Err((
            Reason::BadAuthenticationMethod,
            "enhanced authentication is not offered",
        ));
    }
    let is_v5 = connect.version == Version::V5;
    if connect.client_id.is_empty() && !connect.clean_start && !is_v5 {
        return Err((
            Reason::ClientIdentifierNotValid,
            "a client without an identifier asks for a session",
        ));
    }
    if !is_v5 && !connect.clean_start {
        return Err((
            Reason::ServerUnavailable,
            "sessions that outlive their connection are not offered",
        ));
    }
    let will = match &connect.will {
        None => None,
        Some(will) if will.retain => {
            return Err((Reason::RetainNotSupported, "retained wills are not offered"));
        }
        Some(will) => {
            let topic = TopicName::parse(will.topic).map_err(|_| {
                (
                    Reason::TopicNameInvalid,
                    "the will topic is not a topic name",
                )
            })?;
            Some(StoredWill::new(topic, will))
        }
    };
    let id = match connect.client_id {
        "" => core.assign_client_id(),
        id => ByteString::from(id),
    };
    let client = Arc::new(Client {
        id,
        user_name: connect.user_name.map(str::to_owned),
        peer,
        version: connect.version,
    });
    core.hooks
        .connect(&client, connect.password)
        .map_err(|reason| (reason, "the client was not admitted"))?;
    let inflight = if is_v5 && connect.receive_maximum < u16::MAX {
        connect.receive_maximum
    } else {
        core.limits.max_inflight
    };
    let maximum_packet_size = connect
        .maximum_packet_size
        .map_or(usize::MAX, |bytes| bytes as usize);
    Ok(Accepted {
        client,
        keep_alive: (connect.keep_alive > 0)
            .then(|| Duration::from_millis(u64::from(connect.keep_alive) * 1500)),
        will,
        session: Session::new(connect.version, inflight, maximum_packet_size),
    })
}
