//! SenML packs as RFC 8428 prints them.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Site, problems, readings, units};
use tidegate_telemetry::{Decoded, Reason};

const DEVICE: &str = "urn:dev:ow:10e2073a01080063";
const JSON: &str = "application/senml+json";

fn pack(text: &str) -> Decoded {
    Site::new().say_as(JSON, "hall/gateway", text)
}

#[test]
fn one_value_of_a_device() {
    let said = pack(r#"[ {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1} ]"#);
    assert_eq!(readings(&said), [format!("{DEVICE} in hall at now: temperature=23.1")]);
    assert_eq!(units(&said), [("temperature".into(), "°C".into())]);
    assert_eq!(said.descriptions[0].facts.class.as_deref(), Some("temperature"));
}

#[test]
fn base_fields_add_up_and_hold_on() {
    let said = pack(
        r#"[ {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09, "bu":"A","bver":5, "n":"voltage","u":"V","v":120.1},
             {"n":"current","t":-5,"v":1.2}, {"n":"current","t":-4,"v":1.3}, {"n":"current","v":1.7} ]"#,
    );
    let at = |ms: i64, what: &str| format!("urn:dev:ow:10e2073a0108006 in hall at {ms}: {what}");
    assert_eq!(
        readings(&said),
        [
            at(1_276_020_076_001, "voltage=120.1 current=1.7"),
            at(1_276_020_071_001, "current=1.2"),
            at(1_276_020_072_001, "current=1.3"),
        ]
    );
    assert_eq!(units(&said)[..2], [("voltage".into(), "V".into()), ("current".into(), "A".into())]);

    let said =
        pack(r#"[{"bn":"d/","bv":20,"bs":5,"n":"a","v":1.5},{"n":"b","v":-2},{"n":"c","s":7},{"n":"d","s":0,"v":0}]"#);
    assert_eq!(readings(&said), ["d in hall at now: a=21.5 b=18 c.sum=12 d=20 d.sum=5"]);
}

#[test]
fn records_without_a_name_are_named_by_their_unit() {
    let said = pack(
        r#"[ {"bn":"urn:dev:ow:10e2073a01080063", "bt":1.320067464e+09, "bu":"%RH", "v":20},
             {"u":"lon","v":24.30621}, {"u":"lat","v":60.07965}, {"t":60,"v":20.3}, {"u":"%EL","t":150,"v":98} ]"#,
    );
    assert_eq!(
        readings(&said),
        [
            format!("{DEVICE} in hall at 1320067464000: humidity=20 longitude=24.30621 latitude=60.07965"),
            format!("{DEVICE} in hall at 1320067524000: humidity=20.3"),
            format!("{DEVICE} in hall at 1320067614000: battery=98"),
        ]
    );
}

#[test]
fn every_kind_of_value() {
    let said = pack(
        r#"[ {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1}, {"n":"label","vs":"Machine Room"},
             {"n":"open","vb":false}, {"n":"nfc-reader","vd":"aGkgCg"} ]"#,
    );
    assert_eq!(readings(&said), [format!("{DEVICE} in hall at now: temp=23.1 label=\"Machine Room\" open=false")]);
    assert!(problems(&said)[0].starts_with("NotUnderstood: 1 values are bytes"), "{:?}", problems(&said));
}

#[test]
fn small_times_are_relative_to_the_receipt() {
    let received_ms = Site::new().now_ms;
    let said = pack(
        r#"[{"bn":"d/","bt":-60,"n":"a","v":1},{"n":"a","t":60,"v":2},{"n":"a","t":30.5,"v":3},{"n":"a","t":260000000,"v":4}]"#,
    );
    let times: Vec<_> = said.readings.iter().map(|reading| reading.time_ms.map(|ms| ms - received_ms)).collect();
    assert_eq!(times, [Some(-60_000), None, Some(-29_500), Some(259_999_940_000)]);
}

#[test]
fn an_update_time_says_how_often_it_reports() {
    let said = pack(r#"[{"bn":"d/","n":"a","v":1,"ut":30}]"#);
    assert_eq!((&*said.devices[0].device, said.devices[0].facts.report_ms), ("d", Some(30_000)));
}

#[test]
fn it_is_recognized_by_its_type_and_by_a_urn_at_its_start_alone() {
    let text = r#" [ { "bn" : "urn:dev:ow:1:", "n":"a", "v":1 } ]"#;
    assert_eq!(readings(&Site::new().say("x/y", text)), ["urn:dev:ow:1 in x at now: a=1"]);
    let text = r#"[{"bn":"dev1/","n":"a","v":1}]"#;
    assert_eq!(readings(&Site::new().say("x/y", text)), [r#"x/y in x at now: bn="dev1/" n="a" v=1"#], "a reading");
    assert_eq!(readings(&Site::of("x/#", "senml").say("x/y", text)), ["dev1 in x at now: a=1"]);
    let said = Site::new().say_as("Application/SenML+JSON; charset=utf-8", "x/y", text);
    assert_eq!(readings(&said), ["dev1 in x at now: a=1"]);
}

/// Figure 4 of section 6, and the pack of section 5.1.3 as an independent encoder writes it.
#[test]
fn in_cbor_labels_are_numbers() {
    let hex = "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b00106223614120050067766f6c74\
               6167650161560 2fb405e066666666666a3006763757272656e74062402fb3ff3333333333333a3006763757272656e74062302fb3ff4\
               cccccccccccda3006763757272656e74062202fb3ff6666666666666a3006763757272656e74062102f93e00a3006763757272656e74\
               062002fb3ff999999999999aa3006763757272656e74060002fb3ffb333333333333";
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect();
    let said = Site::new().say_as("application/senml+cbor", "hall/gateway", bytes);
    assert_eq!(problems(&said), [""; 0]);
    assert_eq!(said.readings.len(), 6);
    assert_eq!(
        readings(&said)[..2],
        [
            "urn:dev:ow:10e2073a0108006 in hall at 1276020076001: voltage=120.1 current=1.7",
            "urn:dev:ow:10e2073a0108006 in hall at 1276020071001: current=1.2",
        ]
    );
}

#[test]
fn a_flaw_costs_only_its_record() {
    let said = pack(
        r#"[{"bn":"d/","n":"a","v":1},{"n":"b","v":"x"},5,{"n":"c","v":3,"must_":1},{"n":"d","v":1e308,"bv":1e308},{"bv":0},
            {"n":"e","v":5},{"n":"f\u0001","v":5}]"#,
    );
    assert_eq!(readings(&said), ["d in hall at now: a=1 e=5"]);
    let reasons: Vec<_> = said.rejection.iter().chain(&said.further).map(|it| it.reason).collect();
    assert_eq!(reasons, [Reason::NotUnderstood, Reason::NotFinite, Reason::InvalidName]);
    for broken in ["{}", "[", "5", r#"[{"n":"a","v":1}"#] {
        assert_eq!(pack(broken).rejection.unwrap().reason, Reason::InvalidJson, "{broken}");
    }
    assert_eq!(pack("[]"), Decoded::default());
}

#[test]
fn a_relative_time_is_one_of_our_years_too() {
    for far in ["-1e15", "-1e300", "-9e9", "-1e9"] {
        let said = pack(&format!(r#"[{{"bn":"d/","n":"a","t":{far},"v":1}}]"#));
        assert_eq!(readings(&said), ["d in hall at now: a=1"], "{far}");
        assert_eq!(said.rejection.unwrap().reason, Reason::InvalidTime, "{far}");
    }
    let said = pack(r#"[{"bn":"d/","n":"a","t":-3600,"v":1}]"#);
    assert_eq!(readings(&said), ["d in hall at 1704720240000: a=1"]);
    let mut unset = Site::new();
    unset.now_ms = 5_000_000;
    let mut say = |t: &str| unset.say_as(JSON, "hall/x", format!(r#"[{{"bn":"d/","n":"a","t":{t},"v":1}}]"#));
    assert_eq!(readings(&say("-60")), ["d in hall at 4940000: a=1"], "by a clock of ours that was never set");
    assert_eq!(say("-1e15").rejection.unwrap().reason, Reason::InvalidTime);
}

#[test]
fn of_several_labels_to_be_understood_the_same_is_told_each_time() {
    let labels: Vec<String> = (0..20).map(|number| format!(r#""l{number:02}_":1"#)).rev().collect();
    let text = format!(r#"[{{"n":"a","v":1,{}}}]"#, labels.join(","));
    for _ in 0..5 {
        assert!(problems(&pack(&text))[0].contains("\"l00_\""), "{:?}", problems(&pack(&text)));
    }
}
