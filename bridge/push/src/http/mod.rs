//! What every answer goes through, whatever it is about.
//!
//! - [`server`]: connections, their timeouts and their end; [`patience`]: how long a client may take nothing
//! - [`security`]: whom the server answers, and what browsers may do with it
//! - [`requests`]: the count of requests
//! - [`compression`]: large answers, for those who take them compressed
//! - [`dashboard`]: the embedded pages

pub mod compression;
pub mod dashboard;
mod patience;
pub mod requests;
pub mod security;
pub mod server;
