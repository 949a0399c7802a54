//! MQTT on the wire: the only room that names mqtt-protocol-core.
//!
//! - `frame`: a light check of the raw bytes, before the protocol crate sees them
//! - `machine`: one connection as a pure state machine, driven by bytes and ticks
//! - `inbound`: packets of both versions as version-free requests
//! - `outbound`: answers and deliveries as packets of the connection's version

mod frame;
mod inbound;
mod machine;
mod outbound;
#[cfg(test)]
mod tests;

pub(crate) use inbound::{ConnectRequest, Filter, Request};
pub(crate) use machine::{Admission, Delivered, End, Limits, Machine, Now};
pub(crate) use outbound::SubscribeOutcome;
