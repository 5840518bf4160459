//! MQTT 5.
