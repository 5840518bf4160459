//! Services fail in every way and the gateway is killed: nothing that was acknowledged is
//! lost, and each device hears what became of its message.

mod bounds;
mod credentials;
mod faults;
mod ledger;
mod listener;
mod migration;
mod scene;
mod statuses;
mod storm;
mod way;
