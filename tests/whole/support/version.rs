//! The versions of MQTT that every client here speaks.

use std::fmt;

/// A version of MQTT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    V31,
    V311,
    V5,
}

impl Version {
    pub(crate) const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// What `mosquitto_pub -V` takes.
    pub(crate) fn for_mosquitto(self) -> &'static str {
        match self {
            Self::V31 => "mqttv31",
            Self::V311 => "mqttv311",
            Self::V5 => "mqttv5",
        }
    }

    /// The protocol name and level of CONNECT.
    pub(crate) fn protocol(self) -> (&'static str, u8) {
        match self {
            Self::V31 => ("MQIsdp", 3),
            Self::V311 => ("MQTT", 4),
            Self::V5 => ("MQTT", 5),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}
