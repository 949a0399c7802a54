//! <https://tasmota.github.io/docs/MQTT/>

use serde_json::json;

use super::{Said, Thing, address, node_name, value};
use crate::model::payload::Reading;

pub(super) fn announce(spec: &Thing<'_>) -> Vec<Said> {
    let (mac, topic) = (address(spec).to_uppercase(), node_name(spec));
    let config = json!({
        "ip": "192.0.2.7", "dn": spec.name, "fn": [spec.name], "hn": topic, "mac": mac, "md": "Sonoff Pow R2", "ty": 0,
        "ofln": "Offline", "onln": "Online", "state": ["OFF", "ON", "TOGGLE", "HOLD"], "sw": "13.4.0", "t": topic,
        "ft": "%prefix%/%topic%/", "tp": ["cmnd", "stat", "tele"], "rl": [1, 0, 0, 0, 0, 0, 0, 0], "ver": 1,
    });
    let sensors = json!({
        "sn": { "Time": "2026-01-01T00:00:00", "AM2301": { "Temperature": 0, "Humidity": 0 }, "TempUnit": "C" }, "ver": 1
    });
    vec![
        Said::kept(format!("tasmota/discovery/{mac}/config"), config),
        Said::kept(format!("tasmota/discovery/{mac}/sensors"), sensors),
        Said::kept(format!("tele/{topic}/LWT"), "Online"),
    ]
}

pub(super) fn state(spec: &Thing<'_>, reading: &Reading) -> Vec<Said> {
    let samples = &reading.samples;
    let mut payload = json!({
        "Time": local(reading.time_ms.unwrap_or_default()),
        "AM2301": { "Temperature": value(samples, "temperature"), "Humidity": value(samples, "humidity") },
        "TempUnit": "C",
    });
    if let Some(power) = value(samples, "compressor_power") {
        payload["ENERGY"] = json!({ "Power": power, "Voltage": 231, "Current": (power / 2.31).round() / 100.0 });
    }
    vec![Said::new(format!("tele/{}/SENSOR", node_name(spec)), payload)]
}

/// ISO 8601 without an offset, as Tasmota writes it; its clock is set to UTC.
fn local(time_ms: i64) -> String {
    let seconds = time_ms.div_euclid(1_000);
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

/// The date of a day since 1970-01-01, in the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + i64::from(is_leap(year)) {
        rest -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for (month, length) in (1..).zip(lengths) {
        if rest < length {
            return (year, month, rest + 1);
        }
        rest -= length;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_tasmota_does() {
        assert_eq!(local(1_704_723_845_999), "2024-01-08T14:24:05");
        assert_eq!(local(1_709_164_800_000), "2024-02-29T00:00:00");
        assert_eq!(local(4_107_542_399_000), "2100-02-28T23:59:59");
    }
}
