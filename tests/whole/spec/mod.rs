//! MQTT's specification, statement by statement, against the real binary.
//!
//! - `v3.tsv` and `v5.tsv` list every normative statement of MQTT 3.1.1 and MQTT 5: its
//!   identifier, whom it binds, what it says in our words, and why it has no test, if it has none.
//! - A test is named after what it shows: `mqtt_3_1_4_2_a_second_client_...` for
//!   [MQTT-3.1.4-2], `mqtt_3_1_4_2_and_3_1_4_3_...` where statements cannot be told apart. Which
//!   version is meant says its module.
//! - `coverage` holds both together and writes `tests/conformance.md`.

mod coverage;
mod v3;
mod v31;
mod v5;
