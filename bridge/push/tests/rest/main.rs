//! REST and the server around it, over real sockets. Every answer of every test is checked against `openapi.json`.
#![allow(clippy::unwrap_used)]

mod answers;
mod client;
mod clients;
mod description;
mod fleet;
mod questions;
mod refusals;
mod register;
mod server;
mod site;
mod turns;
