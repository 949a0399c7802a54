//! What stays after a restart, and after viewers that come and go.

use super::{CONSTANT, Grown, settle, source, start, watcher::Watcher};
use crate::bench::{BenchConfig, table::Table};
use serde_json::json;
use std::io;

const DEVICES_LOOKED_AT: usize = 2_000;

pub(super) async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    for devices in [1_000, 100_000] {
        let mut server = start(config, "").await?;
        source::hear(server.mqtt, 0..devices, source::plain).await?;
        settle(&server).await?;
        let ran = server.usage()?.resident_bytes as f64 / 1e6;
        let took = server.kill_and_restart().await?;
        settle(&server).await?;
        let after = server.usage()?.resident_bytes as f64 / 1e6;
        server.stop().await?;
        let load = format!("a restart with {devices} devices; peer: before it");
        eprintln!("bench: {load}: {after:.0} MB after {ran:.0}, ready in {:.2} s", took.as_secs_f64());
        table.add(&load, "resident memory, MB", after, Some(ran), "ratio 1.2");
        table.add(&load, "until ready, s", took.as_secs_f64(), None, "1");
    }
    let sizes = [50, 500];
    let costs = [opened_and_closed(config, sizes[0]).await?, opened_and_closed(config, sizes[1]).await?];
    let load = format!("a view of {DEVICES_LOOKED_AT} devices opened and closed, times");
    Grown { load, figure: "resident memory, MB", sizes, costs, exponent_max: CONSTANT }.add_to(table);
    Ok(())
}

async fn opened_and_closed(config: &BenchConfig, times: usize) -> io::Result<f64> {
    let server = start(config, "").await?;
    source::hear(server.mqtt, 0..DEVICES_LOOKED_AT, source::plain).await?;
    let mut watcher = Watcher::open(server.web).await?;
    for id in 1..=times as u64 {
        watcher.subscribe(id, &json!({"kind": "devices", "group": ""})).await?;
        watcher.say(&json!({"type": "unsubscribe", "id": id})).await?;
    }
    settle(&server).await?;
    let resident = server.usage()?.resident_bytes as f64 / 1e6;
    server.stop().await?;
    Ok(resident)
}
