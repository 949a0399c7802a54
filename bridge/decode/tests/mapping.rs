//! What a `[[source]]` says of names and of where values stand.
#![allow(clippy::unwrap_used)]

use tidegate_decode::{DecodeConfig, Decoder, Trial};
use tidegate_settings::Reader;
use tidegate_telemetry::{Decoded, Position, Value};
use tidegate_testing::publication;

fn config(text: &str) -> Result<DecodeConfig, Vec<String>> {
    let mut reader = Reader::new(text);
    let config = DecodeConfig::read(&mut reader);
    let (mistakes, _) = reader.finish();
    let told: Vec<String> = mistakes.iter().map(|mistake| mistake.to_string()).collect();
    if told.is_empty() { Ok(config) } else { Err(told) }
}

fn decoded(source: &str, topic: &str, payload: &'static str) -> Decoded {
    let mut decoder = Decoder::new(config(&format!("[[source]]\n{source}")).unwrap());
    std::mem::take(decoder.decode(Position(1), &publication(topic, payload)))
}

/// Device, group, time, and metrics as `name=value`; without a value, `name=`.
fn readings(decoded: &Decoded) -> Vec<(String, String, Option<i64>, String)> {
    let shown = |value: &Value| if let Value::Text(text) = value { format!("{text:?}") } else { value.to_string() };
    let of = |reading: &tidegate_telemetry::Reading| {
        let values = reading.metrics.iter().map(|(name, value)| format!("{name}={}", shown(value)));
        let all: Vec<String> = values.chain(reading.without_value.iter().map(|name| format!("{name}="))).collect();
        (reading.device.to_string(), reading.group.to_string(), reading.time_ms, all.join(" "))
    };
    decoded.readings.iter().map(of).collect()
}

fn one(source: &str, topic: &str, payload: &'static str) -> (String, String, Option<i64>, String) {
    let decoded = decoded(source, topic, payload);
    assert_eq!((&decoded.rejection, &decoded.further[..]), (&None, &[][..]), "{source} {payload}");
    let mut readings = readings(&decoded);
    assert_eq!(readings.len(), 1, "{source} {payload}");
    readings.remove(0)
}

fn named(device: &str, group: &str, values: &str) -> (String, String, Option<i64>, String) {
    (device.into(), group.into(), None, values.into())
}

#[test]
fn levels_that_are_called_device_and_metric_are_those_and_the_others_are_the_group() {
    let json = r#"{"temperature":23.5,"door":"open"}"#;
    let found = one(r#"topic = "plant/+site/+line/+device/data""#, "plant/A/3/press1/data", json);
    assert_eq!(found, named("A/3/press1", "A/3", "temperature=23.5 door=true"));
    let found = one(r#"topic = "plant/+site/+device/+metric/raw""#, "plant/A/press1/temp/raw", "23.5");
    assert_eq!(found, named("A/press1", "A", "temp=23.5"));
    // One value takes the level's name, several stand below it.
    let found = one(r#"topic = "+device/+metric""#, "p/temp", r#"{"value":1}"#);
    assert_eq!(found, named("p", "", "temp=1"));
    let found = one(r#"topic = "+device/+metric""#, "p/temp", r#"{"now":1,"max":2}"#);
    assert_eq!(found, named("p", "", "temp.now=1 temp.max=2"));
    // A device that names itself keeps its name where no level has it.
    let found = one(r#"topic = "plant/+site/#rest""#, "plant/A/b/c", r#"{"deviceId":"x","t":1}"#);
    assert_eq!(found, named("x", "A/b/c", "t=1"));
    let source = "topic = \"plant/+site/+line/data\"\ndevice = \"{site}-{line}\"\ngroup = \"Hall {site}, Row {line}\"";
    assert_eq!(one(source, "plant/A/3/data", r#"{"t":1}"#), named("A-3", "Hall A/Row 3", "t=1"));
}

#[test]
fn fields_stand_at_paths_and_nothing_else_is_taken() {
    let source = r#"
        topic = "plant/+line/data"
        device = "{line}/{meta.id}"
        fields.temperature = { path = "v.0", scale = 0.1, offset = -1, unit = "°C", decimals = 1, class = "temperature" }
        fields.door = { path = "/d.o/x~1y", on = "AUF", off = "ZU" }
        fields."{meta.kind}" = "v.1"
        fields.label = "s"
        fields.gone = "nowhere"
        fields.none = "n"
    "#;
    let payload = r#"{"v":[245,7],"d.o":{"x/y":"AUF"},"meta":{"id":42,"kind":"co2"},"s":"heating","n":null,"more":9}"#;
    let decoded = decoded(source, "plant/A/data", payload);
    let expected = named("A/42", "A", r#"temperature=23.5 door=true co2=7 label="heating" none="#);
    assert_eq!(readings(&decoded), [expected]);
    assert_eq!((decoded.rejection, decoded.further), (None, vec![]));
    let facts = &decoded.descriptions[0].facts;
    assert_eq!(
        (facts.unit.as_deref(), facts.decimals, facts.class.as_deref()),
        (Some("°C"), Some(1), Some("temperature"))
    );
    assert_eq!((decoded.descriptions.len(), &*decoded.descriptions[0].metric), (1, "temperature"));
}

#[test]
fn an_array_of_readings_has_what_is_common_beside_it_and_a_time_as_it_is_written() {
    let source = r#"
        topic = "gw/#"
        device = "{id}"
        readings = "data.rows"
        time = "at"
        time_format = "%d.%m.%Y %H:%M:%S"
        timezone = "Europe/Berlin"
        decimal = ","
        fields.t = "v"
        fields.height = "height"
    "#;
    let payload = r#"{"id":"m1","height":"1.234,5","data":{"rows":[
        {"at":"08.01.2024 15:24:05","v":"-3,5"},{"at":"8.1.24","v":"4,25"},{"at":"08.01.2024 15:24:06","v":{"x":1}}]}}"#;
    let decoded = decoded(source, "gw/x", payload);
    let at = |ms, values: &str| ("m1".to_owned(), "gw".to_owned(), ms, values.to_owned());
    assert_eq!(
        readings(&decoded),
        [
            at(Some(1_704_723_845_000), "t=-3.5 height=1234.5"),
            at(None, "t=4.25 height=1234.5"),
            at(Some(1_704_723_846_000), "height=1234.5"),
        ]
    );
    let told: Vec<String> = decoded.rejection.iter().chain(&decoded.further).map(|it| it.detail.to_string()).collect();
    assert!(told[0].contains("8.1.24") && told[0].contains("time_format"), "{told:?}");
    assert!(told[1].contains("t stands where several values are") && told[1].contains("\"x\""), "{told:?}");
}

#[test]
fn a_pattern_reads_texts_and_each_match_is_a_reading() {
    let source = r#"
        topic = "meters"
        pattern = '(?m)^(?<group>\w+)/(?<device>\w+);(?<time>\d+);T=(?<temperature>[-+0-9,]+);(?<door>\w+)?'
        decimal = ","
    "#;
    let decoded = decoded(source, "meters", "Hall/a1;1704723845;T=23,5;open\nYard/b2;1704723846;T=-1;\n");
    let at = |group: &str, device: &str, ms, values: &str| {
        (device.to_owned(), group.to_owned(), Some(ms), values.to_owned())
    };
    assert_eq!(
        readings(&decoded),
        [
            at("Hall", "a1", 1_704_723_845_000, "door=true temperature=23.5"),
            at("Yard", "b2", 1_704_723_846_000, "temperature=-1"),
        ]
    );
    assert_eq!(decoded.rejection, None);
    let found = one("topic = \"+device/x\"\nfields.level = { path = \"\", scale = 100 }", "tank/x", "0.25");
    assert_eq!(found, named("tank", "", "level=25"));
}

#[test]
fn a_mapping_names_all_that_a_format_says() {
    let source = "topic = \"z/+room/+device/#\"\nformat = \"tasmota\"";
    let mut decoder = Decoder::new(config(&format!("[[source]]\n{source}")).unwrap());
    let payload = r#"{"Time":"2024-01-08T14:24:05","AM2301":{"Temperature":21.3},"TempUnit":"C"}"#;
    let decoded = decoder.decode(Position(1), &publication("z/kitchen/plug/tele/plug/SENSOR", payload));
    assert_eq!((&*decoded.readings[0].device, &*decoded.readings[0].group), ("kitchen/plug", "kitchen"));
    assert!(!decoded.descriptions.is_empty());
    assert!(decoded.descriptions.iter().all(|said| &*said.device == "kitchen/plug"), "{decoded:?}");
}

#[test]
fn a_payload_of_long_names_and_many_values_takes_no_more_than_it_may() {
    let name = "x".repeat(100_000);
    let payload: &str = Box::leak(format!("{{\"{name}\":[{}1],\"t\":1}}", "1,".repeat(60_000)).into_boxed_str());
    let decoded = decoded("topic = \"x\"\ndecimal = \",\"", "x", payload);
    assert_eq!(readings(&decoded), [("x".into(), "".into(), None, "t=1".into())]);
    assert!(decoded.rejection.unwrap().detail.contains("decode.name_bytes_max"));
    let many: &str = Box::leak(format!("{{\"list\":[{}1]}}", "1,".repeat(60_000)).into_boxed_str());
    let decoded = self::decoded("topic = \"x\"\ndecimal = \",\"", "x", many);
    assert_eq!(decoded.readings[0].metrics.len(), DecodeConfig::default().metrics_max);
    assert_eq!(decoded.rejection.unwrap().reason.name(), "too_many_metrics");
}

#[test]
fn a_decimal_comma_leaves_the_point_to_thousands() {
    let source = "topic = \"x\"\ndecimal = \",\"";
    let found = one(source, "x", r#"{"a":"1.234","b":"1.234,5","c":"-12.345.678","d":"1.5","e":"0,5"}"#);
    assert_eq!(found.3, "a=1234 b=1234.5 c=-12345678 d=1.5 e=0.5");
}

#[test]
fn what_a_mapping_cannot_read_says_what_to_mend_and_costs_only_itself() {
    for (source, payload, reason, words, taken) in [
        ("fields.t = \"a.b\"", r#"{"x":1,"y":2}"#, "no_metrics", r#"there are "x", "y""#, 0),
        (
            "fields.t = { path = \"t\", scale = 2 }\nfields.h = \"h\"",
            r#"{"t":"warm","h":4}"#,
            "not_understood",
            "wants a number",
            1,
        ),
        ("readings = \"rows\"", r#"{"rows":7}"#, "not_understood", "no array at \"rows\"", 0),
        ("pattern = '(?<t>\\d+)C'", "no digits", "not_understood", "does not match the pattern", 0),
        ("device = \"{id}\"\nfields.t = \"t\"", r#"{"t":1,"id":[]}"#, "invalid_name", "\"id\"", 0),
        ("fields.t = \"t\"", r#"{"t":1"#, "invalid_json", "not well-formed", 0),
        ("fields.t = \"t\"\nfields.h = \"h\"", r#"{"t":NaN,"h":1}"#, "not_finite", "NaN", 1),
        ("fields.t = \"t\"", r#"{"t":"23,5"}"#, "not_understood", "decimal comma", 0),
        ("fields.\"{k}\" = \"t\"\nfields.a = \"t\"", r#"{"t":1,"k":"a"}"#, "several_values", "the first counts", 1),
    ] {
        let decoded = decoded(&format!("topic = \"x\"\n{source}"), "x", payload);
        let rejection = decoded.rejection.as_ref().unwrap();
        assert_eq!(rejection.reason.name(), reason, "{source}: {}", rejection.detail);
        assert!(rejection.detail.contains(words), "{source}: {}", rejection.detail);
        assert_eq!(decoded.readings.len(), taken, "{source}");
    }
}

#[test]
fn a_mapping_that_cannot_be_meant_is_a_mistake_with_its_line_and_key() {
    for (source, words) in [
        ("topic = \"a/+x/+x\"", "uses a wildcard where none may stand"),
        ("topic = \"a/+x\"\ndevice = \"{y}\"", "names \"y\", which is no level"),
        ("topic = \"a/+x\"\ndevice = \"{x\"", "a gap that does not end"),
        ("topic = \"a\"\npattern = \"(\"", "is no regular expression"),
        ("topic = \"a\"\npattern = \"[0-9]+\"", "no group with a name"),
        ("topic = \"a\"\nfields.t = 3", "is a path, or a table"),
        ("topic = \"a\"\nfields.t = { unit = \"K\" }", "is a path, or a table"),
        ("topic = \"a\"\nfields.t = { path = \"t\", scal = 2 }", "does not know \"scal\""),
        ("topic = \"a\"\ndecimal = \";\"", "decimal"),
        ("topic = \"a\"\ntime_format = \"%d.%m.%K\"", "is no format of strftime"),
        ("topic = \"a\"\ntime_format = \"%H:%M\"", "says no date"),
    ] {
        let mistakes = config(&format!("[[source]]\n{source}")).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(words)), "{source}: {mistakes:?}");
    }
}

/// A payload that is not understood; what is proposed has it understood, as it should be.
#[test]
fn what_is_proposed_for_a_payload_reads_it() {
    for (topic, payload, expected) in [
        (
            "plant/A/3/press1/data",
            r#"{"vals":{"t1":23.5,"hum":"40,5"},"when":"08.01.2024 15:24:05","ok":true}"#,
            "A/3/press1 A/3 1704723845000 hum=40.5 ok=true t1=23.5",
        ),
        ("m/dev7", r#"{"a.b":1,"list":[4,5]}"#, "dev7  - b=1 list_0=4 list_1=5"),
        ("m/dev7", "T=23.5;H: 40", "dev7  - H=40 T=23.5"),
        ("m/x/dev7/raw", "23,5;40;1", "x/dev7 x - value1=23.5 value2=40 value3=1"),
        ("m/g1", r#"{"id":"z","rows":[{"ts":1704723845,"v":1}]}"#, "g1  1704723845000 v=1"),
    ] {
        let trial = Trial::of(&DecodeConfig::default(), &publication(topic, payload));
        let proposal = trial.proposal.unwrap();
        let mut decoder = Decoder::new(config(&proposal).unwrap_or_else(|mistakes| panic!("{proposal}: {mistakes:?}")));
        let decoded = std::mem::take(decoder.decode(Position(1), &publication(topic, payload)));
        assert_eq!(decoded.rejection, None, "{proposal}");
        let (device, group, time_ms, values) = readings(&decoded).remove(0);
        let mut values: Vec<&str> = values.split(' ').collect();
        values.sort_unstable();
        let time = time_ms.map_or("-".to_owned(), |ms| ms.to_string());
        let found = format!("{device} {group} {time} {}", values.join(" "));
        assert_eq!(found.replace("a.b=1", "b=1"), expected, "{proposal}");
    }
}
