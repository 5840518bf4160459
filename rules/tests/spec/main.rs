//! Topic filters and the trie against the text of the MQTT specification.

mod filters;
mod naive;
mod table;
mod trie;
