//! What one side writes is what the other side reads.
//!
//! The client's side is written here, field by field as the specification puts them.

use std::collections::BTreeMap;

use proptest::{option, prelude::*};

use super::{
    cursor::{Cursor, put_binary, put_variable},
    properties::{Properties, Value, id},
    *,
};

/// User properties, encoded.
const USER_PROPERTIES: &[u8] = b"\x26\0\x01a\0\x01b\x26\0\x01a\0\x01b";

fn text() -> impl Strategy<Value = String> {
    "[a-zü/€]{0,40}"
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

fn qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn subscription_id() -> impl Strategy<Value = u32> {
    1_u32..=268_435_455
}

fn options() -> impl Strategy<Value = SubscriptionOptions> {
    let retain_handling = prop::sample::select(vec![
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    (qos(), any::<bool>(), any::<bool>(), retain_handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscriptionOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

prop_compose! {
    fn will()(
        topic in text(),
        payload in bytes(),
        qos in qos(),
        retain in any::<bool>(),
        has_properties in any::<bool>(),
        expiry in option::of(any::<u32>()),
        delay in any::<u32>(),
    ) -> OwnedWill {
        let properties = if has_properties { USER_PROPERTIES.to_vec() } else { Vec::new() };
        OwnedWill { topic, payload, qos, retain, properties, expiry, delay }
    }
}

/// What a [`Will`] borrows.
#[derive(Clone, Debug)]
struct OwnedWill {
    topic: String,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
    properties: Vec<u8>,
    expiry: Option<u32>,
    delay: u32,
}

impl OwnedWill {
    fn lend(&self) -> Will<'_> {
        Will {
            topic: &self.topic,
            payload: &self.payload,
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.clone(),
            expiry: self.expiry,
            delay: self.delay,
        }
    }
}

fn put_property(out: &mut Vec<u8>, id: u8, value: &[u8]) {
    out.push(id);
    out.extend_from_slice(value);
}

fn put_block(out: &mut Vec<u8>, properties: &[u8]) {
    put_variable(out, properties.len());
    out.extend_from_slice(properties);
}

/// The body of a CONNECT of MQTT 5.
fn connect_body(connect: &Connect<'_>) -> Vec<u8> {
    let mut flags = u8::from(connect.clean_start) << 1;
    if let Some(will) = &connect.will {
        flags |= 0x04 | (will.qos as u8) << 3 | u8::from(will.retain) << 5;
    }
    flags |= u8::from(connect.password.is_some()) << 6;
    flags |= u8::from(connect.user_name.is_some()) << 7;
    let mut body = b"\0\x04MQTT\x05".to_vec();
    body.push(flags);
    body.extend_from_slice(&connect.keep_alive.to_be_bytes());
    put_block(&mut body, &connect_properties(connect));
    put_binary(&mut body, connect.client_id.as_bytes());
    if let Some(will) = &connect.will {
        put_block(&mut body, &will_properties(will));
        put_binary(&mut body, will.topic.as_bytes());
        put_binary(&mut body, will.payload);
    }
    if let Some(user_name) = connect.user_name {
        put_binary(&mut body, user_name.as_bytes());
    }
    if let Some(password) = connect.password {
        put_binary(&mut body, password);
    }
    body
}

fn connect_properties(connect: &Connect<'_>) -> Vec<u8> {
    let mut out = USER_PROPERTIES.to_vec();
    let flag = |flag| [u8::from(flag)];
    put_property(
        &mut out,
        id::SESSION_EXPIRY_INTERVAL,
        &connect.session_expiry.to_be_bytes(),
    );
    put_property(
        &mut out,
        id::RECEIVE_MAXIMUM,
        &connect.receive_maximum.to_be_bytes(),
    );
    if let Some(bytes) = connect.maximum_packet_size {
        put_property(&mut out, id::MAXIMUM_PACKET_SIZE, &bytes.to_be_bytes());
    }
    put_property(
        &mut out,
        id::TOPIC_ALIAS_MAXIMUM,
        &connect.topic_alias_maximum.to_be_bytes(),
    );
    put_property(
        &mut out,
        id::REQUEST_PROBLEM_INFORMATION,
        &flag(connect.requests_problem_information),
    );
    put_property(
        &mut out,
        id::REQUEST_RESPONSE_INFORMATION,
        &flag(connect.requests_response_information),
    );
    if connect.has_authentication_method {
        out.push(id::AUTHENTICATION_METHOD);
        put_binary(&mut out, b"SCRAM-SHA-1");
    }
    out
}

fn will_properties(will: &Will<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    put_property(&mut out, id::WILL_DELAY_INTERVAL, &will.delay.to_be_bytes());
    if let Some(seconds) = will.expiry {
        put_property(
            &mut out,
            id::MESSAGE_EXPIRY_INTERVAL,
            &seconds.to_be_bytes(),
        );
    }
    out.extend_from_slice(&will.properties);
    out
}

/// The body of the only packet in `wire`, which begins with `first`.
fn body(wire: &[u8], first: u8) -> Vec<u8> {
    let mut cursor = Cursor::new(wire);
    assert_eq!(cursor.u8().unwrap(), first);
    let length = cursor.variable().unwrap();
    let body = cursor.bytes(length as usize).unwrap().to_vec();
    assert!(cursor.is_empty());
    body
}

/// The properties at `cursor`, which are all different.
fn properties<'a>(cursor: &mut Cursor<'a>) -> BTreeMap<u8, Value<'a>> {
    let mut properties = Properties::take(cursor).unwrap();
    let mut taken = BTreeMap::new();
    while let Some(property) = properties.next().unwrap() {
        taken.insert(property.id, property.value);
    }
    taken
}

/// Reads `outgoing` as a client of MQTT 5, which alone gets subscription identifiers.
fn hear(outgoing: &Outgoing<'_>) {
    let mut wire = Vec::new();
    outgoing.encode(Version::V5, &mut wire);
    let flags = u8::from(outgoing.dup) << 3 | u8::from(outgoing.retain);
    let body = body(&wire, 0x30 | flags | (outgoing.qos as u8) << 1);
    let mut cursor = Cursor::new(&body);
    assert_eq!(cursor.string(), Ok(outgoing.topic));
    if outgoing.qos != QoS::AtMostOnce {
        assert_eq!(cursor.packet_id(), Ok(outgoing.packet_id));
    }
    let length = cursor.variable().unwrap();
    let mut properties = Cursor::new(cursor.bytes(length as usize).unwrap());
    if let Some(seconds) = outgoing.expiry {
        assert_eq!(properties.u8(), Ok(id::MESSAGE_EXPIRY_INTERVAL));
        assert_eq!(properties.u32(), Ok(seconds));
    }
    if let Some(alias) = outgoing.topic_alias {
        assert_eq!(properties.u8(), Ok(id::TOPIC_ALIAS));
        assert_eq!(properties.u16(), Ok(alias));
    }
    for subscription in outgoing.subscription_ids {
        assert_eq!(properties.u8(), Ok(id::SUBSCRIPTION_IDENTIFIER));
        assert_eq!(properties.variable(), Ok(*subscription));
    }
    assert_eq!(properties.remainder(), outgoing.properties);
    assert_eq!(cursor.remainder(), outgoing.payload);
}

proptest! {
    #[test]
    fn a_connect_is_read_as_it_was_written(
        (client_id, user_name, password) in (text(), option::of(text()), option::of(bytes())),
        (clean_start, keep_alive) in any::<(bool, u16)>(),
        will in option::of(will()),
        (session_expiry, topic_alias_maximum) in any::<(u32, u16)>(),
        receive_maximum in 1_u16..,
        maximum_packet_size in option::of(1_u32..),
        (problems, responses, has_authentication_method) in any::<(bool, bool, bool)>(),
    ) {
        let connect = Connect {
            version: Version::V5,
            client_id: &client_id,
            clean_start,
            keep_alive,
            will: will.as_ref().map(OwnedWill::lend),
            user_name: user_name.as_deref(),
            password: password.as_deref(),
            session_expiry,
            receive_maximum,
            maximum_packet_size,
            topic_alias_maximum,
            requests_problem_information: problems,
            requests_response_information: responses,
            has_authentication_method,
        };
        let body = connect_body(&connect);
        prop_assert_eq!(Connect::decode(&body), Ok(connect));
    }

    #[test]
    fn a_connack_is_read_as_it_was_written(
        session_present in any::<bool>(),
        reason in prop::sample::select(vec![Reason::Success, Reason::ServerBusy]),
        (reason_string, client_id) in (option::of(text()), option::of(text())),
        session_expiry in option::of(any::<u32>()),
        receive_maximum in 1_u16..,
        maximum_qos in qos(),
        maximum_packet_size in 1_u32..,
        topic_alias_maximum in prop_oneof![Just(0), any::<u16>()],
        subscription_identifiers_available in any::<bool>(),
        server_keep_alive in option::of(any::<u16>()),
    ) {
        let connack = ConnAck {
            session_present,
            reason,
            reason_string: reason_string.as_deref(),
            session_expiry,
            receive_maximum,
            maximum_qos,
            maximum_packet_size,
            assigned_client_id: client_id.as_deref(),
            topic_alias_maximum,
            subscription_identifiers_available,
            server_keep_alive,
        };
        let mut wire = Vec::new();
        connack.encode(Version::V5, &mut wire);
        let body = body(&wire, 0x20);
        let mut cursor = Cursor::new(&body);
        let is_accepted = reason == Reason::Success;
        prop_assert_eq!(cursor.u8(), Ok(u8::from(session_present && is_accepted)));
        prop_assert_eq!(cursor.u8(), Ok(reason.code()));
        let number = |number: Option<u32>| number.map(Value::Number);
        let mut expected = BTreeMap::from([
            (id::SESSION_EXPIRY_INTERVAL, number(session_expiry)),
            (id::RECEIVE_MAXIMUM, number(Some(receive_maximum.into()))),
            (
                id::MAXIMUM_QOS,
                number((maximum_qos < QoS::ExactlyOnce).then_some(maximum_qos as u32)),
            ),
            (id::MAXIMUM_PACKET_SIZE, number(Some(maximum_packet_size))),
            (id::ASSIGNED_CLIENT_IDENTIFIER, client_id.as_deref().map(Value::Text)),
            (
                id::TOPIC_ALIAS_MAXIMUM,
                number((topic_alias_maximum > 0).then_some(topic_alias_maximum.into())),
            ),
            (
                id::SUBSCRIPTION_IDENTIFIER_AVAILABLE,
                number((!subscription_identifiers_available).then_some(0)),
            ),
            (id::SERVER_KEEP_ALIVE, number(server_keep_alive.map(u32::from))),
        ]);
        if !is_accepted {
            expected.clear();
        }
        expected.insert(id::REASON_STRING, reason_string.as_deref().map(Value::Text));
        let expected: BTreeMap<_, _> = expected
            .into_iter()
            .filter_map(|(id, value)| Some((id, value?)))
            .collect();
        prop_assert_eq!(properties(&mut cursor), expected);
        prop_assert!(cursor.is_empty());
    }

    #[test]
    fn a_publish_is_read_as_it_was_written(
        (dup, retain, qos, topic) in (any::<bool>(), any::<bool>(), qos(), text()),
        topic_alias in option::of(any::<u16>()),
        packet_id in 1_u16..,
        subscription_ids in prop::collection::vec(subscription_id(), 0..40),
        has_user_properties in any::<bool>(),
        expiry in option::of(any::<u32>()),
        payload in bytes(),
    ) {
        let outgoing = Outgoing {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: &topic,
            topic_alias,
            packet_id,
            subscription_ids: &subscription_ids,
            properties: if has_user_properties { USER_PROPERTIES } else { b"" },
            expiry,
            payload: &payload,
        };
        for version in [Version::V311, Version::V5] {
            let mut wire = Vec::new();
            outgoing.encode(version, &mut wire);
            prop_assert_eq!(wire.len(), outgoing.encoded_len(version));
        }
        hear(&outgoing);
        // What a client may say, the broker reads.
        let spoken = Outgoing { subscription_ids: &[], ..outgoing };
        let mut wire = Vec::new();
        spoken.encode(Version::V5, &mut wire);
        let frame = Frame::first(&wire, wire.len()).unwrap().unwrap();
        let publish = Publish::decode(frame.flags, frame.body, Version::V5).unwrap();
        prop_assert_eq!((publish.qos, publish.retain), (qos, retain));
        prop_assert_eq!((publish.topic, publish.payload), (topic.as_bytes(), &payload[..]));
        prop_assert_eq!(publish.properties.topic_alias, topic_alias);
        prop_assert_eq!(publish.properties.expiry, expiry);
        let mut forwarded = Vec::new();
        publish.properties.forward(&mut forwarded);
        prop_assert_eq!(forwarded, spoken.properties);
    }

    #[test]
    fn a_subscribe_is_read_as_it_was_written(
        packet_id in 1_u16..,
        identifier in option::of(subscription_id()),
        filters in prop::collection::vec((text(), options()), 1..20),
    ) {
        let mut body = packet_id.to_be_bytes().to_vec();
        let mut properties = USER_PROPERTIES.to_vec();
        if let Some(number) = identifier {
            properties.push(id::SUBSCRIPTION_IDENTIFIER);
            put_variable(&mut properties, number as usize);
        }
        put_block(&mut body, &properties);
        for (filter, options) in &filters {
            put_binary(&mut body, filter.as_bytes());
            body.push(options.to_byte());
        }
        let subscribe = Subscribe {
            packet_id,
            identifier,
            filters: filters.iter().map(|(filter, options)| (&filter[..], *options)).collect(),
        };
        prop_assert_eq!(Subscribe::decode(&body, Version::V5), Ok(subscribe));
    }

    #[test]
    fn a_disconnect_is_read_as_it_was_written(
        reason in prop::sample::select(vec![Reason::Success, Reason::QuotaExceeded]),
        reason_string in option::of(prop_oneof![text(), "[a-z]{120,300}"]),
    ) {
        let mut wire = Vec::new();
        Disconnect::encode(reason, reason_string.as_deref(), Version::V5, &mut wire);
        let body = body(&wire, 0xE0);
        let disconnect = Disconnect::decode(&body, Version::V5).unwrap();
        prop_assert_eq!(disconnect.reason, reason.code());
        let mut cursor = Cursor::new(&body[1..]);
        let heard = properties(&mut cursor).remove(&id::REASON_STRING);
        prop_assert_eq!(heard, reason_string.as_deref().map(Value::Text));
        prop_assert!(cursor.is_empty());
    }
}
