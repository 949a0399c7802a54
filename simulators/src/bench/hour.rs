//! An hour of everyday load by the devices' own times, as fast as it is acknowledged: memory and bytes on disk. Then half
//! an hour more, and kill -9: the restart with one and a half hours on disk.

use super::{
    BenchConfig,
    durable::{Flow, Template, publish},
    server::{Kind, Server},
    table::Table,
};
use crate::{
    model::{Device, FleetPlan, QosChoice, Scenario, rng::Rng},
    unix_ms,
    viewers::rest,
};
use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

const INTERVAL: Duration = Duration::from_secs(5);
const CAUGHT_UP_TIMEOUT: Duration = Duration::from_secs(60);
/// A device's reading is up to this late.
const JITTER_MS: i64 = 20;
/// Readings asked for at once; there are 1,140 of a device.
const READINGS_MAX: usize = 5000;
pub(crate) const METRICS_A_READING: u64 = 5;
/// The devices' hours are over by the clock while they are being published: in earnest an hour ends after its readings.
const CONFIG: &str = "[store]\nhour_close_delay = \"12 h\"\n";

/// Tidegate alone: the peer stores nothing.
///
/// # Errors
/// When the server cannot be started, ends a connection, or does not come back.
pub async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let mut server = Server::start_with(Kind::Tidegate, &config.tidegate, CONFIG).await?;
    let mut fleet = Convoy::new(config);
    let began = Instant::now();
    let first = fleet.publish(&server, config.hour, config).await?;
    let seconds = began.elapsed().as_secs_f64();
    let usage = server.usage()?;
    let flushed = figure(&server, "tidegate_store_flushed_points_total").await?;
    let bytes_a_point = server.disk_bytes("store") as f64 / flushed.max(1.0);
    let more = fleet.publish(&server, config.hour / 2, config).await?;
    let replay_bytes = figure(&server, "tidegate_log_replay_bytes").await?;
    let restart = server.kill_and_restart().await?;
    let last = fleet.publish(&server, config.hour / 12, config).await?;
    let stored = caught_up(&server, &fleet).await?;

    let millions = |publications: u64| (publications * METRICS_A_READING) as f64 / 1e6;
    let load = format!("{} devices, {:.0} min by their own times", config.devices, config.hour.as_secs_f64() / 60.0);
    table.add(&load, "points acknowledged, million", millions(first), None, "");
    table.add(&load, "points/s while it ran", millions(first) * 1e6 / seconds, None, "");
    table.add(&load, "resident memory, MB", usage.resident_bytes as f64 / 1e6, None, "150");
    table.add(&load, "bytes a point in the store's files, hours open", bytes_a_point, None, "2.0");
    let load = format!("{:.0} million points", millions(first + more));
    table.add(&load, "restart after kill -9 to ready, s", restart.as_secs_f64(), None, "1");
    table.add(&load, "log to replay, MB", replay_bytes / 1e6, None, "");
    table.add(&load, "points taken after it, million", millions(last), None, "");
    table.add(&load, "share of one device's readings found", stored, None, "1.0");
    server.stop().await
}

/// The fleet, spread over a few connections; device time goes on from call to call.
pub(crate) struct Convoy {
    devices: Vec<Device>,
    now_ms: i64,
    start_ms: i64,
}

impl Convoy {
    pub(crate) fn new(config: &BenchConfig) -> Self {
        let plan = FleetPlan {
            devices: config.devices,
            buildings: 10,
            first_building: 0,
            interval: INTERVAL,
            scenario: Scenario::Steady,
            qos: QosChoice::Fixed(1),
            maker: None,
            seed: 1,
        };
        let start_ms = unix_ms() - (config.hour * 2).as_millis() as i64;
        let devices = plan.specs().into_iter().map(|spec| Device::new(spec, start_ms)).collect();
        Self { devices, now_ms: start_ms, start_ms }
    }

    /// Publishes this much of device time. Returns the publications, all of them acknowledged.
    pub(crate) async fn publish(&mut self, server: &Server, lasts: Duration, config: &BenchConfig) -> io::Result<u64> {
        let rounds = (lasts.as_millis() / INTERVAL.as_millis()) as i64;
        let acknowledged = Arc::new(AtomicU64::new(0));
        let share = self.devices.len().div_ceil(config.publishers.max(1)).max(1);
        let mut publishers = JoinSet::new();
        let mut devices = std::mem::take(&mut self.devices);
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut number = 0u64;
        while !devices.is_empty() {
            let mine = devices.split_off(devices.len().saturating_sub(share));
            let jitter = Rng::new(1, number);
            let (start_ms, done) = (self.now_ms, sender.clone());
            let mut lane = Lane { devices: mine, rounds, start_ms, round: 0, next: 0, jitter, done };
            // Every reading replaces it; only the client's name stays.
            let nothing = b"{\"timestamp\":0000000000000}";
            let template = Template::of(&format!("convoy-{number}"), "sensors/none", nothing);
            number += 1;
            let acknowledged = Arc::clone(&acknowledged);
            let next = move |template: &mut Template| lane.next(template);
            publishers.spawn(publish(server.mqtt, template, (config.window, Flow::Puback), acknowledged, next));
        }
        drop(sender);
        while let Some(ended) = publishers.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        while let Some(mut back) = receiver.recv().await {
            self.devices.append(&mut back);
        }
        self.now_ms += rounds * INTERVAL.as_millis() as i64;
        Ok(acknowledged.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// The devices of one connection, in turn; they go back when the lane ends.
struct Lane {
    devices: Vec<Device>,
    rounds: i64,
    start_ms: i64,
    round: i64,
    next: usize,
    jitter: Rng,
    done: tokio::sync::mpsc::UnboundedSender<Vec<Device>>,
}

impl Lane {
    /// Makes the next device's reading the packet to send; `false` at the end.
    fn next(&mut self, template: &mut Template) -> bool {
        if self.round == self.rounds {
            return false;
        }
        // Real clocks are not in step: each device has its own phase, and wakes some milliseconds late.
        let device = &mut self.devices[self.next];
        let phase_ms = (device.spec.index as i64 * 37) % (INTERVAL.as_millis() as i64 - JITTER_MS);
        let late_ms = self.jitter.below(JITTER_MS as u64) as i64;
        let time_ms = self.start_ms + self.round * INTERVAL.as_millis() as i64 + phase_ms + late_ms;
        let publication = device.publish(time_ms).swap_remove(0);
        template.replace(&publication.topic, &publication.payload);
        self.next += 1;
        if self.next == self.devices.len() {
            (self.next, self.round) = (0, self.round + 1);
        }
        true
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // The receiver is gone only when the run was given up.
        let _ = self.done.send(std::mem::take(&mut self.devices));
    }
}

/// Waits until the history of one device has all its readings; the share it reached.
async fn caught_up(server: &Server, fleet: &Convoy) -> io::Result<f64> {
    let expected = (fleet.now_ms - fleet.start_ms) as f64 / INTERVAL.as_millis() as f64;
    let device = fleet.devices.first().map(|device| device.spec.name.clone()).unwrap_or_default();
    let path = format!(
        "/v1/readings?device={device}&metric=temperature&from={}&to={}&limit={READINGS_MAX}",
        fleet.start_ms, fleet.now_ms
    );
    let deadline = Instant::now() + CAUGHT_UP_TIMEOUT;
    loop {
        let body = rest::get(server.web, &path).await?;
        let answer: serde_json::Value = serde_json::from_str(&body).map_err(io::Error::other)?;
        let share = answer["points"].as_array().map_or(0, Vec::len) as f64 / expected;
        if share >= 1.0 || Instant::now() > deadline {
            return Ok(share);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A figure that the server has of itself; 0 when it does not name it yet.
pub(crate) async fn figure(server: &Server, name: &str) -> io::Result<f64> {
    Ok(metric(&rest::get(server.web, "/metrics").await?, name).unwrap_or(0.0))
}

/// The value of a counter without labels in Prometheus text.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let text = "# HELP a_total x\na_total_more 3\na_total 42\n";
        assert_eq!(metric(text, "a_total"), Some(42.0));
        assert_eq!(metric(text, "b_total"), None);
    }
}
