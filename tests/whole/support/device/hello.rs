//! CONNECT and its answer.

use std::net::SocketAddr;

use super::{
    Device,
    packets::{Publish, put_properties, split_properties},
};
use crate::support::{
    version::Version::{self, V5},
    wire::{packet, string},
};

/// A CONNECT.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    version: Version,
    client_id: Vec<u8>,
    is_clean: bool,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<Publish>,
}

/// What a CONNECT was answered with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Welcome {
    pub(crate) session_present: bool,
    pub(crate) reason: u8,
    pub(crate) properties: Vec<u8>,
}

impl Hello {
    /// A clean session, which ends with the connection.
    pub(crate) fn clean(version: Version, client_id: impl AsRef<[u8]>) -> Self {
        Self {
            version,
            client_id: client_id.as_ref().to_vec(),
            is_clean: true,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
        }
    }

    /// A session that is found again, and outlives the connection.
    pub(crate) fn lasting(version: Version, client_id: impl AsRef<[u8]>) -> Self {
        let mut hello = Self::clean(version, client_id);
        hello.is_clean = false;
        if version == V5 {
            hello.properties = vec![0x11, 0, 0, 0x0E, 0x10];
        }
        hello
    }

    pub(crate) fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    /// Adds encoded properties, which only MQTT 5 has.
    pub(crate) fn property(mut self, encoded: &[u8]) -> Self {
        self.properties.extend_from_slice(encoded);
        self
    }

    /// Adds a will; its own properties are those of `will`.
    pub(crate) fn will(mut self, will: Publish) -> Self {
        self.will = Some(will);
        self
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (name, level) = self.version.protocol();
        let mut flags = u8::from(self.is_clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        }
        let mut body = string(name.as_bytes());
        body.extend_from_slice(&[level, flags]);
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        put_properties(self.version, &self.properties, &mut body);
        body.extend_from_slice(&string(&self.client_id));
        if let Some(will) = &self.will {
            put_properties(self.version, &will.properties, &mut body);
            body.extend_from_slice(&string(&will.topic));
            body.extend_from_slice(&string(&will.payload));
        }
        packet(0x10, &body)
    }

    /// Sends it and gives the connection and the answer.
    #[track_caller]
    pub(crate) fn answered(&self, address: SocketAddr) -> (Device, Welcome) {
        let mut device = Device::open(address, self.version);
        device.wire.send(&self.encode());
        let answer = device.wire.expect("CONNACK");
        assert_eq!(answer.first, 0x20, "{answer:x?}");
        let (mut session_present, mut properties) = (answer.body[0] == 1, Vec::new());
        if self.version == V5 {
            properties = split_properties(&answer.body[2..]).0.to_vec();
        } else if self.version == Version::V31 {
            session_present = false;
        }
        let welcome = Welcome {
            session_present,
            reason: answer.body[1],
            properties,
        };
        (device, welcome)
    }

    /// Sends it and is accepted.
    #[track_caller]
    pub(crate) fn accepted(&self, address: SocketAddr) -> (Device, Welcome) {
        let (device, welcome) = self.answered(address);
        assert_eq!(welcome.reason, 0, "{welcome:x?}");
        (device, welcome)
    }

    /// Sends it, is accepted, and its session is there exactly if `session_present`.
    #[track_caller]
    pub(crate) fn comes(&self, address: SocketAddr, session_present: bool) -> Device {
        let (device, welcome) = self.accepted(address);
        if self.version != Version::V31 {
            assert_eq!(welcome.session_present, session_present, "{self:?}");
        }
        device
    }

    /// Sends it and is refused, after which the connection ends; the reason.
    #[track_caller]
    pub(crate) fn refused(&self, address: SocketAddr) -> u8 {
        let (mut device, welcome) = self.answered(address);
        assert_ne!(welcome.reason, 0, "{self:?} was accepted");
        assert_eq!(device.wire.receive(), None);
        welcome.reason
    }
}
