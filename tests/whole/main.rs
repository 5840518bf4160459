//! The whole gateway: the real binary, clients that are not ours, and AWS's doubles.
//!
//! Run with `tests/run`, which installs the clients first.

#![allow(clippy::print_stdout, reason = "tests print seeds and counts")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod admin;
mod admission;
mod aws;
mod bad_config;
mod bad_packets;
mod bad_requests;
mod checklist;
mod clients;
mod compat;
mod dead_letters;
mod discovery;
mod disk_full;
mod embedded_default;
mod exactly_once;
mod full_queue;
mod hard_to_hurt;
mod limits;
mod metrics;
mod not_offered;
mod open_files;
mod outage;
mod paho;
mod plug_pull;
mod queues;
mod refused;
mod retained;
mod rumqttd;
mod scanned;
mod sdk_javascript;
mod sdk_python;
mod sessions;
mod setting_up;
mod slow_subscriber;
mod spec;
mod stopping;
mod support;
mod sys;
mod tls_clients;
mod unix_socket;
mod unread_acks;
mod upstream_faults;
mod websocket;
mod wills;
mod wills_later;
