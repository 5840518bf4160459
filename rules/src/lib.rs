//! Topics, topic filters and the trie that finds the filters of a topic.
//!
//! Everything here is pure: no I/O, no clock, no runtime. Text is parsed once, at
//! the edge, into [`TopicName`] and [`TopicFilter`]; what holds one of them needs
//! no further checks.

mod excerpt;
mod filter;
mod levels;
mod name;
mod trie;

pub use filter::{InvalidTopicFilter, TopicFilter};
pub use name::{InvalidTopicName, TopicName};
pub use trie::FilterTrie;

/// The longest topic name or filter, in bytes: the length field of a string in an
/// MQTT packet has 16 bits (MQTT 5, 1.5.4).
pub const MAX_TOPIC_BYTES: usize = u16::MAX as usize;
