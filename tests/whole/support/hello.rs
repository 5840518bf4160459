//! CONNECT: what a client asks for and what comes of it.

use std::net::{SocketAddr, TcpStream};

use crate::support::{
    client::Client,
    properties::id,
    version::Version::{self, V5},
    wire::{self, Wire},
};

/// What a client says first.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    version: Version,
    client_id: String,
    clean: bool,
    /// Seconds that the session outlives the connection, which only MQTT 5 says.
    expiry: u32,
    receive_maximum: Option<u16>,
    will: Option<Will>,
}

/// A will; the delay and the properties are those of MQTT 5.
#[derive(Clone, Debug, Default)]
pub(crate) struct Will {
    pub(crate) topic: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) delay: u32,
    pub(crate) properties: Vec<u8>,
}

impl Hello {
    /// A session that ends with its connection.
    pub(crate) fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            client_id: client_id.to_owned(),
            clean: true,
            expiry: 0,
            receive_maximum: None,
            will: None,
        }
    }

    /// A session that is resumed, and outlives its connection for an hour at least.
    pub(crate) fn lasting(version: Version, client_id: &str) -> Self {
        Self {
            clean: false,
            expiry: 3600,
            ..Self::new(version, client_id)
        }
    }

    pub(crate) fn clean(self, clean: bool) -> Self {
        Self { clean, ..self }
    }

    pub(crate) fn expiry(self, expiry: u32) -> Self {
        Self { expiry, ..self }
    }

    pub(crate) fn receive_maximum(self, messages: u16) -> Self {
        Self {
            receive_maximum: Some(messages),
            ..self
        }
    }

    pub(crate) fn will(self, will: Will) -> Self {
        Self {
            will: Some(will),
            ..self
        }
    }

    /// Connects and is accepted.
    #[track_caller]
    pub(crate) fn connect(&self, address: SocketAddr) -> Client {
        self.attempt(address)
            .unwrap_or_else(|code| panic!("{} was refused: {code:?}", self.client_id))
    }

    /// Connects; the code of a CONNACK that refuses, `None` when nothing was answered.
    pub(crate) fn attempt(&self, address: SocketAddr) -> Result<Client, Option<u8>> {
        let Ok(stream) = TcpStream::connect(address) else {
            return Err(None);
        };
        let mut wire = Wire::over(stream);
        wire.send(&self.packet());
        let answer = wire.receive().ok_or(None)?;
        assert_eq!(answer.first, 0x20, "a CONNACK: {answer:?}");
        match answer.body[1] {
            0 => Ok(Client::accepted(self.version, wire, &answer)),
            code => Err(Some(code)),
        }
    }

    /// The CONNECT packet.
    fn packet(&self) -> Vec<u8> {
        let (name, level) = self.version.protocol();
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        }
        let mut body = wire::string(name.as_bytes());
        body.extend_from_slice(&[level, flags, 0, 0]);
        if self.version == V5 {
            let mut properties = vec![id::SESSION_EXPIRY];
            properties.extend_from_slice(&self.expiry.to_be_bytes());
            if let Some(messages) = self.receive_maximum {
                properties.push(id::RECEIVE_MAXIMUM);
                properties.extend_from_slice(&messages.to_be_bytes());
            }
            body.push(properties.len() as u8);
            body.append(&mut properties);
        }
        body.extend_from_slice(&wire::string(self.client_id.as_bytes()));
        if let Some(will) = &self.will {
            if self.version == V5 {
                let mut properties = will.properties.clone();
                properties.push(id::WILL_DELAY);
                properties.extend_from_slice(&will.delay.to_be_bytes());
                body.push(properties.len() as u8);
                body.append(&mut properties);
            }
            body.extend_from_slice(&wire::string(will.topic.as_bytes()));
            body.extend_from_slice(&wire::string(will.payload.as_bytes()));
        }
        wire::packet(0x10, &body)
    }
}
