//! What strangers send: no format panics, none takes memory or time beyond bounds, and each flaw is told. `TIDEGATE_CASES`
//! (default 2,000 a format) says how many messages are tried.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use support::Site;
use tidegate_decode::DecodeConfig;
use tidegate_telemetry::{Decoded, Reason, Value};
use tidegate_testing::Dice;
use tidegate_testing::sparkplug::{Field, Metric, message};

/// A topic, the media type where there has to be one, and payloads that are right.
type Seed = (&'static str, Option<&'static str>, Vec<Vec<u8>>);

fn seeds() -> Vec<Seed> {
    let text = |texts: &[&str]| -> Vec<Vec<u8>> { texts.iter().map(|text| text.as_bytes().to_vec()).collect() };
    let hex = |file: &'static str| -> Vec<Vec<u8>> {
        let digits = file.lines().filter_map(|line| line.split_once(' '));
        let bytes =
            |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        digits.map(|(_, hex)| bytes(hex)).collect()
    };
    let sparkplug = || {
        let named = Metric {
            name: Some("a"),
            alias: Some(1),
            value: Some(Field::Int(1, 255)),
            unit: Some("V"),
            ..Metric::default()
        };
        let mut all = hex(include_str!("sparkplug/payloads.txt"));
        all.push(message(1_704_723_845_000, Some(1), &[named]));
        all
    };
    let chirpstack = r#"{"time":"2022-07-18T09:34:15.775023242+00:00","deviceInfo":{"applicationName":"a","deviceName":"d",
        "tags":{"k":"v"}},"fPort":1,"data":"qg==","object":{"t":21.5,"x":{"y":[1,2,null]}},"rxInfo":[{"rssi":-36,"snr":10.5}],
        "margin":3,"batteryLevel":5.5,"externalPowerSource":false,"location":{"latitude":1,"longitude":2},"level":"ERROR"}"#;
    let things = r#"{"received_at":"2020-02-12T15:15:45.787Z","uplink_message":{"f_port":1,"frm_payload":"Z9IAAA==",
        "decoded_payload":{"t":1.5},"rx_metadata":[{"rssi":-35,"snr":5}],"version_ids":{"brand_id":"x"},
        "last_battery_percentage":{"value":4}},"location_solved":{"location":{"latitude":1}},"service_data":{"data":{"a":1}}}"#;
    let senml = r#"[{"bn":"urn:dev:ow:1:","bt":1.27e9,"bu":"A","bv":1,"n":"v","u":"V","v":120.1,"ut":5},{"n":"c","t":-5,"s":1.2},
        {"vb":true},{"vs":"x"},{"vd":"aGk"}]"#;
    let description = r#"{"name":"x","type":"t","root":"r","children":["a"],"nodes":{"n":{"properties":{"p":{"name":"P",
        "datatype":"boolean","format":"a,b","unit":"V"}}}}}"#;
    let lines = "m,location=room1,sensor=A t=23.5,h=45i,s=\"a \\\"b\",on=t 1651498849000000000\n# x\nm v=1";
    let packed =
        || [hex(include_str!("packed/payloads.txt")), vec![map_in_keys(0xA1, 60), map_in_keys(0x81, 60)]].concat();
    let shadow = r#"{"state":{"reported":{"t":1,"m":{"on":true}}},"current":{"state":{"reported":{"t":2}}},"timestamp":1704723845}"#;
    let timed = r#"[{"ts":1451649600512,"values":{"key1":"value1"}},{"a":1}]"#;
    let gateway = r#"{"A":[{"ts":1483228800000,"values":{"t":42}}],"B":{"x":1},"device":"A","type":"t"}"#;
    vec![
        ("spBv1.0/P/NBIRTH/n", None, sparkplug()),
        ("spBv1.0/P/DBIRTH/n/d", None, sparkplug()),
        ("spBv1.0/P/DDATA/n/d", None, sparkplug()),
        ("spBv1.0/P/NDEATH/n", None, sparkplug()),
        ("application/1/device/0101010101010101/event/up", None, text(&[chirpstack])),
        ("application/1/device/0101010101010101/event/status", None, text(&[chirpstack])),
        ("application/1/device/0101010101010101/event/log", None, text(&[chirpstack])),
        ("v3/a@t/devices/d/up", None, text(&[things])),
        ("v3/a@t/devices/d/location/solved", None, text(&[things])),
        ("x/y", Some("application/senml+json"), text(&[senml])),
        ("x/y", Some("application/senml+cbor"), packed()),
        ("x/y", Some("application/cbor"), packed()),
        ("x/y", Some("application/msgpack"), packed()),
        ("x/y", Some("text/vnd.influx.line-protocol"), text(&[lines])),
        ("homie/5/d/$description", None, text(&[description])),
        ("homie/5/d/n/p", None, text(&["true", "21.5", "warm"])),
        ("homie/d/n/p/$unit", None, text(&["V", "%"])),
        ("homie/5/d/$state", None, text(&["ready", "lost"])),
        ("$aws/things/d/shadow/update", None, text(&[shadow])),
        ("$aws/things/d/shadow/name/s/update/documents", None, text(&[shadow])),
        ("v1/devices/me/telemetry", None, text(&[timed])),
        ("v1/gateway/telemetry", None, text(&[gateway])),
        ("v1/gateway/connect", None, text(&[gateway])),
        ("N/c0619ab12345/battery/258/Dc/0/Voltage", None, text(&[r#"{"value":13.2}"#, r#"{"value":[1,{"a":2}]}"#])),
    ]
}

/// One template with a name of half of so many bytes, and members of two bytes each.
fn template_of_long_name(bytes: usize) -> Vec<u8> {
    let long = "n".repeat(bytes / 2);
    let members = [0x12, 0x00].repeat(bytes / 4 - 32);
    // Field 18 of a metric is the template, field 2 of a template are its metrics.
    let metric = [field(0x0A, long.as_bytes()), vec![0x20, 19], field(0x92, &members)].concat();
    field(0x12, &metric)
}

/// A field of bytes, whose number takes two bytes where the key has its highest bit.
fn field(key: u8, bytes: &[u8]) -> Vec<u8> {
    let (mut head, mut length) = (vec![key], bytes.len());
    if key >= 0x80 {
        head.push(1);
    }
    while length >= 0x80 {
        head.push(length as u8 | 0x80);
        length >>= 7;
    }
    head.push(length as u8);
    [head, bytes.to_vec()].concat()
}

/// A map whose key is a map, whose key is one again, and so on.
fn map_in_keys(map_of_one: u8, depth: usize) -> Vec<u8> {
    [vec![map_of_one; depth], vec![0x01], vec![0x00; depth]].concat()
}

/// A payload that is nearly right, or not at all.
fn worsened(dice: &mut Dice, right: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = right[below(dice, right.len())].clone();
    for _ in 0..=below(dice, 6) {
        let at = below(dice, bytes.len().max(1)).min(bytes.len().saturating_sub(1));
        match below(dice, 8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(dice, 8),
            1 if !bytes.is_empty() => bytes[at] = below(dice, 256) as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, below(dice, 256) as u8),
            4 if !bytes.is_empty() => drop(bytes.drain(at..(at + below(dice, 9)).min(bytes.len()))),
            // The same again, longer: what is nested gets deeper, what is listed longer.
            5 if bytes.len() < 4_000 => {
                let end = (at + below(dice, 64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                (0..below(dice, 30)).for_each(|_| bytes.splice(at..at, part.iter().copied()).for_each(drop));
            }
            // The largest lengths there are.
            6 if !bytes.is_empty() => bytes[at] = [0xFF, 0x7F, 0x80, 0x9B, 0xBB, 0xDD, 0xDF, 0x7B][below(dice, 8)],
            7 => {
                let other = &right[below(dice, right.len())];
                bytes.extend_from_slice(&other[..below(dice, other.len() + 1)]);
            }
            _ => {}
        }
    }
    bytes
}

fn below(dice: &mut Dice, sides: usize) -> usize {
    dice.roll(sides as u64) as usize
}

fn is_well_formed(decoded: &Decoded, config: &DecodeConfig) {
    for reading in &decoded.readings {
        assert!(!reading.device.is_empty() && reading.device.len() <= config.name_bytes_max, "{reading:?}");
        assert!(reading.metrics.len() + reading.without_value.len() <= 2 * config.metrics_max + 16, "{reading:?}");
        for (name, value) in &reading.metrics {
            assert!(
                !name.is_empty() && name.len() <= config.name_bytes_max && !name.contains(char::is_control),
                "{name:?}"
            );
            match value {
                Value::Number(number) => assert!(number.is_finite(), "{reading:?}"),
                Value::Text(text) => assert!(text.len() <= config.text_bytes_max, "{reading:?}"),
                Value::Bool(_) => {}
            }
        }
    }
    assert!(decoded.readings.len() <= config.readings_max * 2, "{}", decoded.readings.len());
    assert!(decoded.effects.len() <= 1);
    assert!(decoded.further.len() < 32, "{:?}", decoded.further);
}

#[test]
fn no_bytes_make_a_format_panic_or_give_more_than_it_may() {
    let cases: usize = std::env::var("TIDEGATE_CASES").map_or(2_000, |cases| cases.parse().unwrap());
    let config = DecodeConfig { sources_bytes_max: 1 << 20, ..DecodeConfig::default() };
    for (number, (topic, media_type, right)) in (0..).zip(seeds()) {
        let (mut dice, mut site) = (Dice(0xF00D + number), Site::with(config.clone()));
        for case in 0..cases {
            let payload = if case < right.len() { right[case].clone() } else { worsened(&mut dice, &right) };
            let begin = Instant::now();
            let said = match media_type {
                Some(media_type) => site.say_as(media_type, topic, payload.clone()),
                None => site.say(topic, payload.clone()),
            };
            is_well_formed(&said, &config);
            assert!(begin.elapsed() < Duration::from_secs(5), "{topic}: {payload:?}");
            if case % 500 == 0 {
                site.restart(config.clone());
            }
        }
        println!("{cases} messages on {topic}");
    }
}

#[test]
fn what_is_largest_of_each_format_takes_no_more_time_than_its_bytes() {
    let config = DecodeConfig::default();
    let max = config.payload_bytes_max;
    let fill = |begin: &str, one: &str, end: &str| {
        let times = (max - begin.len() - end.len()) / one.len();
        format!("{begin}{}{end}", one.repeat(times)).into_bytes()
    };
    let repeated = |bytes: &[u8]| bytes.repeat(max / bytes.len());
    let named: Vec<String> = (0..9_000).map(|number| format!("m{number}")).collect();
    let many: Vec<Metric<'_>> = named
        .iter()
        .map(|name| Metric { name: Some(name), alias: Some(7), value: Some(Field::Double(1.0)), ..Metric::default() })
        .collect();
    for (topic, media_type, payload) in [
        ("spBv1.0/P/NBIRTH/n", None, message(1, Some(0), &many)),
        ("spBv1.0/P/DBIRTH/n/d", None, repeated(&[0x12, 0])),
        ("spBv1.0/P/NDATA/n", None, repeated(&[0x12, 0])),
        ("spBv1.0/P/NDATA/n", None, template_of_long_name(max)),
        ("spBv1.0/P/NBIRTH/n", None, template_of_long_name(max)),
        ("application/1/device/0101010101010101/event/up", None, fill(r#"{"object":"#, "[", "")),
        ("application/1/device/0101010101010101/event/up", None, fill(r#"{"rxInfo":["#, r#"{"rssi":1},"#, r#"{}]}"#)),
        ("x", Some("application/senml+json"), fill("[", r#"{"n":"a","v":1},"#, r#"{"n":"a","v":1}]"#)),
        ("x", Some("application/cbor"), repeated(&[0x9F])),
        ("x", Some("application/cbor"), [vec![0x9F], repeated(&[0xA0])].concat()[..max].to_vec()),
        ("x", Some("application/msgpack"), [vec![0xDD, 0, 3, 0xFF, 0xF0], repeated(&[0x80])].concat()[..max].to_vec()),
        ("x", Some("application/cbor"), map_in_keys(0xA1, 60)),
        ("x", Some("application/msgpack"), map_in_keys(0x81, 60)),
        ("x", Some("text/vnd.influx.line-protocol"), fill("", "m v=1\n", "")),
        ("x", Some("text/vnd.influx.line-protocol"), fill("m ", "a=1,", "b=1")),
        ("x", Some("text/vnd.influx.line-protocol"), fill("m v=\"", "\n", "")),
        ("homie/5/d/$description", None, fill(r#"{"children":["#, r#""a","#, r#""b"]}"#)),
        ("v1/gateway/telemetry", None, fill("{", r#""a":[{"b":1}],"#, r#""c":1}"#)),
        ("v1/devices/me/telemetry", None, fill("[", r#"{"b":1},"#, r#"{"b":1}]"#)),
        ("N/c0619ab12345/a/0/b", None, fill(r#"{"value":"#, "[", "")),
    ] {
        let mut site = Site::with(config.clone());
        let begin = Instant::now();
        let bytes = payload.len();
        let said = match media_type {
            Some(media_type) => site.say_as(media_type, topic, payload),
            None => site.say(topic, payload),
        };
        let took = begin.elapsed();
        println!(
            "{bytes} bytes on {topic}: {took:?}, {} readings, {:?}",
            said.readings.len(),
            said.rejection.map(|it| it.reason)
        );
        assert!(took < Duration::from_secs(2), "{bytes} bytes on {topic} took {took:?}");
        assert!(said.readings.len() <= config.readings_max);
    }
}

#[test]
fn a_template_whose_name_is_too_long_is_refused_once_and_not_for_each_member() {
    for topic in ["spBv1.0/P/NBIRTH/n", "spBv1.0/P/NDATA/n"] {
        let said = Site::new().say(topic, template_of_long_name(256 * 1024));
        let told = said.rejection.iter().chain(&said.further).find(|it| it.reason == Reason::InvalidName).unwrap();
        let is_few = !told.detail.contains("more in this") || told.detail.ends_with("(and 1 more in this publication)");
        assert!(is_few && told.detail.len() < 500, "{topic}: {}", told.detail);
    }
}

#[test]
fn a_map_is_no_key_and_its_json_does_not_double_at_each_level() {
    for (media_type, map_of_one) in
        [("application/cbor", 0xA1), ("application/senml+cbor", 0xA1), ("application/msgpack", 0x81)]
    {
        // What takes twelve levels would take no end of memory for 60: it stops before.
        for depth in [2, 12, 60] {
            let begin = Instant::now();
            let told = Site::new().say_as(media_type, "x", map_in_keys(map_of_one, depth)).rejection.unwrap();
            assert_eq!(told.reason, Reason::NotUnderstood, "{media_type} {depth}");
            assert!(told.detail.len() < 500, "{} bytes", told.detail.len());
            assert!(begin.elapsed() < Duration::from_secs(1), "{media_type} {depth}");
        }
    }
}
