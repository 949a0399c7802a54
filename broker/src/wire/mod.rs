//! MQTT on the wire: the only room that names mqtt-protocol-core.
//!
//! - `frame`: a light check of the raw bytes, before the protocol crate sees them
//! - `repair`: what the standard allows and the crate panics on, refuses or misreads, rewritten before it sees it
//! - `standard`: what the standard refuses and the crate lets through, after it
//! - `machine`: one connection as a pure state machine, driven by bytes and ticks, made of
//!   - `codec`: bytes into packets and packets into bytes, in the connection's version
//!   - `client`: whose connection it is
//!   - `acknowledgements`: answers to the client that wait for the disk
//!   - `deliveries`: what goes to the client
//!   - `lifetime`: how long it lasts; `limits`: what one client may do; `end`: why it ended
//! - `older`: MQTT 3.1 and the mark of a bridge, as 3.1.1; `bridge`: what such a bridge is given
//! - `version`: those that are served; `direction`: from the client or to it
//! - `inbound`: packets of every version as requests without one
//! - `outbound`: answers and deliveries as packets of the connection's version
//! - `reason_codes`: counted as they come and go
//! - `trace`: packets shown to those who trace a client; `summary`, `codes`: a packet in their words

mod acknowledgements;
mod bridge;
mod client;
mod codec;
mod codes;
mod deliveries;
mod direction;
mod end;
mod frame;
mod inbound;
mod lifetime;
mod limits;
mod machine;
mod older;
mod outbound;
mod reason_codes;
mod repair;
mod standard;
mod summary;
#[cfg(test)]
mod tests;
mod trace;
mod version;

pub(crate) use deliveries::Delivered;
pub(crate) use end::End;
pub(crate) use frame::is_packet;
pub(crate) use inbound::{ConnectRequest, Filter, Password, Request};
pub(crate) use limits::{Admission, Limits, Now, PropertyLimits};
pub(crate) use machine::Machine;
pub(crate) use outbound::SubscribeOutcome;
pub(crate) use trace::{PacketTrace, TraceReader};
pub(crate) use version::Version;
