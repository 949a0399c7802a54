//! What publications mean, through the public interface.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tidegate_decode::{DecodeConfig, Decoder, FormatChoice, Rejection, SameTime, SourceConfig};
use tidegate_telemetry::{Position, Publication, Reading, Reason, Value};

fn publication(topic: &str, payload: impl Into<Vec<u8>>) -> Publication {
    Publication { received_ms: 1_704_723_845_000, ..tidegate_testing::publication(topic, payload) }
}

fn decode_with(config: DecodeConfig, topic: &str, payload: impl Into<Vec<u8>>) -> (Vec<Reading>, Option<Rejection>) {
    let mut decoder = Decoder::new(config);
    let decoded = std::mem::take(decoder.decode(Position(1), &publication(topic, payload)));
    (decoded.readings, decoded.rejection)
}

fn decode(topic: &str, payload: &str) -> Vec<Reading> {
    let (readings, rejection) = decode_with(DecodeConfig::default(), topic, payload);
    assert_eq!(rejection, None, "{payload}");
    readings
}

/// What is left of a flawed publication, and why the rest is not.
fn flawed(payload: &str) -> (Vec<Reading>, Reason) {
    let (readings, rejection) = decode_with(DecodeConfig::default(), "site/dev7", payload);
    let rejection = rejection.unwrap_or_else(|| panic!("{payload} was taken whole"));
    assert!(rejection.detail.len() > 20, "says too little: {rejection}");
    (readings, rejection.reason)
}

fn refused(payload: &str) -> Reason {
    let (readings, reason) = flawed(payload);
    assert_eq!(readings, [], "{payload}");
    reason
}

fn metrics(reading: &Reading) -> Vec<(&str, Value)> {
    reading.metrics.iter().map(|(name, value)| (&**name, value.clone())).collect()
}

fn number(value: f64) -> Value {
    Value::Number(value)
}

#[test]
fn the_reference_reading_is_understood() {
    let readings = decode(
        "anything",
        r#"{"deviceId":"sensor_001","temperature":23.5,"humidity":45.2,"pressure":1013.25,
            "timestamp":1704723845000,"location":"Building A, Floor 3"}"#,
    );
    assert_eq!(readings.len(), 1);
    let reading = &readings[0];
    assert_eq!((&*reading.device, &*reading.group), ("sensor_001", "Building A/Floor 3"));
    assert_eq!(reading.time_ms, Some(1_704_723_845_000));
    let expected = [("temperature", number(23.5)), ("humidity", number(45.2)), ("pressure", number(1013.25))];
    assert_eq!(metrics(reading), expected);
}

#[test]
fn nested_objects_and_arrays_are_flattened_with_dots() {
    let readings = decode("d", r#"{"a":{"b":{"c":1,"d":true},"e":"on"},"f":[1.5,{"g":2}],"h":null,"i":3}"#);
    let expected = [
        ("a.b.c", number(1.0)),
        ("a.b.d", Value::Bool(true)),
        ("a.e", Value::Bool(true)),
        ("f.0", number(1.5)),
        ("f.1.g", number(2.0)),
        ("i", number(3.0)),
    ];
    assert_eq!(metrics(&readings[0]), expected);
}

#[test]
fn a_time_may_come_in_any_unit_as_text_or_not_at_all() {
    for (time, ms) in [
        ("1704723845", Some(1_704_723_845_000)),
        ("1704723845.25", Some(1_704_723_845_250)),
        ("1704723845000", Some(1_704_723_845_000)),
        ("1704723845000000", Some(1_704_723_845_000)),
        ("1704723845000000000", Some(1_704_723_845_000)),
        (r#""2024-01-08T14:24:05Z""#, Some(1_704_723_845_000)),
        (r#""1704723845""#, Some(1_704_723_845_000)),
        ("null", None),
    ] {
        assert_eq!(decode("d", &format!(r#"{{"time":{time},"t":1}}"#))[0].time_ms, ms, "{time}");
    }
    assert_eq!(decode("d", r#"{"t":1}"#)[0].time_ms, None);
}

#[test]
fn whatever_is_wrong_with_a_time_the_values_stay_and_the_flaw_is_told() {
    let none = ["-5", "1e30", "true", "{}", "[1704723845]", r#""yesterday""#, "18446744073709551615"];
    let unset = ["0", "123", "946684800", r#""1970-01-01T00:00:10Z""#];
    let times = none.map(|time| (time, Reason::InvalidTime)).into_iter();
    let times = times.chain(unset.map(|time| (time, Reason::DeviceClockUnset)));
    for (time, told) in times.chain([(r#""2026-11-28 14:57:38""#, Reason::TimeWithoutOffset)]) {
        let (readings, reason) = flawed(&format!(r#"{{"timestamp":{time},"t":1}}"#));
        assert_eq!(reason, told, "{time}");
        assert_eq!((readings[0].time_ms, metrics(&readings[0])), (None, vec![("t", number(1.0))]), "{time}");
    }
}

#[test]
fn a_bad_time_beside_a_good_one_costs_nothing_and_the_better_key_decides() {
    let good = 1_704_723_845_000;
    for payload in [
        r#"{"timestamp":"yesterday","time":1704723845,"t":1}"#,
        r#"{"time":1704723845,"timestamp":0,"t":1}"#,
        r#"{"ts":1704720000,"timestamp":1704723845,"t":1}"#,
        r#"{"timestamp":1704723845,"ts":1704720000,"time":null,"t":1}"#,
    ] {
        assert_eq!(decode("d", payload)[0].time_ms, Some(good), "{payload}");
    }
}

#[test]
fn a_local_time_is_one_of_its_sources_zone() {
    let source = SourceConfig {
        topic: "tele/#".into(),
        format: FormatChoice::Auto,
        same_time: SameTime::Each,
        device_tags: None,
        timezone: Some(TimeZone::get("Europe/Berlin").unwrap()),
    };
    let config = DecodeConfig { sources: vec![source], ..DecodeConfig::default() };
    let payload = r#"{"Time":"2024-01-08T15:24:05","t":1}"#;
    let (readings, rejection) = decode_with(config.clone(), "tele/plug/SENSOR", payload);
    assert_eq!((readings[0].time_ms, rejection), (Some(1_704_723_845_000), None));
    let (readings, rejection) = decode_with(config, "other/plug", payload);
    assert_eq!((readings[0].time_ms, rejection.unwrap().reason), (None, Reason::TimeWithoutOffset));
}

#[test]
fn a_source_says_whether_the_last_of_one_time_corrects_those_before_it() {
    let source = |topic: &str, same_time| SourceConfig {
        topic: topic.into(),
        format: FormatChoice::Auto,
        timezone: None,
        same_time,
        device_tags: None,
    };
    let sources = vec![source("meters/old/#", SameTime::Each), source("meters/#", SameTime::Last)];
    let config = DecodeConfig { sources, ..DecodeConfig::default() };
    let corrects = |topic| {
        let (readings, _) = decode_with(config.clone(), topic, r#"[{"v":1},{"v":2}]"#);
        readings.iter().map(|reading| reading.corrects).collect::<Vec<_>>()
    };
    assert_eq!((corrects("meters/m1"), corrects("meters/old/m1")), (vec![true; 2], vec![false; 2]));
    assert_eq!(corrects("elsewhere"), [false; 2]);
}

#[test]
fn an_identifier_may_be_any_whole_number_and_what_is_no_name_is_passed_over() {
    for (id, device) in [
        ("17", "17"),
        ("17.0", "17"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
    ] {
        assert_eq!(&*decode("x/y", &format!(r#"{{"deviceId":{id},"t":1}}"#))[0].device, device);
    }
    for other in [r#"{"a":1}"#, "[1]", "true", "null", "1.5", r#""""#] {
        let payload = format!(r#"{{"deviceId":{other},"device_id":"b","t":1}}"#);
        assert_eq!(&*decode("x/y", &payload)[0].device, "b", "{other}");
    }
    assert_eq!(&*decode("x/y", r#"{"deviceId":{"a":1},"t":1}"#)[0].device, "x/y");
}

#[test]
fn a_device_that_has_no_value_just_now_says_so_without_a_metric_and_without_a_problem() {
    for none in ["null", r#""unavailable""#, r#""NaN""#, r#""None""#, r#""unknown""#, r#""""#, r#"" ""#] {
        let reading = &decode("site/dev7", &format!(r#"{{"t":{none},"a":{{"b":{none}}}}}"#))[0];
        assert_eq!(metrics(reading), [], "{none}");
        assert_eq!(reading.without_value.iter().map(|name| &**name).collect::<Vec<_>>(), ["t", "a.b"], "{none}");
    }
    for none in ["null", "nan", "None", "unavailable", "\"unknown\"", "   ", "\0"] {
        let reading = &decode("site/dev7/t", none)[0];
        assert_eq!((metrics(reading), &*reading.without_value[0]), (vec![], "t"), "{none:?}");
    }
    assert_eq!(metrics(&decode("d", r#"{"a":null,"b":2}"#)[0]), [("b", number(2.0))]);
}

#[test]
fn texts_are_numbers_and_switches_where_they_are_no_labels() {
    let payload =
        r#"{"t":"23.5","door":"OPEN","light":"off","version":"1.10","ieee_address":"0012","zip":"01234","n":"x"}"#;
    let expected = [
        ("t", number(23.5)),
        ("door", Value::Bool(true)),
        ("light", Value::Bool(false)),
        ("version", Value::Text("1.10".into())),
        ("ieee_address", Value::Text("0012".into())),
        ("zip", Value::Text("01234".into())),
        ("n", Value::Text("x".into())),
    ];
    assert_eq!(metrics(&decode("d", payload)[0]), expected);
    let (readings, reason) = flawed(r#"{"t":"23,5","b":2}"#);
    assert_eq!((metrics(&readings[0]), reason), (vec![("b", number(2.0))], Reason::NotUnderstood));
}

#[test]
fn what_programs_put_around_a_payload_is_ignored() {
    for around in ["\u{feff}", "\u{feff} \r\n"] {
        assert_eq!(metrics(&decode("d/t", &format!("{around}23.5\r\n\0\0"))[0]), [("t", number(23.5))]);
        assert_eq!(metrics(&decode("d", &format!("{around}{{\"t\":1}}\n\0"))[0]), [("t", number(1.0))]);
    }
}

#[test]
fn json_within_a_json_text_and_json_on_each_line_are_understood() {
    assert_eq!(metrics(&decode("d", r#""{\"t\":23.5}""#)[0]), [("t", number(23.5))]);
    let of_each = |payload: &str| -> Vec<Value> {
        decode("d", payload).iter().map(|reading| reading.metrics[0].1.clone()).collect()
    };
    assert_eq!(of_each("{\"t\":1}\n{\"t\":2}\r\n\n[{\"t\":3}]\n"), [1.0, 2.0, 3.0].map(number));
    let (readings, reason) = flawed("{\"t\":1}\n{\"t\":\n{\"t\":NaN,\"u\":3}");
    assert_eq!((readings.len(), reason), (2, Reason::InvalidJson));
    let (readings, reason) = flawed(&"{\"t\":1}\n".repeat(2_000));
    assert_eq!((readings.len(), reason), (1_000, Reason::TooManyMetrics));
}

#[test]
fn an_integer_that_is_rounded_and_a_metric_spelled_twice_are_told_and_taken() {
    let (readings, reason) =
        flawed(r#"{"counter":9007199254740993,"b":9007199254740992,"c":-5,"d":1091712648830071700}"#);
    assert_eq!((metrics(&readings[0])[0].1.clone(), reason), (number(9_007_199_254_740_992.0), Reason::NotExact));
    let (readings, reason) = flawed(r#"{"Temp":1,"x":2,"temp":3}"#);
    assert_eq!((readings[0].metrics.len(), reason), (3, Reason::TwoSpellings));
}

#[test]
fn the_most_trusted_key_names_the_device_whatever_the_order() {
    for payload in [r#"{"device_id":"b","deviceId":"a","t":1}"#, r#"{"deviceId":"a","device_id":"b","t":1}"#] {
        assert_eq!(&*decode("x/y", payload)[0].device, "a");
    }
    assert_eq!(&*decode("x/y", r#"{"deviceId":17,"t":1}"#)[0].device, "17");
}

#[test]
fn without_an_identifier_the_topic_is_the_device() {
    let reading = &decode("site/b/floor1/dev7", r#"{"t":1}"#)[0];
    assert_eq!((&*reading.device, &*reading.group), ("site/b/floor1/dev7", "site/b/floor1"));
}

#[test]
fn the_group_lies_above_the_level_that_names_the_device() {
    let group = |topic| decode(topic, r#"{"deviceId":"dev7","t":1}"#)[0].group.clone();
    assert_eq!(&*group("site/b/dev7/telemetry/env"), "site/b");
    assert_eq!(&*group("site/b/telemetry"), "site/b");
    assert_eq!(&*group("telemetry"), "");
}

#[test]
fn an_array_is_several_readings_and_a_bad_one_does_not_lose_the_others() {
    let payload =
        r#"[{"deviceId":"a","t":1},{"deviceId":"","t":2},7,{"deviceId":"b","t":"2,5"},{},{"deviceId":"c","t":4}]"#;
    let (readings, reason) = flawed(payload);
    let devices: Vec<&str> = readings.iter().map(|reading| &*reading.device).collect();
    assert_eq!(devices, ["a", "c"]);
    assert_eq!(reason, Reason::InvalidName);
}

#[test]
fn a_value_that_is_not_finite_is_left_out_and_its_neighbours_stay() {
    for bad in ["NaN", "-Infinity", "Infinity", "1e999", "-1e999", "nan"] {
        let (readings, reason) = flawed(&format!(r#"[{{"s":"NaN \" 1e999","a":{bad},"b":2}},{{"c":3}}]"#));
        assert_eq!(reason, Reason::NotFinite, "{bad}");
        assert_eq!(metrics(&readings[0]), [("s", Value::Text("NaN \" 1e999".into())), ("b", number(2.0))]);
        assert_eq!(metrics(&readings[1]), [("c", number(3.0))]);
        let (readings, reason) = flawed(&format!(r#"{{"a":{bad}}}"#));
        assert_eq!((metrics(&readings[0]), reason), (vec![], Reason::NotFinite));
    }
}

#[test]
fn of_broken_json_nothing_is_taken() {
    for payload in [r#"[{"a":1},{"b":"#, r#"{"a":1}}"#, r#"{"a":1,}"#, r#"{"a":NaN"#, "[", r#"{"a":01}"#, "{'a':1}"] {
        assert_eq!(refused(payload), Reason::InvalidJson, "{payload}");
    }
}

#[test]
fn of_a_name_that_comes_twice_the_later_value_counts() {
    let (readings, reason) = flawed(r#"{"a":1,"b":2,"a":3}"#);
    assert_eq!(metrics(&readings[0]), [("a", number(3.0)), ("b", number(2.0))]);
    assert_eq!(reason, Reason::SeveralValues);
}

#[test]
fn a_reading_without_metrics_is_refused() {
    for payload in ["{}", r#"{"deviceId":"x","timestamp":1704723845}"#, "[]", "[1,2]", "[[]]"] {
        assert_eq!(refused(payload), Reason::NoMetrics, "{payload}");
    }
}

#[test]
fn names_with_control_characters_or_of_great_length_are_refused() {
    let long = "x".repeat(257);
    assert_eq!(refused(&format!(r#"{{"deviceId":"{long}","t":1}}"#)), Reason::InvalidName);
    assert_eq!(refused(r#"{"deviceId":"a\u0000b","t":1}"#), Reason::InvalidName);
    assert_eq!(refused(r#"{"deviceId":1.5,"t":1}"#), Reason::InvalidName);
    for bad in [&*long, "", r"a\nb"] {
        let (readings, reason) = flawed(&format!(r#"{{"{bad}":1,"good":2}}"#));
        assert_eq!((metrics(&readings[0]), reason), (vec![("good", number(2.0))], Reason::InvalidName));
    }
}

#[test]
fn an_array_that_fits_has_no_flaw() {
    let config = || DecodeConfig { name_bytes_max: 10, ..DecodeConfig::default() };
    for (payload, count) in [(r#"{"x":1,"12345678":[1,2,3,4,5,6,7,8,9,0]}"#, 11), (r#"{"x":1,"123456789":[]}"#, 1)] {
        let (readings, rejection) = decode_with(config(), "site/dev7", payload);
        assert_eq!((readings[0].metrics.len(), rejection), (count, None), "{payload}");
    }
    let (readings, rejection) = decode_with(config(), "site/dev7", r#"{"x":1,"123456789":[1]}"#);
    assert_eq!((readings[0].metrics.len(), rejection.unwrap().reason), (1, Reason::InvalidName));
}

#[test]
fn a_long_text_is_left_out() {
    let (readings, reason) = flawed(&format!(r#"{{"a":"{}","b":2}}"#, "x".repeat(257)));
    assert_eq!((metrics(&readings[0]), reason), (vec![("b", number(2.0))], Reason::PayloadTooLarge));
}

#[test]
fn json_bombs_are_refused_and_cost_no_stack() {
    let deep = |levels: usize| format!(r#"{}1{}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
    assert_eq!(decode("d", &deep(8)).len(), 1);
    assert_eq!(refused(&deep(9)), Reason::TooDeep, "nothing is left of it");
    assert_eq!(refused(&deep(40_000)), Reason::TooDeep);
    assert_eq!(refused(&format!(r#"{{"a":{}{}}}"#, "[".repeat(60_000), "]".repeat(60_000))), Reason::TooDeep);
    assert_eq!(refused(&"[".repeat(100_000)), Reason::InvalidJson);

    let wide: Vec<String> = (0..20_000).map(|n| format!(r#""m{n}":1"#)).collect();
    let (readings, reason) = flawed(&format!("{{{},\"deviceId\":\"d\"}}", wide.join(",")));
    assert_eq!((readings[0].metrics.len(), &*readings[0].device), (DecodeConfig::default().metrics_max, "d"));
    assert_eq!(reason, Reason::TooManyMetrics);
    let (readings, reason) = flawed(&format!("[{}]", vec![r#"{"a":1}"#; 20_000].join(",")));
    assert_eq!((readings.len(), reason), (1_000, Reason::TooManyMetrics));

    assert_eq!(refused(&format!(r#"{{"a":"{}"}}"#, "x".repeat(256 * 1024))), Reason::PayloadTooLarge);
}

#[test]
fn plain_values_take_device_and_metric_from_the_topic() {
    for (payload, value) in [
        ("23.5", number(23.5)),
        (" -4e1\n", number(-40.0)),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("ON", Value::Bool(true)),
        ("\"heating\"", Value::Text("heating".into())),
        ("zu kalt", Value::Text("zu kalt".into())),
    ] {
        let reading = &decode("site/a/floor3/dev7/temperature", payload)[0];
        assert_eq!((&*reading.device, &*reading.group), ("site/a/floor3/dev7", "site/a/floor3"));
        assert_eq!(metrics(reading), [("temperature", value)], "{payload}");
        assert_eq!(reading.time_ms, None);
    }
    assert_eq!(&*decode("dev7/temperature", "1")[0].group, "");
}

#[test]
fn what_is_no_plain_value_is_refused() {
    let refuse = |topic: &str, payload: &[u8]| {
        let (readings, rejection) = decode_with(DecodeConfig::default(), topic, payload);
        assert_eq!(readings, []);
        rejection.unwrap().reason
    };
    assert_eq!(refuse("dev7/t", b"-inf"), Reason::NotFinite);
    assert_eq!(refuse("dev7/t", b"23,5"), Reason::NotUnderstood);
    assert_eq!(refuse("dev7/t", b"1e999"), Reason::NotFinite);
    assert_eq!(refuse("dev7/t", b"\xff\xfe"), Reason::NotUtf8);
    assert_eq!(refuse("dev7/t", b"{\"a\xc3\":1}"), Reason::NotUtf8);
    assert_eq!(refuse("dev7/t", b"a\x00b"), Reason::NotUnderstood);
    assert_eq!(refuse("dev7/t", "x".repeat(257).as_bytes()), Reason::NotUnderstood);
    assert_eq!(refuse("t", b"1"), Reason::NotUnderstood);
    assert_eq!(refuse("dev7/", b"1"), Reason::InvalidName);
    assert_eq!(refuse("/t", b"1"), Reason::InvalidName);
}

#[test]
fn an_empty_payload_and_system_topics_are_neither_reading_nor_problem() {
    for (topic, payload) in [("dev7/t", ""), ("$SYS/broker/uptime", "17"), ("$aws/things/x/shadow/update", "{}")] {
        assert_eq!(decode(topic, payload), []);
    }
}

#[test]
fn the_configuration_overrides_the_format_of_a_topic() {
    let source = |topic: &str, format| SourceConfig {
        topic: topic.into(),
        format,
        timezone: None,
        same_time: SameTime::Each,
        device_tags: None,
    };
    let sources = vec![
        source("notes/#", FormatChoice::Ignore),
        source("raw/+/+", FormatChoice::Named("plain")),
        source("json/#", FormatChoice::Named("reference")),
        source("$aws/#", FormatChoice::Auto),
    ];
    let config = DecodeConfig { sources, ..DecodeConfig::default() };
    let decode = |topic, payload: &str| decode_with(config.clone(), topic, payload);
    assert_eq!(decode("notes/dev7", r#"{"a":1}"#), (vec![], None));
    let text = metrics(&decode("raw/dev7/m", r#"{"a":1}"#).0[0])[0].1.clone();
    assert_eq!(text, Value::Text(r#"{"a":1}"#.into()));
    for payload in ["17", "true", "null", "-1.5", "\"x\""] {
        assert_eq!(decode("json/dev7", payload).1.unwrap().reason, Reason::NoMetrics);
    }
    assert_eq!(decode("$aws/dev7", r#"{"a":1}"#).0.len(), 1);
}

#[test]
fn a_full_cache_of_names_changes_no_reading() {
    let config = DecodeConfig { names_cached_max: 2, ..DecodeConfig::default() };
    let mut decoder = Decoder::new(config);
    let payload = r#"{"deviceId":"a","m1":1,"m2":2,"m3":"x","location":"A, B"}"#;
    let mut readings = Vec::new();
    for _ in 0..5 {
        readings.append(&mut decoder.decode(Position(1), &publication("t", payload)).readings);
    }
    assert!(readings.iter().all(|reading| *reading == readings[0]));
}

#[test]
fn a_known_name_is_shared_not_copied() {
    let mut decoder = Decoder::new(DecodeConfig::default());
    let mut readings = Vec::new();
    for _ in 0..2 {
        let decoded = decoder.decode(Position(1), &publication("t", r#"{"deviceId":"a","m":1}"#));
        readings.append(&mut decoded.readings);
    }
    assert!(Arc::ptr_eq(&readings[0].device, &readings[1].device));
    assert!(Arc::ptr_eq(&readings[0].metrics[0].0, &readings[1].metrics[0].0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_finite_number_comes_back_bit_for_bit(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
        let reading = decode("d", &format!(r#"{{"a":{value:?}}}"#)).remove(0);
        let Value::Number(decoded) = reading.metrics[0].1 else { panic!("not a number") };
        prop_assert_eq!(decoded.to_bits(), value.to_bits());
    }

    #[test]
    fn no_payload_makes_the_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..200), topic in ".{0,30}") {
        let _ = decode_with(DecodeConfig::default(), &topic, payload);
    }

    #[test]
    fn nearly_json_gives_readings_of_finite_numbers_or_a_reason(
        tokens in prop::collection::vec(
            prop::sample::select(vec!["{", "}", "[", "]", ":", ",", "\"a\"", "\"\\", "NaN", "1e999", "-1", "null", "é"]),
            0..40,
        )
    ) {
        let (readings, rejection) = decode_with(DecodeConfig::default(), "x/y", format!("{{{}", tokens.concat()));
        prop_assert!(!readings.is_empty() || rejection.is_some());
        for (_, value) in readings.iter().flat_map(|reading| &reading.metrics) {
            prop_assert!(!matches!(value, Value::Number(number) if !number.is_finite()));
        }
    }
}
