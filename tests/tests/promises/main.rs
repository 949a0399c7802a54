//! Tidegate's promises, end to end: real clients, a real server, a real browser.
#![allow(missing_docs, clippy::unwrap_used)]

mod alerts;
mod arrival;
mod backup;
mod browser;
mod clients;
mod commands;
mod description;
mod durability;
mod engines;
mod erasure;
mod figures;
mod formats_home;
mod identity;
mod influxdb;
mod live;
mod older;
mod operation;
mod points;
mod prometheus;
mod questions;
mod tidy;
mod time;
mod transfer;
mod transports;
