//! A standard client library, paho-mqtt, in every version of MQTT.

use crate::support::python::{Transport, paho_in_every_version};

#[track_caller]
fn in_every_version(script: &str) {
    paho_in_every_version(script, Transport::Tcp);
}

#[test]
fn messages_of_every_qos_arrive_once_in_order_and_at_the_qos_that_was_granted() {
    in_every_version("qos.py");
}

#[test]
fn the_will_of_a_killed_client_is_published_and_that_of_a_polite_one_is_not() {
    in_every_version("will.py");
}

#[test]
fn a_keep_alive_of_zero_is_none_and_a_broken_one_ends_the_connection() {
    in_every_version("keep_alive.py");
}

#[test]
fn a_second_client_with_the_same_identifier_takes_over() {
    in_every_version("takeover.py");
}

#[test]
fn what_was_unsubscribed_is_not_delivered_and_the_rest_is() {
    in_every_version("unsubscribe.py");
}

#[test]
fn payloads_of_any_size_up_to_the_limit_arrive_as_they_were_sent() {
    in_every_version("payloads.py");
}

#[test]
fn topics_may_begin_with_any_character_and_those_of_the_system_stay_out_of_wildcards() {
    in_every_version("topics.py");
}
