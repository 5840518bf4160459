//! PUBLISH (3.3), in both directions.

use super::{
    DecodeError, QoS, Version,
    cursor::{Cursor, binary_len, put_binary, put_variable, variable_len},
    properties::{Properties, Value, check_response_topic, id, misplaced},
};

/// A PUBLISH packet from a client, borrowed from the read buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The topic's bytes, none where an alias stands for them; whether they are a topic name is
    /// checked where topics are looked up.
    pub(crate) topic: &'a [u8],
    /// Zero at QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) properties: PublishProperties<'a>,
    pub(crate) payload: &'a [u8],
}

/// The properties of a PUBLISH packet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PublishProperties<'a> {
    raw: &'a [u8],
    /// Seconds that the message is worth delivering.
    pub(crate) expiry: Option<u32>,
    pub(crate) topic_alias: Option<u16>,
}

impl<'a> Publish<'a> {
    pub(crate) fn decode(
        flags: u8,
        body: &'a [u8],
        version: Version,
    ) -> Result<Publish<'a>, DecodeError> {
        let qos =
            QoS::from_bits(flags >> 1 & 3).ok_or(DecodeError::malformed("a PUBLISH has QoS 3"))?;
        // DUP says nothing to a receiver: a publish is known by its packet identifier (3.3.1.1).
        if flags & 8 != 0 && qos == QoS::AtMostOnce {
            return Err(DecodeError::malformed("a PUBLISH at QoS 0 has DUP set"));
        }
        let mut cursor = Cursor::new(body);
        let topic = cursor.binary()?;
        let packet_id = if qos == QoS::AtMostOnce {
            0
        } else {
            cursor.packet_id()?
        };
        let properties = match version {
            Version::V5 => PublishProperties::take(&mut cursor)?,
            Version::V31 | Version::V311 => PublishProperties::default(),
        };
        let payload = cursor.remainder();
        Ok(Publish {
            qos,
            retain: flags & 1 != 0,
            topic,
            packet_id,
            properties,
            payload,
        })
    }
}

impl<'a> PublishProperties<'a> {
    fn take(cursor: &mut Cursor<'a>) -> Result<PublishProperties<'a>, DecodeError> {
        let mut properties = Properties::take(cursor)?;
        let mut taken = PublishProperties {
            raw: properties.raw(),
            ..PublishProperties::default()
        };
        while let Some(property) = properties.next()? {
            match (property.id, property.value) {
                (id::MESSAGE_EXPIRY_INTERVAL, Value::Number(seconds)) => {
                    taken.expiry = Some(seconds)
                }
                (id::TOPIC_ALIAS, Value::Number(alias)) => taken.topic_alias = Some(alias as u16),
                (id::RESPONSE_TOPIC, Value::Text(topic)) => check_response_topic(topic)?,
                (
                    id::PAYLOAD_FORMAT_INDICATOR
                    | id::CONTENT_TYPE
                    | id::CORRELATION_DATA
                    | id::USER_PROPERTY,
                    _,
                ) => {}
                _ => return Err(misplaced()),
            }
        }
        Ok(taken)
    }

    /// Bytes of all of them.
    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    /// Appends what a receiver gets to see, in the order in which it came.
    ///
    /// The expiry is written anew for each receiver and an alias belongs to the sender's connection.
    pub(crate) fn forward(&self, out: &mut Vec<u8>) {
        if self.expiry.is_none() && self.topic_alias.is_none() {
            out.extend_from_slice(self.raw);
            return;
        }
        let mut framed = Vec::with_capacity(self.raw.len() + 4);
        put_variable(&mut framed, self.raw.len());
        framed.extend_from_slice(self.raw);
        let Ok(mut properties) = Properties::take(&mut Cursor::new(&framed)) else {
            return;
        };
        while let Ok(Some(property)) = properties.next() {
            if !matches!(property.id, id::MESSAGE_EXPIRY_INTERVAL | id::TOPIC_ALIAS) {
                out.extend_from_slice(property.raw);
            }
        }
    }
}

/// A PUBLISH packet to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) dup: bool,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Empty where the alias stands for it.
    pub(crate) topic: &'a str,
    /// A receiver below MQTT 5 gets none.
    pub(crate) topic_alias: Option<u16>,
    /// Ignored at QoS 0.
    pub(crate) packet_id: u16,
    /// Those of the subscriptions that match, up to 268,435,455 each; a receiver below MQTT 5
    /// gets none.
    pub(crate) subscription_ids: &'a [u32],
    /// Encoded properties without those that have a field here; a receiver below MQTT 5 gets none.
    pub(crate) properties: &'a [u8],
    /// Seconds left.
    pub(crate) expiry: Option<u32>,
    pub(crate) payload: &'a [u8],
}

impl Outgoing<'_> {
    /// Bytes of the whole packet.
    pub(crate) fn encoded_len(&self, version: Version) -> usize {
        let remaining = self.remaining_length(version);
        1 + variable_len(remaining) + remaining
    }

    pub(crate) fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let first = 0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain);
        out.push(first);
        put_variable(out, self.remaining_length(version));
        put_binary(out, self.topic.as_bytes());
        if self.qos != QoS::AtMostOnce {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if version == Version::V5 {
            put_variable(out, self.property_length());
            if let Some(seconds) = self.expiry {
                out.push(id::MESSAGE_EXPIRY_INTERVAL);
                out.extend_from_slice(&seconds.to_be_bytes());
            }
            if let Some(alias) = self.topic_alias {
                out.push(id::TOPIC_ALIAS);
                out.extend_from_slice(&alias.to_be_bytes());
            }
            for subscription in self.subscription_ids {
                out.push(id::SUBSCRIPTION_IDENTIFIER);
                put_variable(out, *subscription as usize);
            }
            out.extend_from_slice(self.properties);
        }
        out.extend_from_slice(self.payload);
    }

    fn remaining_length(&self, version: Version) -> usize {
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = match version {
            Version::V5 => variable_len(self.property_length()) + self.property_length(),
            Version::V31 | Version::V311 => 0,
        };
        binary_len(self.topic.as_bytes()) + packet_id + properties + self.payload.len()
    }

    fn property_length(&self) -> usize {
        let expiry = if self.expiry.is_some() { 5 } else { 0 };
        let alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let subscriptions = self.subscription_ids.iter();
        let subscriptions = subscriptions.map(|id| 1 + variable_len(*id as usize));
        expiry + alias + subscriptions.sum::<usize>() + self.properties.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Frame, Reason};

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for version in [Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let outgoing = Outgoing {
                    dup: qos != QoS::AtMostOnce,
                    qos,
                    retain: true,
                    topic: "größe/1",
                    topic_alias: Some(9),
                    packet_id: 513,
                    subscription_ids: &[],
                    properties: b"\x03\x00\x01t\x26\x00\x01a\x00\x01b",
                    expiry: Some(70_000),
                    payload: &[0, 159, 255],
                };
                let mut wire = Vec::new();
                outgoing.encode(version, &mut wire);
                assert_eq!(wire.len(), outgoing.encoded_len(version));
                let frame = Frame::first(&wire, 1000).unwrap().unwrap();
                let publish = Publish::decode(frame.flags, frame.body, version).unwrap();
                assert_eq!(publish.topic, "größe/1".as_bytes());
                assert_eq!((publish.qos, publish.retain), (qos, true));
                assert_eq!(
                    publish.packet_id,
                    if qos == QoS::AtMostOnce { 0 } else { 513 }
                );
                assert_eq!(publish.payload, outgoing.payload);
                let mut forwarded = Vec::new();
                publish.properties.forward(&mut forwarded);
                if version == Version::V5 {
                    assert_eq!(forwarded, outgoing.properties);
                    assert_eq!(publish.properties.expiry, Some(70_000));
                    assert_eq!(publish.properties.topic_alias, Some(9));
                }
            }
        }
    }

    #[test]
    fn an_alias_and_subscription_identifiers_go_to_mqtt_5_alone() {
        let outgoing = Outgoing {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: "",
            topic_alias: Some(258),
            packet_id: 0,
            subscription_ids: &[1, 128, 268_435_455],
            properties: b"",
            expiry: None,
            payload: b"x",
        };
        let mut wire = Vec::new();
        outgoing.encode(Version::V5, &mut wire);
        assert_eq!(
            wire,
            b"\x30\x11\0\0\x0d\x23\x01\x02\x0b\x01\x0b\x80\x01\x0b\xff\xff\xff\x7fx"
        );
        assert_eq!(wire.len(), outgoing.encoded_len(Version::V5));
        let named = Outgoing {
            topic: "t",
            ..outgoing
        };
        wire.clear();
        named.encode(Version::V311, &mut wire);
        assert_eq!(wire, b"\x30\x04\0\x01tx");
        assert_eq!(wire.len(), named.encoded_len(Version::V311));
    }

    #[test]
    fn a_topic_may_be_empty_and_a_payload_anything() {
        let alias_alone = Publish::decode(0, b"\0\0\x03\x23\0\x05x", Version::V5).unwrap();
        assert_eq!(alias_alone.topic, b"");
        assert_eq!(alias_alone.properties.topic_alias, Some(5));
        let not_text = Publish::decode(0, b"\0\x01a\x02\x01\x01\xff", Version::V5).unwrap();
        assert_eq!(not_text.payload, b"\xff");
    }

    #[test]
    fn broken_publishes_are_refused() {
        let refused =
            |flags, body: &[u8], version| Publish::decode(flags, body, version).unwrap_err().reason;
        assert_eq!(
            refused(6, b"\0\x01a\0\x01", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(8, b"\0\x01a", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(2, b"\0\x01a\0\0", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(2, b"\0\x05a", Version::V311),
            Reason::MalformedPacket
        );
        assert_eq!(
            refused(0, b"\0\x01a\x02\x0b\x01", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(0, b"\0\x01a\x04\x01\x00\x01\x00", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(0, b"\0\x01a\x02\x01\x02", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(0, b"\0\x01a\x05\x08\x00\x02+a", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(0, b"\0\x01a\x03\x08\x00\x00", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(0, b"\0\x01a\x06\x23\0\x01\x23\0\x01", Version::V5),
            Reason::ProtocolError
        );
        assert_eq!(
            refused(0, b"\0\x01a\x01\x7f", Version::V5),
            Reason::MalformedPacket
        );
    }
}
