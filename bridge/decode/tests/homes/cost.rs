//! What the formats cost: `cargo test --release -p tidegate-decode --test homes -- --ignored --nocapture cost`.

use std::time::Instant;

use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_telemetry::{Position, Publication};
use tidegate_testing::publication;

use crate::SAMPLES;

const TURNS: u64 = 200_000;

/// Time of one publication of these, ns, and readings that came of it.
fn ns_each(decoder: &mut Decoder, publications: &[Publication]) -> (f64, usize) {
    let mut readings = 0;
    let begin = Instant::now();
    for turn in 0..TURNS {
        let place = (turn as usize) % publications.len();
        readings += decoder.decode(Position(10_000 + turn), &publications[place]).readings.len();
    }
    (begin.elapsed().as_nanos() as f64 / TURNS as f64, readings)
}

#[test]
#[ignore = "it measures"]
fn cost_of_a_publication_of_each_kind() {
    let mut decoder = Decoder::new(DecodeConfig::default());
    let all: Vec<Publication> = SAMPLES
        .iter()
        .flat_map(|samples| samples.iter())
        .map(|(topic, payload)| publication(topic, *payload))
        .collect();
    for (position, publication) in all.iter().enumerate() {
        decoder.decode(Position(position as u64), publication);
    }
    for publication in &all {
        let (ns, readings) = ns_each(&mut decoder, std::slice::from_ref(publication));
        if readings > 0 {
            println!("{ns:8.0} ns  {:4} bytes  {}", publication.payload.len(), publication.topic);
        }
    }
    let plain = [publication("site/b/floor1/dev7/temperature", "23.5")];
    println!("{:8.0} ns  a plain value beside them", ns_each(&mut decoder, &plain).0);
    println!("{:8.0} ns  the same, nothing discovered", ns_each(&mut Decoder::new(DecodeConfig::default()), &plain).0);
}

#[test]
#[ignore = "it measures"]
fn cost_of_a_hundred_thousand_configurations() {
    let config = |n: u64| {
        let (device, metric) = (n / 5, ["temperature", "humidity", "pressure", "battery", "co2"][n as usize % 5]);
        let payload = format!(
            r#"{{"name":"{metric}","stat_t":"dev/{device}/state","val_tpl":"{{{{ value_json.{metric} | round(1) }}}}",
             "dev_cla":"{metric}","unit_of_meas":"%","stat_cla":"measurement","uniq_id":"{device}_{metric}","avty_t":"bridge/there",
             "dev":{{"ids":["id{device}"],"name":"Device {device}","mf":"Maker","mdl":"Model 5"}}}}"#
        );
        publication(&format!("homeassistant/sensor/dev{device}/{metric}/config"), payload)
    };
    let configs: Vec<Publication> = (0..100_000).map(config).collect();
    let mut decoder = Decoder::new(DecodeConfig::default());
    for round in ["new", "again", "again, after a checkpoint"] {
        if round.ends_with("checkpoint") {
            let (_, frozen) = decoder.freeze().into_iter().find(|(name, _)| *name == "homeassistant").unwrap();
            let begin = Instant::now();
            let bytes = frozen.to_bytes();
            println!("checkpoint: {} bytes, {:?}", bytes.len(), begin.elapsed());
            let mut restarted = Decoder::new(DecodeConfig::default());
            restarted.restore("homeassistant", &bytes).unwrap();
            decoder = restarted;
        }
        let (begin, before) = (Instant::now(), resident_bytes());
        for (position, config) in configs.iter().enumerate() {
            let said = decoder.decode(Position(position as u64), config);
            assert_eq!(said.rejection, None);
        }
        println!(
            "100,000 configurations, {round}: {:?}, {} bytes each",
            begin.elapsed(),
            (resident_bytes() - before) / 100_000
        );
    }
    let states = r#"{"temperature":21.456,"humidity":40.1,"pressure":1013.25,"battery":98,"co2":612}"#;
    let states: Vec<_> = (0..20_000).map(|device| publication(&format!("dev/{device}/state"), states)).collect();
    println!("a state of five metrics, a template each: {:.0} ns", ns_each(&mut decoder, &states).0);
    let plain: Vec<_> =
        (0..20_000).map(|n| publication(&format!("site/b/floor1/dev{n}/temperature"), "23.5")).collect();
    println!("a plain value beside them: {:.0} ns", ns_each(&mut decoder, &plain).0);
    let begin = Instant::now();
    let said = decoder.decode(Position(1_000_000), &publication("bridge/there", "offline")).availability.len();
    println!("one topic of availability for {said} devices: {:?}", begin.elapsed());
}

fn resident_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
}
