//! Sessions: what outlives a connection and the gateway, in which order it comes, how it ends,
//! and that nothing of it is left then.

mod lifetime;
mod messages;
mod policies;
mod redelivery;
mod remains;
mod restarts;
mod shared;
mod shared_changes;
mod takeover;
