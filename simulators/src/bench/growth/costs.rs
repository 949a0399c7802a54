//! CPU of the server for a work of a size.

use super::{CONSTANT, Grown, LINEAR, cpu_of, source, start, watcher::Watcher};
use crate::{
    bench::{
        BenchConfig,
        edge::raw::Raw,
        server::{Kind, Server},
        table::Table,
    },
    mqtt::Dialer,
    viewers::{
        peer::{packet, put_text},
        rest,
    },
};
use serde_json::{Value, json};
use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{io::AsyncWriteExt, time::sleep};

/// Viewers of each kind.
const VIEWERS: usize = 20;
/// A client may have a thousand subscriptions.
const SUBSCRIBES: usize = 900;

pub(super) async fn run(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    macro_rules! grow {
        ($load:literal, $figure:literal, $sizes:expr, $max:expr, $cost:expr) => {{
            let [small, large] = $sizes;
            let costs = [$cost(config, small).await?, $cost(config, large).await?];
            Grown { load: $load.into(), figure: $figure, sizes: $sizes, costs, exponent_max: $max }.add_to(table);
        }};
    }
    grow!("a view of all groups at depth 8, groups", "CPU a snapshot, s", [1_000, 10_000], LINEAR, group_snapshot);
    grow!("20 viewers first, then devices that come and move", "CPU, s", [1_000, 8_000], LINEAR, late_fleet);
    grow!("20 viewers resume after so many moves", "CPU, s", [1_000, 8_000], LINEAR, resumed);
    grow!("10 viewers of alerts, changes of one", "CPU, s", [1_000, 10_000], LINEAR, alert_storm);
    grow!("devices that fall silent at once, 5 viewers", "CPU, s", [1_000, 10_000], LINEAR, silence);
    grow!("20 devices, each under so many rules", "CPU, s", [1_000, 10_000], LINEAR, rules);
    grow!("2,000 payloads of so many numbers", "CPU, s", [50, 200], LINEAR, numbers);
    grow!("2,000 payloads of so many texts", "CPU, s", [50, 200], LINEAR, texts);
    grow!("a chart over so many days whose hours are open", "CPU of 20, s", [36, 360], LINEAR, chart);
    retained(config, table).await
}

/// A wildcard SUBSCRIBE among many retained messages, beside the peer.
async fn retained(config: &BenchConfig, table: &mut Table) -> io::Result<()> {
    let sizes = [1_000, 100_000];
    let load = "SUBSCRIBE dev/N/# among retained messages";
    let mut costs = [0.0; 2];
    for (size, cost) in sizes.into_iter().zip(&mut costs) {
        *cost = subscribes(config, Kind::Tidegate, size).await?;
    }
    let peer = subscribes(config, Kind::Mosquitto, sizes[1]).await?;
    table.add(&format!("{load}, {}", sizes[1]), "CPU a SUBSCRIBE, us", costs[1] * 1e6, Some(peer * 1e6), "");
    let grown = Grown { load: load.into(), figure: "CPU a SUBSCRIBE, s", sizes, costs, exponent_max: CONSTANT };
    grown.add_to(table);
    Ok(())
}

async fn subscribes(config: &BenchConfig, kind: Kind, retained: usize) -> io::Result<f64> {
    // The peer passes them on only; so shall we.
    let settings = "[[source]]\ntopic = \"dev/#\"\nformat = \"ignore\"\n";
    let server = Server::start_with(kind, config.program(kind), settings).await?;
    let dialer = Dialer::new(server.mqtt);
    let mut publisher = Raw::connect(dialer, 0, "publisher", true).await?;
    let state = |number| source::Said { topic: format!("dev/{number}/state"), payload: b"1".to_vec(), retain: true };
    source::publish(&mut publisher, (0..retained).map(state)).await?;
    let mut subscriber = Raw::connect(dialer, 1, "subscriber", true).await?;
    let cpu_s = cpu_of(&server, async {
        for number in 0..SUBSCRIBES {
            let mut body = (number as u16 + 1).to_be_bytes().to_vec();
            put_text(&mut body, &format!("dev/{}/#", number * 37 % retained));
            body.push(0);
            subscriber.stream.write_all(&packet(0x82, &body)).await?;
            // SUBACK and the retained message, in either order.
            subscriber.packet().await?;
            subscriber.packet().await?;
        }
        Ok(())
    })
    .await?;
    server.stop().await?;
    Ok(cpu_s / SUBSCRIBES as f64)
}

async fn group_snapshot(config: &BenchConfig, groups: usize) -> io::Result<f64> {
    let server = start(config, "").await?;
    source::hear(server.mqtt, 0..groups, source::grouped).await?;
    // A round of aggregates has to pass.
    sleep(Duration::from_secs(2)).await;
    let times = 5;
    let cpu_s = cpu_of(&server, async {
        for _ in 0..times {
            let mut watcher = Watcher::open(server.web).await?;
            watcher.subscribe(1, &json!({"kind": "group", "group": "", "depth": 8})).await?;
        }
        Ok(())
    })
    .await?;
    server.stop().await?;
    Ok(cpu_s / f64::from(times))
}

/// Viewers of lists and of pages that are there before the first device.
async fn late_fleet(config: &BenchConfig, devices: usize) -> io::Result<f64> {
    let server = start(config, "").await?;
    source::hear(server.mqtt, 0..1, source::plain).await?;
    let mut watching = Vec::new();
    for number in 0..VIEWERS {
        let view = match number % 2 {
            0 => json!({"kind": "fleet", "group": "", "metric": "t"}),
            _ => json!({"kind": "devices", "group": "", "limit": 500}),
        };
        let mut watcher = Watcher::open(server.web).await?;
        watcher.subscribe(1, &view).await?;
        watching.push(watcher.watch());
    }
    let moved = |number: usize| {
        let mut reading = source::plain(number);
        reading["location"] = json!(format!("site {}", number % 100 + 1));
        reading
    };
    let cpu_s = cpu_of(&server, async {
        source::hear(server.mqtt, 0..devices, source::plain).await?;
        source::hear(server.mqtt, 0..devices, moved).await
    })
    .await?;
    watching.into_iter().for_each(|task| task.abort());
    server.stop().await?;
    Ok(cpu_s)
}

async fn resumed(config: &BenchConfig, moves: usize) -> io::Result<f64> {
    let server = start(config, "").await?;
    source::hear(server.mqtt, 0..2_000, source::plain).await?;
    let view = json!({"kind": "devices", "group": ""});
    let mut watcher = Watcher::open(server.web).await?;
    let since = watcher.subscribe(1, &view).await?;
    drop(watcher);
    source::hear(server.mqtt, 2_000..2_000 + moves, source::plain).await?;
    let cpu_s = cpu_of(&server, async {
        for _ in 0..VIEWERS {
            let mut watcher = Watcher::open(server.web).await?;
            watcher.say(&json!({"type": "subscribe", "id": 1, "view": view, "since": since})).await?;
            watcher.until(|message| message["d"][0] == 1 && message["more"] != true || message["last"] == true).await?;
        }
        Ok(())
    })
    .await?;
    server.stop().await?;
    Ok(cpu_s)
}

async fn alert_storm(config: &BenchConfig, flips: usize) -> io::Result<f64> {
    let server = start(config, "[[alert]]\nname = \"on\"\nmetric = \"t\"\nabove = 0.5\n").await?;
    let mut watching = Vec::new();
    for _ in 0..10 {
        let mut watcher = Watcher::open(server.web).await?;
        watcher.subscribe(1, &json!({"kind": "alerts"})).await?;
        watching.push(watcher.watch());
    }
    let mut raw = Raw::connect(Dialer::new(server.mqtt), 0, "flapping", true).await?;
    let cpu_s = cpu_of(&server, async {
        // A hundred at a time, so that each becomes a change for the viewers.
        for some in (0..flips).collect::<Vec<_>>().chunks(100) {
            let flip = |&n: &usize| source::Said {
                topic: "hall/flapping/t".into(),
                payload: (n % 2).to_string().into_bytes(),
                retain: false,
            };
            source::publish(&mut raw, some.iter().map(flip)).await?;
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await?;
    watching.into_iter().for_each(|task| task.abort());
    server.stop().await?;
    Ok(cpu_s)
}

async fn silence(config: &BenchConfig, devices: usize) -> io::Result<f64> {
    let server = start(config, "[[alert]]\nname = \"silent\"\nno_reading_for = \"12 s\"\n").await?;
    let mut watching = Vec::new();
    for _ in 0..5 {
        let mut watcher = Watcher::open(server.web).await?;
        watcher.subscribe(1, &json!({"kind": "alerts"})).await?;
        watching.push(watcher.watch());
    }
    source::hear(server.mqtt, 0..devices, source::plain).await?;
    let cpu_s = cpu_of(&server, async {
        sleep(Duration::from_secs(14)).await;
        Ok(())
    })
    .await?;
    watching.into_iter().for_each(|task| task.abort());
    server.stop().await?;
    Ok(cpu_s)
}

async fn rules(config: &BenchConfig, rules: usize) -> io::Result<f64> {
    let rule = |n| format!("[[alert]]\nname = \"rule-{n}\"\nmetric = \"other\"\nabove = {n}.5\n");
    let server = start(config, &(0..rules).map(rule).collect::<String>()).await?;
    let with_new_metrics = |number: usize| {
        let device = source::name(number);
        json!({"deviceId": device, "location": "a", "m1": 0, "m2": 0, "m3": 0, "other": 0})
    };
    let cpu_s = cpu_of(&server, source::hear(server.mqtt, 0..20, with_new_metrics)).await?;
    server.stop().await?;
    Ok(cpu_s)
}

async fn numbers(config: &BenchConfig, metrics: usize) -> io::Result<f64> {
    payloads(config, metrics, |round, metric| json!((round * 7 + metric) % 100)).await
}

async fn texts(config: &BenchConfig, metrics: usize) -> io::Result<f64> {
    payloads(config, metrics, |round, metric| json!(format!("state {}", (round + metric) % 5))).await
}

async fn payloads(config: &BenchConfig, metrics: usize, value: impl Fn(usize, usize) -> Value) -> io::Result<f64> {
    let server = start(config, "").await?;
    let said = |round: usize| {
        let values = (0..metrics).map(|metric| (format!("metric{metric}"), value(round, metric)));
        let payload = Value::Object(values.collect()).to_string().into_bytes();
        source::Said { topic: format!("hall/device{}", round % 20), payload, retain: false }
    };
    let mut raw = Raw::connect(Dialer::new(server.mqtt), 0, "wide", true).await?;
    source::publish(&mut raw, (0..100).map(said)).await?;
    let cpu_s = cpu_of(&server, source::publish(&mut raw, (100..2_100).map(said))).await?;
    server.stop().await?;
    Ok(cpu_s)
}

/// A point each half hour; the hours are asked for before they are closed.
async fn chart(config: &BenchConfig, days: usize) -> io::Result<f64> {
    const STEP_MS: u64 = 1_800_000;
    let server = start(config, "[store]\nhour_close_delay = \"2 h\"\nlate_parts_max = 100000\n").await?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_millis() as u64;
    let points = days as u64 * 86_400_000 / STEP_MS;
    let times: Vec<u64> = (0..points).map(|n| now_ms - (points - n) * STEP_MS).collect();
    let mut raw = Raw::connect(Dialer::new(server.mqtt), 0, "year", true).await?;
    let publications = times.chunks(500).map(|some| {
        let reading = |at: &u64| json!({"deviceId": "year", "timestamp": at, "t": at / STEP_MS % 30});
        source::Said::readings(&some.iter().map(reading).collect::<Vec<_>>())
    });
    source::publish(&mut raw, publications).await?;
    let path = format!("/v1/series?device=year&metric=t&from={}&to={now_ms}&width=800", times[0]);
    let cpu_s = cpu_of(&server, async {
        for _ in 0..20 {
            rest::get(server.web, &path).await?;
        }
        Ok(())
    })
    .await?;
    server.stop().await?;
    Ok(cpu_s)
}
