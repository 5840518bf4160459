//! rumqttc with MQTT 3.1.1.

use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS,
    SubscribeReasonCode, Transport, qos,
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
        .set_clean_session(how.kept.is_none());
    if let Some(topic) = how.will {
        options.set_last_will(LastWill::new(topic, how.client_id, QoS::AtLeastOnce, false));
    }
    AsyncClient::new(options, REQUESTS)
}

impl Requests for AsyncClient {
    fn subscribe(&self, filter: &str, level: u8) {
        self.try_subscribe(filter, qos(level).expect("a QoS"))
            .expect("it takes the request");
    }

    fn publish(&self, topic: &str, payload: &str, publish: &Publish<'_>) {
        let level = qos(publish.qos).expect("a QoS");
        self.try_publish(topic, level, publish.retain, payload)
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
    match packet {
        Packet::ConnAck(answer) => Happened::Connected {
            session_present: answer.session_present,
        },
        Packet::SubAck(answer) => match answer.return_codes[..] {
            [SubscribeReasonCode::Success(granted)] => Happened::Subscribed {
                granted: Some(granted as u8),
            },
            _ => Happened::Failed(format!("{answer:?}")),
        },
        Packet::PubAck(_) | Packet::PubComp(_) => Happened::Acknowledged,
        Packet::Publish(publish) => Happened::Arrived(Message {
            topic: publish.topic,
            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
            qos: publish.qos as u8,
            retain: publish.retain,
            properties: Properties::default(),
            alias: None,
        }),
        _ => Happened::Nothing,
    }
}
