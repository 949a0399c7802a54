//! A flaw costs only itself, and each is told.
#![allow(clippy::unwrap_used)]

use tidegate_decode::{DecodeConfig, Decoder};
use tidegate_telemetry::{Decoded, Position, Publication, Reading, Reason, Value};
use tidegate_testing::publication;

fn decode_with(config: DecodeConfig, payload: &[u8]) -> Decoded {
    let publication = Publication { received_ms: 1_704_723_845_000, ..publication("lab/dev7", payload) };
    std::mem::take(Decoder::new(config).decode(Position(1), &publication))
}

fn decode(payload: &[u8]) -> Decoded {
    decode_with(DecodeConfig::default(), payload)
}

fn metrics(reading: &Reading) -> Vec<(&str, Value)> {
    reading.metrics.iter().map(|(name, value)| (&**name, value.clone())).collect()
}

fn reasons(decoded: &Decoded) -> Vec<Reason> {
    decoded.rejection.iter().chain(&decoded.further).map(|rejection| rejection.reason).collect()
}

fn number(value: f64) -> Value {
    Value::Number(value)
}

#[test]
fn each_reason_is_told_and_how_often_it_was_met() {
    let payload = br#"{"Temp":1,"temp":2,"serial_count":9007199254740993,"a":"1,5","b":"2,5","time":"yesterday"}"#;
    let decoded = decode(payload);
    assert_eq!(decoded.readings[0].metrics.len(), 3);
    let told = [Reason::NotExact, Reason::NotUnderstood, Reason::TwoSpellings, Reason::InvalidTime];
    assert_eq!(reasons(&decoded), told);
    assert!(decoded.further[0].detail.ends_with("(and 1 more in this publication)"), "{:?}", decoded.further[0]);
}

#[test]
fn bytes_that_are_not_utf8_cost_the_names_they_are_in_and_nothing_else() {
    let decoded = decode(b"{\"temperature\":21.5,\"unit\":\"\xb0C\",\"gr\xf6\xdfe\":3,\"location\":\"B\xfcro\"}");
    assert_eq!(reasons(&decoded), [Reason::NotUtf8]);
    assert!(decoded.rejection.unwrap().detail.starts_with("byte 28 is not UTF-8"));
    let text = Value::Text("\u{fffd}C".into());
    assert_eq!(metrics(&decoded.readings[0]), [("temperature", number(21.5)), ("unit", text)]);

    let decoded = decode(b"[{\"deviceId\":\"d\xfc\",\"t\":1},{\"deviceId\":\"d\",\"t\":2}]");
    assert_eq!(decoded.readings.iter().map(|reading| &*reading.device).collect::<Vec<_>>(), ["d"]);
    for broken in [&b"{\"t\":1,\"u\":\"\xb0"[..], b"\xff{\"t\":1}", b"21.5\xb0"] {
        let decoded = decode(broken);
        assert_eq!((decoded.readings.len(), reasons(&decoded)), (0, vec![Reason::NotUtf8]), "{broken:?}");
    }
}

#[test]
fn what_is_beyond_a_limit_costs_no_value_beside_it() {
    let (open, close) = (r#"{"x":"#.repeat(9), "}".repeat(9));
    let deep = format!(r#"{{"a":1,"b":{open}1{close},"c":[{}2{}],"d":3}}"#, "[".repeat(9), "]".repeat(9));
    let decoded = decode(deep.as_bytes());
    assert_eq!(metrics(&decoded.readings[0]), [("a", number(1.0)), ("d", number(3.0))]);
    assert_eq!(reasons(&decoded), [Reason::TooDeep]);
    let config = DecodeConfig { metrics_max: 2, ..DecodeConfig::default() };
    let payload = br#"{"a":1,"b":{"x":2,"y":3},"c":[4],"deviceId":"late","time":1704723845}"#;
    let Decoded { readings, rejection, .. } = decode_with(config, payload);
    assert_eq!(metrics(&readings[0]), [("a", number(1.0)), ("b.x", number(2.0))]);
    assert_eq!((&*readings[0].device, readings[0].time_ms), ("late", Some(1_704_723_845_000)));
    let rejection = rejection.unwrap();
    assert_eq!(rejection.reason, Reason::TooManyMetrics);
    assert!(rejection.detail.contains("2 were left out"), "{}", rejection.detail);
}

#[test]
fn what_is_wrong_in_a_line_says_which_and_the_others_count() {
    let Decoded { readings, rejection, .. } = decode(b"{\"t\":1}\n\nbroken\n{\"t\":3}");
    assert_eq!(readings.iter().flat_map(metrics).collect::<Vec<_>>(), [("t", number(1.0)), ("t", number(3.0))]);
    let detail = rejection.unwrap().detail;
    assert!(detail.starts_with("line 3 of the publication is not well-formed JSON"), "{detail}");
    assert!(!detail.contains("line 1"), "{detail}");
}

#[test]
fn a_location_that_is_no_text_costs_no_value() {
    let decoded = decode(br#"{"t":1,"location":{"lat":52.5,"at":{"floor":3}},"u":2}"#);
    let expected =
        [("t", number(1.0)), ("location.lat", number(52.5)), ("location.at.floor", number(3.0)), ("u", number(2.0))];
    assert_eq!((metrics(&decoded.readings[0]), reasons(&decoded)), (expected.to_vec(), vec![]));
    let decoded = decode(br#"{"location":[52.5,13.4]}"#);
    assert_eq!(metrics(&decoded.readings[0]), [("location.0", number(52.5)), ("location.1", number(13.4))]);
    for scalar in ["17", "-1", "1.5", "true"] {
        let decoded = decode(format!(r#"{{"t":1,"location":{scalar}}}"#).as_bytes());
        assert_eq!(
            (metrics(&decoded.readings[0]).len(), reasons(&decoded)),
            (1, vec![Reason::InvalidName]),
            "{scalar}"
        );
    }
}

#[test]
fn a_metric_that_has_several_values_in_a_reading_is_told() {
    for payload in [r#"{"t":1,"t":2}"#, r#"{"t":"stuck","t":2}"#, r#"{"a":1,"t":3,"t":2}"#] {
        let decoded = decode(payload.as_bytes());
        assert_eq!(decoded.readings[0].metrics.last().unwrap().1, number(2.0));
        assert_eq!(reasons(&decoded), [Reason::SeveralValues], "{payload}");
    }
    assert_eq!(reasons(&decode(br#"{"t":1,"t":1.0,"u":"x","u":"x"}"#)), []);
}
