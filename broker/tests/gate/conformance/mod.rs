//! The OASIS standards of MQTT 3.1.1 and 5.0, statement by statement, against a served broker, and MQTT 3.1.
//!
//! docs/mqtt-conformance.md names the test of each statement; `document` holds that list to the standards and to the
//! tests. `language` is how the tests write packets, `client` who sends and gets them.

mod client;
mod clock;
mod connect;
mod document;
mod ends;
mod flow;
pub mod language;
mod malformed;
mod older;
mod properties;
mod publish;
mod qos;
mod retained;
mod session;
mod shared;
mod subscribe;
mod topics;
mod will;
