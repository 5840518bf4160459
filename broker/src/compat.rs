//! What other brokers do differently, for clients that rely on it.

/// Whose differences from MQTT a listener keeps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Compat {
    /// Nobody's: MQTT as it is specified.
    #[default]
    None,
    /// Those of AWS IoT Core.
    AwsIot,
}
