//! rumqttc with MQTT 5.

use rumqttc::{
    Outgoing, Transport,
    v5::{
        AsyncClient, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS, qos,
            v5::{
                LastWill, Packet, PubAckReason, PubCompReason, PubRecReason, PublishProperties,
                SubscribeReasonCode,
            },
        },
    },
};

use super::{Connect, Events, Happened, Message, Properties, Publish, REQUESTS, Requests};

pub(super) fn client(
    host: String,
    port: u16,
    transport: Transport,
    how: &Connect<'_>,
) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(how.client_id, host, port);
    options
        .set_transport(transport)
        .set_clean_start(how.kept.is_none())
        .set_session_expiry_interval(how.kept);
    if let Some(topic) = how.will {
        let will = LastWill::new(topic, how.client_id, QoS::AtLeastOnce, false, None);
        options.set_last_will(will);
    }
    AsyncClient::new(options, REQUESTS)
}

impl Requests for AsyncClient {
    fn subscribe(&self, filter: &str, level: u8) {
        self.try_subscribe(filter, qos(level).expect("a QoS"))
            .expect("it takes the request");
    }

    fn publish(&self, topic: &str, payload: &str, publish: &Publish<'_>) {
        let wanted = publish.properties.clone();
        let properties = PublishProperties {
            topic_alias: publish.alias.then_some(1),
            response_topic: wanted.response_topic,
            correlation_data: wanted.correlation_data.map(Into::into),
            user_properties: wanted.user,
            content_type: wanted.content_type,
            ..PublishProperties::default()
        };
        let level = qos(publish.qos).expect("a QoS");
        let payload = payload.to_owned();
        self.try_publish_with_properties(topic, level, publish.retain, payload, properties)
            .expect("it takes the request");
    }

    fn disconnect(&self) {
        self.try_disconnect().expect("it takes the request");
    }
}

impl Events for EventLoop {
    async fn next(&mut self) -> Happened {
        match self.poll().await {
            Ok(Event::Incoming(packet)) => incoming(packet),
            // Nobody acknowledges QoS 0.
            Ok(Event::Outgoing(Outgoing::Publish(0))) => Happened::Acknowledged,
            Ok(Event::Outgoing(Outgoing::Disconnect)) => Happened::Disconnected,
            Ok(Event::Outgoing(_)) => Happened::Nothing,
            Err(error) => Happened::Failed(error.to_string()),
        }
    }
}

fn incoming(packet: Packet) -> Happened {
    let failed = format!("{packet:?}");
    match packet {
        Packet::ConnAck(answer) => Happened::Connected {
            session_present: answer.session_present,
        },
        Packet::SubAck(answer) => match answer.return_codes[..] {
            [SubscribeReasonCode::Success(granted)] => Happened::Subscribed {
                granted: Some(granted as u8),
            },
            _ => Happened::Failed(failed),
        },
        Packet::PubAck(answer) => match answer.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Happened::Acknowledged,
            _ => Happened::Failed(failed),
        },
        Packet::PubRec(answer) => match answer.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => Happened::Nothing,
            _ => Happened::Failed(failed),
        },
        Packet::PubComp(answer) => match answer.reason {
            PubCompReason::Success => Happened::Acknowledged,
            PubCompReason::PacketIdentifierNotFound => Happened::Failed(failed),
        },
        Packet::Publish(publish) => {
            let found = publish.properties.unwrap_or_default();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Happened::Arrived(Message {
                topic: text(&publish.topic),
                payload: text(&publish.payload),
                qos: publish.qos as u8,
                retain: publish.retain,
                properties: Properties {
                    user: found.user_properties,
                    response_topic: found.response_topic,
                    correlation_data: found.correlation_data.map(|data| text(&data)),
                    content_type: found.content_type,
                },
                alias: found.topic_alias,
            })
        }
        _ => Happened::Nothing,
    }
}
