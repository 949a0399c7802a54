//! Units: said, guessed, and not given where the values say otherwise.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, alerts, number, publication};
use tidegate_process::{Condition, Conversion, MetricConfig, ProcessConfig, Rule};
use tidegate_telemetry::{Change, Decoded, Description, MetricFacts};

/// The unit of a metric as it was told last, whether it is a guess, and its decimals.
type Told = (Option<String>, bool, Option<u8>);

fn told(changes: &[Change], metric: &str) -> Option<Told> {
    let mut told = changes.iter().filter_map(|change| match change {
        Change::Metric { name, unit, guessed, decimals, .. } if &**name == metric => {
            Some((unit.as_deref().map(str::to_owned), *guessed, *decimals))
        }
        _ => None,
    });
    told.next_back()
}

fn unit(unit: &str) -> Option<String> {
    Some(unit.to_owned())
}

fn configured(name: &str, unit: Option<&str>, decimals: Option<u8>, conversion: Option<Conversion>) -> ProcessConfig {
    let (name, unit, by_device) = (name.into(), unit.map(Into::into), Vec::new());
    let metric = MetricConfig { name, unit, decimals, conversion, by_device };
    ProcessConfig { metrics: vec![metric], ..ProcessConfig::default() }
}

#[test]
fn a_unit_that_only_the_name_suggests_is_a_guess_and_none_where_the_value_says_otherwise() {
    for (metrics, name, expected) in [
        (r#""temperature":21.5"#, "temperature", (unit("°C"), true, Some(1))),
        (r#""voltage":3.3"#, "voltage", (unit("V"), true, Some(2))),
        (r#""voltage":2965"#, "voltage", (None, false, Some(0))),
        (r#""battery":80"#, "battery", (unit("%"), true, Some(0))),
        (r#""battery":3"#, "battery", (unit("%"), true, Some(0))),
        (r#""battery":3.3"#, "battery", (None, false, Some(1))),
        (r#""humidity":0.452"#, "humidity", (None, false, Some(3))),
        (r#""pressure":101325"#, "pressure", (None, false, Some(0))),
        (r#""pressure":1013.2"#, "pressure", (unit("hPa"), true, Some(1))),
        (r#""rssi":80"#, "rssi", (None, false, Some(0))),
        (r#""POWER":"ON""#, "POWER", (None, false, Some(1))),
        (r#""power":"heating""#, "power", (None, false, Some(1))),
        (r#""flow":2.5"#, "flow", (None, false, Some(1))),
    ] {
        let mut fleet = Fleet::new();
        assert_eq!(told(fleet.sends("dev7", 0, 0, metrics), name), Some(expected), "{metrics}");
    }
}

#[test]
fn a_guess_is_taken_back_with_the_first_value_that_does_not_fit_and_stays_so_over_a_restart() {
    let mut fleet = Fleet::new();
    assert!(told(fleet.sends("dev7", 0, 0, r#""voltage":3"#), "voltage").unwrap().1);
    let changes = fleet.sends("dev7", 1, 1, r#""voltage":2965.5"#);
    assert_eq!(told(changes, "voltage"), Some((None, false, Some(1))));
    assert_eq!(told(fleet.sends("dev7", 2, 2, r#""voltage":5"#), "voltage"), None);
    let before = fleet.process.snapshot();
    assert_eq!(told(&before, "voltage"), Some((None, false, Some(1))));
    let restarted = support::restore(ProcessConfig::default(), &fleet.process.checkpoint());
    assert_eq!(restarted.snapshot(), before);
}

#[test]
fn a_metric_that_turns_from_words_to_numbers_gets_its_unit_and_loses_it_with_words() {
    let mut fleet = Fleet::new();
    assert_eq!(told(fleet.sends("dev7", 0, 0, r#""power":"ON""#), "power").unwrap().0, None);
    assert_eq!(told(fleet.sends("dev7", 1, 1, r#""power":12.5"#), "power").unwrap().0, unit("W"));
    assert_eq!(told(fleet.sends("dev7", 2, 2, r#""power":"OFF""#), "power").unwrap().0, None);
}

#[test]
fn a_unit_that_is_said_is_no_guess_and_holds_whatever_the_value_is() {
    for (said, expected) in [(Some("V"), unit("V")), (Some(""), None)] {
        let mut fleet = Fleet::with(configured("voltage", said, None, None));
        let changes = fleet.sends("dev7", 0, 0, r#""voltage":2965"#);
        assert_eq!(told(changes, "voltage"), Some((expected, false, Some(0))), "{said:?}");
    }
    let mut fleet = Fleet::with(configured("temperature", None, Some(3), None));
    let changes = fleet.sends("dev7", 0, 0, r#""temperature":20"#);
    assert_eq!(told(changes, "temperature"), Some((unit("°C"), true, Some(3))), "decimals say nothing of the unit");
}

#[test]
fn what_is_sent_in_another_unit_is_converted_before_anything_else_sees_it() {
    let rule = Rule {
        metric: Some("voltage".into()),
        ..support::rule(None, Condition::Below { threshold: 2.5, hysteresis: 0.0, for_ms: 0 })
    };
    let config =
        ProcessConfig { rules: vec![rule], ..configured("voltage", Some("V"), None, Conversion::between("mV", "V")) };
    let mut fleet = Fleet::with(config);
    assert!(alerts(fleet.sends("dev7", 0, 0, r#""voltage":2965"#)).is_empty());
    assert_eq!(fleet.latest("voltage"), [(0, number(2.965))]);
    let changes = fleet.sends("dev7", 1, 1, r#""voltage":2400"#).to_vec();
    assert_eq!(alerts(&changes)[0].raised_value, Some(2.4));
    assert_eq!(told(&fleet.process.snapshot(), "voltage"), Some((unit("V"), false, Some(3))));
}

#[test]
fn two_devices_that_send_one_metric_in_different_units_are_kept_in_one() {
    let mut config = configured("voltage", Some("V"), None, Conversion::between("mV", "V"));
    let by_device = [("meter/*", "kV"), ("meter/9", "mV"), ("*rack-7", "V")];
    config.metrics[0].by_device =
        by_device.map(|(pattern, sent)| (pattern.to_owned(), Conversion::between(sent, "V").unwrap())).into();
    for (device, sent, kept) in [("dev7", 2_965.0, 2.965), ("meter/9", 0.4, 400.0), ("row/rack-7", 12.5, 12.5)] {
        let mut fleet = Fleet::with(config.clone());
        fleet.sends(device, 0, 0, &format!(r#""voltage":{sent}"#));
        assert_eq!(fleet.latest("voltage"), [(0, number(kept))], "{device}");
    }
}

#[test]
fn a_unit_that_the_device_says_counts_more_than_a_guess_and_less_than_the_configuration() {
    let says = |device: &str, metric: &str, unit: &str| {
        let facts = MetricFacts { unit: Some(unit.into()), ..MetricFacts::default() }.into();
        let descriptions = vec![Description { device: device.into(), metric: metric.into(), facts }];
        Decoded { descriptions, ..Decoded::default() }
    };
    let by = publication(T0, "c1", "hall/telemetry", "-");
    let mut fleet = Fleet::with(configured("pressure", Some("bar"), None, None));
    fleet.sends("dev7", 0, 0, r#""temperature":300,"pressure":1,"battery":90"#);
    let changes = fleet.means(&by, says("dev7", "temperature", "K")).to_vec();
    assert_eq!(told(&changes, "temperature"), Some((unit("K"), false, Some(1))));
    assert_eq!(fleet.means(&by, says("dev7", "temperature", "K")), [], "it is known");
    fleet.means(&by, says("dev7", "pressure", "hPa"));
    fleet.means(&by, says("dev7", "battery", ""));
    assert_eq!(fleet.means(&by, says("dev7", "nothing", "K")), [], "it brings no metric in");
    assert_eq!(fleet.means(&by, says("dev8", "temperature", "K")), [], "nor a device");
    let restored = support::restore(configured("pressure", Some("bar"), None, None), &fleet.process.checkpoint());
    for snapshot in [fleet.process.snapshot(), restored.snapshot()] {
        let units = ["temperature", "pressure", "battery"].map(|metric| told(&snapshot, metric).unwrap().0);
        assert_eq!(units, [unit("K"), unit("bar"), None]);
    }
}
