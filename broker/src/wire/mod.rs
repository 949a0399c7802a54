//! MQTT on the wire: the only room that names mqtt-protocol-core.
//!
//! - `frame`: a light check of the raw bytes, before the protocol crate sees them
//! - `mend`: what the standard allows and the crate panics on, refuses or misreads, before it sees it
//! - `standard`: what the standard refuses and the crate lets through, after it
//! - `machine`: one connection as a pure state machine, driven by bytes and ticks
//!   - `admission`: from CONNECT to CONNACK
//!   - `publications`: what the client publishes
//!   - `answers`: acknowledgements that wait for the disk
//!   - `deliveries`: what goes to the client
//!   - `farewell`: how it ends, and when; `end`: why
//!   - `wills`: what is published then
//! - `older`: MQTT 3.1 and the mark of a bridge, as 3.1.1; `bridge`: what such a bridge is given
//! - `version`: those that are served
//! - `inbound`: packets of both versions as version-free requests
//! - `reason_codes`: counted as they come and go
//! - `rights`: who the client is, and what it may do
//! - `outbound`: answers and deliveries as packets of the connection's version
//! - `watch`: packets shown to those who trace a client; `summary`, `codes`: a packet in their words

mod admission;
mod answers;
mod bridge;
mod codes;
mod deliveries;
mod end;
mod farewell;
mod frame;
mod inbound;
mod machine;
mod mend;
mod older;
mod outbound;
mod publications;
mod reason_codes;
mod rights;
mod standard;
mod summary;
#[cfg(test)]
mod tests;
mod version;
mod watch;
mod wills;

pub(crate) use deliveries::Delivered;
pub(crate) use end::End;
pub(crate) use frame::is_packet;
pub(crate) use inbound::{ConnectRequest, Filter, Password, Request};
pub(crate) use machine::{Admission, Limits, Machine, Now, PropertyLimits};
pub(crate) use outbound::SubscribeOutcome;
pub(crate) use version::Version;
pub(crate) use watch::{TraceReader, Watch};
