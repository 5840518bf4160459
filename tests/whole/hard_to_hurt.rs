//! What the gateway bounds, and that a bound of one client is nobody else's.

mod crowds;
mod packet_size;
mod pass_through;
mod rates;
mod terms;
