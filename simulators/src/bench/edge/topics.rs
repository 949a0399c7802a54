//! The first publication to a topic that nobody published to before, among many distinct filters.

use super::raw::Raw;
use crate::{
    bench::{
        BenchConfig,
        server::{Kind, Server},
        table::Table,
    },
    mqtt::Dialer,
};
use std::{io, time::Instant};

const CLIENTS: usize = 10;
const FILTERS_EACH: usize = 1000;
const ROUNDS: usize = 2000;

/// Both servers, with one filter a client and with a thousand, and the same topics: the difference is what the filters
/// cost.
///
/// # Errors
/// When a server cannot be started or ends a connection.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let mut median_us = [[0.0; 2]; 2];
    for (kind, medians) in [Kind::Tidegate, Kind::Mosquitto].into_iter().zip(&mut median_us) {
        for (filters, median) in [1, FILTERS_EACH].into_iter().zip(medians) {
            *median = one(config, kind, filters).await?;
            eprintln!("bench: {kind:?}: {filters} filters a client: first publication to a topic {:.0} us", *median);
        }
    }
    let [ours, peer] = median_us;
    let load = format!("first publication to a new topic, {} distinct filters", CLIENTS * FILTERS_EACH);
    table.add(&load, "publisher to subscriber p50, us", ours[1], Some(peer[1]), "");
    let more = |medians: [f64; 2]| medians[1] - medians[0];
    table.add(&load, "of that because of the filters, us", more(ours), Some(more(peer)), "20");
    Ok(())
}

/// The filters of a client: one for all plants, or one for each.
fn filters(each: usize, client: usize) -> Vec<String> {
    match each {
        1 => vec![format!("plant/+/+/line{client}")],
        each => (0..each).map(|plant| format!("plant/{plant}/+/line{client}")).collect(),
    }
}

/// Median in us, one publication at a time.
async fn one(config: &BenchConfig, kind: Kind, filters_each: usize) -> io::Result<f64> {
    let server = Server::start(kind, config.program(kind)).await?;
    let dialer = Dialer::new(server.mqtt);
    let mut subscribers = Vec::new();
    for number in 0..CLIENTS {
        let mut subscriber = Raw::connect(dialer, number, &format!("subscriber-{number}"), true).await?;
        let filters = filters(filters_each, number);
        for some in filters.chunks(100) {
            subscriber.subscribe(some, 0).await?;
        }
        subscribers.push(subscriber);
    }
    let mut publisher = Raw::connect(dialer, CLIENTS, "publisher", true).await?;
    let mut took_us = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let line = round % CLIENTS;
        let topic = format!("plant/{}/machine{round}/line{line}", round % FILTERS_EACH);
        let began = Instant::now();
        publisher.publish(&topic, b"1").await?;
        let (head, _) = subscribers[line].packet().await?;
        if head >> 4 != 3 {
            return Err(io::Error::other(format!("expected PUBLISH, got packet type {}", head >> 4)));
        }
        took_us.push(began.elapsed().as_nanos() as f64 / 1e3);
    }
    server.stop().await?;
    took_us.sort_by(f64::total_cmp);
    Ok(took_us[ROUNDS / 2])
}
