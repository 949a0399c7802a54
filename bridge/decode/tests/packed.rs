//! Readings packed in CBOR and MessagePack mean what they mean in JSON: `packed/make.mjs` had independent encoders pack them
//! into `packed/payloads.txt`.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Site, problems, readings};
use tidegate_telemetry::{Decoded, Reason};

const FIRST: &str = r#"{"deviceId":"sensor_001","temperature":23.5,"humidity":45.2,"pressure":1013.25,
    "timestamp":1704723845000,"location":"Building A, Floor 3"}"#;
const SECOND: &str = r#"[{"deviceId":"a","on":true,"level":-3,"mode":"eco","none":null,"list":[1,2.5],"deep":{"x":{"y":70000}}},
    {"deviceId":"b","n":4294967296}]"#;

fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    include_str!("packed/payloads.txt")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(of, hex)| (of, bytes(hex)))
        .collect()
}

fn say(packing: &str, payload: Vec<u8>) -> Decoded {
    Site::new().say_as(&format!("application/{packing}"), "hall/dev", payload)
}

#[test]
fn the_same_reading_means_the_same() {
    let payloads = payloads();
    assert_eq!(payloads.len(), 4);
    for ((packing, payload), json) in payloads.into_iter().zip([FIRST, FIRST, SECOND, SECOND]) {
        let expected = Site::new().say("hall/dev", json);
        assert!(!expected.readings.is_empty());
        assert_eq!(say(packing, payload.clone()), expected, "{packing} by its type");
        assert_eq!(Site::of("hall/#", packing).say("hall/dev", payload.clone()), expected, "{packing} by its topic");
        let untold = Site::new().say("hall/dev", payload);
        assert_eq!(untold.readings, [], "nothing is tried");
    }
}

#[test]
fn what_json_has_not_is_told() {
    // {"a": NaN, "b": h'0102', 5: 1, "c": 2.5}
    let said =
        say("cbor", vec![0xA4, 0x61, b'a', 0xF9, 0x7E, 0, 0x61, b'b', 0x42, 1, 2, 5, 1, 0x61, b'c', 0xF9, 0x41, 0]);
    assert_eq!(readings(&said), ["hall/dev in hall at now: 5=1 c=2.5 a=- b=-"]);
    let told = problems(&said);
    assert!(told[0].starts_with("NotFinite") && told[1].contains("1 byte strings"), "{told:?}");
    let said = say("msgpack", vec![0x82, 0xA1, b'a', 1]);
    assert_eq!((said.readings.len(), said.rejection.unwrap().reason), (0, Reason::NotUnderstood));
    let said = say("cbor", [vec![0x81; 20_000], vec![0x01]].concat());
    assert_eq!(said.rejection.unwrap().reason, Reason::TooDeep);
    let nested = [[0xA1, 0x61, b'a'].repeat(12), vec![0x01]].concat();
    assert_eq!(say("cbor", nested).rejection.unwrap().reason, Reason::TooDeep, "decode.depth_max holds here too");
}
