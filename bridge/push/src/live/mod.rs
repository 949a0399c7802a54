//! The live protocol (docs/protocol.md): one session type, generic over its transport.
//!
//! - [`session`]: what a viewer asked for and what may go out now; [`flow`], [`pace`], [`lateness`]: how much, and what is said about it
//! - [`encoding`]: how messages are written; [`encodings`]: which there are, [`json`]: as JSON; [`position`]: how positions are told
//! - [`message`]: messages besides frames of views; [`jobs`]: what is read from history; [`chart_refresh`]: what is read
//!   again
//! - [`hub`]: the state that all sessions see; [`pieces`]: what of it is changed under one lock
//! - [`waker`]: how the hub reaches a session; [`transport`], [`websocket`]: what it speaks through

pub(crate) mod chart_refresh;
pub(crate) mod config;
mod encoding;
mod encodings;
mod flow;
pub(crate) mod hub;
mod jobs;
mod json;
mod lateness;
mod message;
pub(crate) mod meters;
mod pace;
mod pieces;
mod position;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod transport;
pub(crate) mod waker;
mod websocket;

pub use config::LiveConfig;
pub use hub::{Hub, ViewsFollower};
pub use json::Json;
pub(crate) use websocket::{Live, upgrade};
