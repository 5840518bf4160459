//! Doubles of the services that Perennial sends to, for its tests.
//!
//! A double listens on a port of 127.0.0.1 that the system chooses, refuses what the
//! service would refuse, remembers what it took, and fails on request.
//!
//! What all doubles share stands in the files beside this one; a service is a folder that
//! says by [`Call`] what it reads, what it refuses and what it answers.

mod answer;
mod call;
mod chaos;
mod clock;
mod credentials;
mod double;
mod firehose;
mod http_sink;
mod iot_analytics;
mod log;
mod perform;
mod server;
mod signature;

pub use answer::{Answer, Matcher};
pub use call::{Call, Ending, Refusal, Reply};
pub use chaos::Chaos;
pub use credentials::{CredentialsAnswer, CredentialsDouble, CredentialsRequest};
pub use double::Double;
pub use firehose::{FirehoseCall, FirehoseDouble, Operation};
pub use http_sink::{HttpSink, SinkAnswer, SinkRequest};
pub use iot_analytics::{BatchCall, IotAnalyticsDouble, Message};
pub use log::Request;
pub use signature::{Credentials, KeyRing};
