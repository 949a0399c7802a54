//! The MQTT edge from outside: real sockets, real clients, and what they were promised.
#![allow(clippy::unwrap_used)]

mod bystanders;
mod clients;
mod conformance;
mod deliveries;
mod durability;
mod hostile;
mod identity;
mod limits;
mod load;
mod promises;
mod shares;
mod support;
mod transports;
mod unacknowledged;
mod version5;
mod visibility;
