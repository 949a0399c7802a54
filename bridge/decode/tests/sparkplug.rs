//! Sparkplug B: messages as the Eclipse specification prints them, encoded by the npm package `sparkplug-payload`
//! (`sparkplug/make.mjs` made `sparkplug/payloads.txt`), and messages as rude nodes send them.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Site, problems, readings, units};
use tidegate_decode::DecodeConfig;
use tidegate_telemetry::{Decoded, Effect, Publication, Reason, Value};
use tidegate_testing::publication;
use tidegate_testing::sparkplug::{Field, Metric, message};

const T: u64 = 1_486_144_502_122;
const NODE: &str = "Sparkplug B Devices/Raspberry Pi";

fn payload(name: &str) -> Vec<u8> {
    let lines = include_str!("sparkplug/payloads.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(of, _)| *of == name).unwrap().1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn topic(message: &str) -> String {
    let device = if message.starts_with('D') { "/Pibrella" } else { "" };
    format!("spBv1.0/Sparkplug B Devices/{message}/Raspberry Pi{device}")
}

fn say(site: &mut Site, message: &str, name: &str) -> Decoded {
    site.say(&topic(message), payload(name))
}

/// A plant whose node and device are born.
fn plant() -> Site {
    let mut site = Site::new();
    say(&mut site, "NBIRTH", "nbirth");
    say(&mut site, "DBIRTH", "dbirth");
    site
}

fn is_rebirth(effects: &[Effect]) -> bool {
    let [effect] = effects else { return false };
    assert_eq!(effect.topic, "spBv1.0/Sparkplug B Devices/NCMD/Raspberry Pi");
    effect.payload.windows(20).any(|part| part == b"Node Control/Rebirth")
}

fn data(site: &mut Site, seq: u8, metrics: &[Metric<'_>]) -> Decoded {
    site.say(&topic("DDATA"), message(T, Some(seq), metrics))
}

#[test]
fn births_as_an_independent_encoder_writes_them() {
    let mut site = Site::new();
    let born = say(&mut site, "NBIRTH", "nbirth");
    assert_eq!(problems(&born), [""; 0]);
    assert_eq!(
        readings(&born),
        [format!(
            "{NODE} in Sparkplug B Devices at {T}: Properties/Hardware Make=\"Raspberry Pi\" Properties/Hardware Model=\"Pi 3 \
             Model B\" Properties/OS Version=\"Jessie with PIXEL/11.01.2017\" Supply Voltage=12.1"
        )]
    );
    assert_eq!(units(&born), [("Supply Voltage".into(), "V".into())]);
    let facts = &born.devices[0].facts;
    assert_eq!((facts.maker.as_deref(), facts.model.as_deref()), (Some("Raspberry Pi"), Some("Pi 3 Model B")));
    assert!(born.availability[0].is_connected && &*born.availability[0].device == NODE);

    let born = say(&mut site, "DBIRTH", "dbirth");
    assert_eq!(
        readings(&born),
        [format!(
            "{NODE}/Pibrella in {NODE} at {T}: Inputs/A=true Counts/Int8=-5 Counts/Int16=-300 Counts/Int32=-70000 \
             Counts/Int64=-5000000000 Counts/UInt8=250 Counts/UInt16=65000 Counts/UInt32=4000000000 Counts/UInt64=5000000000 \
             Temperature=23.1 Pressure=1013.25 Recipe=\"Rye 500\" Started={T} Vibration=- Stale=-"
        )]
    );
    let of = |metric: &str, unit: &str| (metric.to_owned(), unit.to_owned());
    assert_eq!(units(&born), [of("Temperature", "°C"), of("Pressure", "hPa"), of("Stale", "bar")]);
    let told = problems(&born);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("\"Log\"") && told[0].contains("2 of these were left out"), "{told:?}");
    assert_eq!(born.effects, []);
}

#[test]
fn data_by_alias_and_by_name_mean_what_the_birth_said() {
    let mut site = plant();
    let said = say(&mut site, "DDATA", "ddata-by-alias");
    let at = T + 1000;
    assert_eq!(
        readings(&said),
        [format!(
            "{NODE}/Pibrella in {NODE} at {at}: Temperature=24.5 Counts/Int32=-1 Inputs/A=false Recipe=\"Wheat\""
        )]
    );
    assert_eq!(units(&said), [("Temperature".into(), "°C".into())], "facts are said again with each reading");
    let said = say(&mut site, "NDATA", "ndata-by-alias");
    assert_eq!(readings(&said), [format!("{NODE} in Sparkplug B Devices at {at}: Supply Voltage=11.9")]);
    let said = say(&mut site, "DDATA", "ddata-by-name");
    assert_eq!(readings(&said), [format!("{NODE}/Pibrella in {NODE} at {T}: Temperature=25.5")]);
    assert_eq!((said.effects.len(), problems(&said).len()), (0, 0));
}

#[test]
fn the_table_outlives_the_program() {
    let mut site = plant();
    site.restart(DecodeConfig::default());
    let said = say(&mut site, "DDATA", "ddata-by-alias");
    assert_eq!((said.readings[0].metrics.len(), said.descriptions.len(), said.effects.len()), (4, 1, 0));
}

#[test]
fn what_is_historical_is_history_and_the_rest_is_not() {
    let mut site = plant();
    site.say(&topic("DDATA"), message(T, Some(2), &[]));
    let said = say(&mut site, "DDATA", "ddata-historical");
    let points = |metric: &str| {
        let series = said.history.iter().find(|series| *series.metric == *metric).unwrap();
        (series.device.to_string(), series.points.clone())
    };
    let (t, number) = (T as i64, Value::Number);
    let device = format!("{NODE}/Pibrella");
    let temperature = vec![(t - 60_000, number(20.5)), (t - 30_000, number(21.5))];
    assert_eq!(points("Temperature"), (device.clone(), temperature));
    assert_eq!(points("Pressure"), (device, vec![(t - 60_000, number(1000.0))]));
    assert_eq!(readings(&said), [format!("{NODE}/Pibrella in {NODE} at {}: Temperature=26.5", T + 9000)]);
}

#[test]
fn instances_of_templates_are_metrics_below_their_name_and_definitions_are_none() {
    let mut site = Site::new();
    let born = say(&mut site, "NBIRTH", "nbirth-definitions");
    assert_eq!((readings(&born), problems(&born)), (vec![], vec![]));
    let born = say(&mut site, "DBIRTH", "dbirth-template");
    let expected = format!("{NODE}/Pibrella in {NODE} at {T}: Motor 1/RPM=1450 Motor 1/Bearing/Temperature=61.5");
    assert_eq!((readings(&born), problems(&born)), (vec![expected], vec![]));
    assert_eq!(units(&born), [("Motor 1/Bearing/Temperature".into(), "°C".into())]);
    let said = say(&mut site, "DDATA", "ddata-template");
    assert_eq!(
        (&*said.readings[0].metrics[0].0, &said.readings[0].metrics[0].1),
        ("Motor 1/RPM", &Value::Number(-20.0))
    );
    let deep = |depth| {
        let mut site = Site::with(DecodeConfig { depth_max: depth, ..DecodeConfig::default() });
        let born = say(&mut site, "DBIRTH", "dbirth-template");
        (born.readings[0].metrics.len(), born.rejection.map(|it| it.reason))
    };
    assert_eq!((deep(3), deep(2)), ((2, None), (1, Some(Reason::TooDeep))));
}

#[test]
fn a_lost_message_has_the_node_asked_for_its_births_and_again_until_they_come() {
    let mut site = plant();
    assert!(data(&mut site, 2, &[]).effects.is_empty());
    assert!(data(&mut site, 2, &[]).effects.is_empty(), "the same again is none that was lost");
    let gap = data(&mut site, 4, &[Metric { alias: Some(19), value: Some(Field::Float(20.0)), ..Metric::default() }]);
    assert!(is_rebirth(&gap.effects));
    assert_eq!(gap.readings.len(), 1, "what came is taken all the same");
    assert!(data(&mut site, 5, &[]).effects.is_empty(), "it was just asked");
    let mut asked_at = Vec::new();
    for second in 0..200 {
        site.now_ms += 1000;
        if is_rebirth(&data(&mut site, 6_u8.wrapping_add(second), &[]).effects) {
            asked_at.push(second);
        }
    }
    assert_eq!(asked_at, [9, 29, 69, 149], "less and less often");
    say(&mut site, "NBIRTH", "nbirth");
    say(&mut site, "DBIRTH", "dbirth");
    site.now_ms += 100_000;
    assert!(data(&mut site, 2, &[]).effects.is_empty());
}

#[test]
fn a_node_whose_births_lack_a_metric_is_not_asked_at_the_rate_of_its_data() {
    let mut site = plant();
    let (mut asked, mut seq) = (0, 1_u8);
    let mut lacking = |site: &mut Site| {
        seq = seq.wrapping_add(1);
        let unknown = Metric { alias: Some(9_999), value: Some(Field::Float(1.0)), ..Metric::default() };
        let is_asked = is_rebirth(&data(site, seq, &[unknown]).effects);
        if is_asked {
            say(site, "NBIRTH", "nbirth");
            say(site, "DBIRTH", "dbirth");
            seq = 1;
        }
        is_asked
    };
    for second in 0..3_600 {
        site.now_ms += 1000;
        asked += usize::from(lacking(&mut site));
        if second % 1_000 == 0 {
            site.restart(DecodeConfig::default());
        }
    }
    assert!((2..=12).contains(&asked), "{asked} times in an hour");
    site.now_ms += 100_000;
    assert!(!lacking(&mut site), "it was asked a while ago, and its births did not say it");
    for pause_ms in [600_000, 10_000, 20_000] {
        site.now_ms += pause_ms;
        assert!(lacking(&mut site), "after a quiet while it is asked as at first");
    }
}

#[test]
fn a_node_belongs_to_who_bore_it_and_what_others_say_of_it_is_not_remembered() {
    let by = |site: &mut Site, principal: &str, kind: &str, payload: Vec<u8>| {
        site.publish(Publication { principal: principal.into(), ..publication(&topic(kind), payload) })
    };
    let alias = |site: &mut Site| by(site, "line", "DDATA", payload("ddata-by-alias"));
    let mut site = Site::new();
    by(&mut site, "line", "NBIRTH", payload("nbirth"));
    by(&mut site, "line", "DBIRTH", payload("dbirth"));
    let expected = readings(&alias(&mut site));
    assert_eq!(expected.len(), 1);
    let other = Metric { name: Some("Other"), alias: Some(19), value: Some(Field::Float(1.0)), ..Metric::default() };
    for stranger in ["press", "anonymous"] {
        for (kind, payload) in [
            ("NBIRTH", message(T, Some(0), &[other])),
            ("DBIRTH", message(T, Some(1), &[other])),
            ("NDEATH", payload("ndeath-3")),
            ("DDEATH", payload("ddeath")),
        ] {
            let told = by(&mut site, stranger, kind, payload);
            assert_eq!(told.rejection.unwrap().reason, Reason::IdentityConflict, "{stranger} {kind}");
            assert_eq!(
                (told.readings.len(), told.availability.len(), told.effects.len()),
                (0, 0, 0),
                "{stranger} {kind}"
            );
        }
        let data = by(&mut site, stranger, "DDATA", message(T, Some(77), &[other]));
        assert!(data.effects.is_empty(), "nobody else has it asked");
        let said = alias(&mut site);
        assert_eq!((readings(&said), said.effects.len()), (expected.clone(), 0), "{stranger}");
        site.restart(DecodeConfig::default());
    }
    let told = by(&mut site, "press", "NBIRTH", message(T, Some(0), &[other]));
    assert!(problems(&told)[0].contains("belongs to \"line\""), "{:?}", problems(&told));

    // One that is not named, as behind another broker or from what it kept, is let in, and takes nothing over.
    let born = by(&mut site, "", "DBIRTH", payload("dbirth"));
    assert_eq!((born.readings.len(), born.rejection.unwrap().reason), (1, Reason::NotUnderstood), "a data set is none");
    assert_eq!(by(&mut site, "press", "DDEATH", payload("ddeath")).rejection.unwrap().reason, Reason::IdentityConflict);
    // A death does not give it away, and an erasure does.
    by(&mut site, "line", "NDEATH", payload("ndeath-3"));
    let told = by(&mut site, "press", "NBIRTH", payload("nbirth"));
    assert_eq!(told.rejection.unwrap().reason, Reason::IdentityConflict);
    site.erase(NODE);
    assert_eq!(problems(&by(&mut site, "press", "NBIRTH", payload("nbirth"))), [""; 0]);
}

#[test]
fn history_of_a_time_to_come_is_left_out_and_told() {
    let mut site = plant();
    let kept = |ms: i64| Metric {
        alias: Some(19),
        time_ms: Some(ms as u64),
        is_historical: true,
        value: Some(Field::Float(1.0)),
        ..Metric::default()
    };
    let now_ms = site.now_ms;
    let said = data(&mut site, 2, &[kept(now_ms - 1), kept(now_ms + 60_000), kept(now_ms + 60_001), kept(now_ms * 2)]);
    let times: Vec<i64> = said.history[0].points.iter().map(|(ms, _)| *ms).collect();
    assert_eq!(times, [now_ms - 1, now_ms + 60_000]);
    assert_eq!(said.rejection.as_ref().unwrap().reason, Reason::TimeAhead);
    assert!(problems(&said)[0].contains("and 1 more"), "{:?}", problems(&said));
    site.now_ms = 5_000;
    let said = data(&mut site, 3, &[kept(now_ms)]);
    assert_eq!((said.history[0].points.len(), problems(&said).len()), (1, 0), "our own clock is not set");
}

#[test]
fn numbers_begin_anew_after_255() {
    let mut site = plant();
    for seq in (2..=255).chain(0..=3) {
        assert!(data(&mut site, seq, &[]).effects.is_empty(), "{seq}");
    }
    assert!(is_rebirth(&data(&mut site, 5, &[]).effects));
}

#[test]
fn data_without_a_birth_is_asked_for_and_taken_where_it_says_itself_what_it_is() {
    let mut site = Site::new();
    let said = say(&mut site, "DDATA", "ddata-by-alias");
    assert!(is_rebirth(&said.effects));
    assert_eq!(said.readings, []);
    assert_eq!(said.rejection.as_ref().unwrap().reason, Reason::NotUnderstood);
    assert!(problems(&said)[0].contains("alias 19 is: its node was asked"), "{:?}", problems(&said));
    let said = say(&mut site, "DDATA", "ddata-by-name");
    assert_eq!(readings(&said), [format!("{NODE}/Pibrella in {NODE} at {T}: Temperature=25.5")]);
    assert_eq!(problems(&said), [""; 0]);

    let mut site = Site::new();
    say(&mut site, "NBIRTH", "nbirth");
    assert!(is_rebirth(&say(&mut site, "DDATA", "ddata-by-alias").effects), "the device's own birth is missing");
    let mut site = Site::new();
    assert!(is_rebirth(&say(&mut site, "DBIRTH", "dbirth").effects), "the node's is missing");
}

#[test]
fn a_death_is_of_the_node_and_all_behind_it_and_one_of_an_earlier_session_is_none() {
    let gone = |decoded: &Decoded| -> Vec<String> {
        assert!(decoded.availability.iter().all(|said| !said.is_connected));
        decoded.availability.iter().map(|said| said.device.to_string()).collect()
    };
    let mut site = plant();
    assert_eq!(gone(&say(&mut site, "NDEATH", "ndeath-2")), [""; 0]);
    assert_eq!(say(&mut site, "DDATA", "ddata-by-alias").readings.len(), 1);
    assert_eq!(gone(&say(&mut site, "NDEATH", "ndeath-3")), [NODE.to_owned(), format!("{NODE}/Pibrella")]);
    assert!(is_rebirth(&say(&mut site, "DDATA", "ddata-by-alias").effects), "nothing of before the death holds");

    let mut site = plant();
    assert_eq!(gone(&say(&mut site, "DDEATH", "ddeath")), [format!("{NODE}/Pibrella")]);
    assert!(is_rebirth(&say(&mut site, "DDATA", "ddata-by-alias").effects));

    let mut site = plant();
    say(&mut site, "NBIRTH", "nbirth");
    let behind = gone(&say(&mut site, "NDEATH", "ndeath-3"));
    assert_eq!(behind, [NODE.to_owned(), format!("{NODE}/Pibrella")], "one that was not born again is gone too");
}

#[test]
fn commands_and_states_of_hosts_are_no_telemetry_and_other_topics_are_told() {
    let mut site = Site::new();
    for (topic, payload) in [
        ("spBv1.0/Plant/NCMD/Line", &b"\x08\x01"[..]),
        ("spBv1.0/Plant/DCMD/Line/Press", b"\x08\x01"),
        ("spBv1.0/STATE/scada", br#"{"online":true,"timestamp":1668114759262}"#),
        ("STATE/scada", b"ONLINE"),
        ("STATE/scada", b"OFFLINE"),
    ] {
        assert_eq!(site.say(topic, payload), Decoded::default(), "{topic}");
    }
    assert_eq!(site.say("spBv1.0/Plant/nbirth/Line", "x").rejection.unwrap().reason, Reason::NotUnderstood);
    assert_eq!(readings(&site.say("STATE/lamp", "23")), ["STATE in  at now: lamp=23"]);
    assert_eq!(readings(&site.say("spBv2.0/a/NDATA", "23")).len(), 1, "plain values elsewhere stay what they are");
}

#[test]
fn a_flaw_costs_only_itself() {
    let mut site = plant();
    let float = |alias, value| Metric { alias: Some(alias), value: Some(Field::Float(value)), ..Metric::default() };
    let said = data(&mut site, 2, &[float(19, f32::NAN), float(20, 2.5), float(99, 1.0), float(7, 12.0)]);
    assert_eq!(readings(&said), [format!("{NODE}/Pibrella in {NODE} at {T}: Pressure=2.5")]);
    assert_eq!(
        problems(&said).len(),
        2,
        "one number that is none, two aliases that this device does not have: {said:?}"
    );

    let mut broken = message(T, Some(3), &[float(20, 3.5)]);
    broken.extend_from_slice(&[0x12, 3, 0x0A, 9, b'x']);
    let said = site.say(&topic("DDATA"), broken);
    assert_eq!((said.readings.len(), problems(&said).len()), (1, 1));
    let said = site.say(&topic("DDATA"), [0x12, 200, 1]);
    assert_eq!((said.readings.len(), said.rejection.unwrap().reason), (0, Reason::NotUnderstood));

    let seconds = Metric { time_ms: Some(5), ..float(20, 1.5) };
    let said = data(&mut site, 4, &[seconds]);
    assert_eq!(said.readings[0].time_ms, Some(T as i64), "a clock that was never set: as of the message");
    assert_eq!(said.rejection.unwrap().reason, Reason::DeviceClockUnset);

    let long = "x".repeat(257);
    let named = |name, value| Metric { name: Some(name), value: Some(value), ..Metric::default() };
    let told = data(
        &mut site,
        5,
        &[named("Recipe", Field::Text(&long)), named("", Field::Float(1.0)), named("Big", Field::Long(8, u64::MAX))],
    );
    assert_eq!(told.readings[0].metrics.len(), 1);
    let reasons: Vec<_> = told.rejection.iter().chain(&told.further).map(|it| it.reason).collect();
    assert_eq!(reasons, [Reason::PayloadTooLarge, Reason::InvalidName, Reason::NotExact]);
}

#[test]
fn one_metric_of_several_times_is_several_readings_and_a_large_birth_loses_nothing() {
    let mut site = plant();
    let at = |alias, time_ms| Metric {
        alias: Some(alias),
        time_ms: Some(time_ms),
        value: Some(Field::Double(1.0)),
        ..Metric::default()
    };
    let said = data(&mut site, 2, &[at(20, T + 1), at(19, T + 1), at(20, T + 2), at(19, T + 2), at(20, T + 2)]);
    let metrics: Vec<_> = said.readings.iter().map(|reading| (reading.time_ms, reading.metrics.len())).collect();
    let (one, two) = (Some(T as i64 + 1), Some(T as i64 + 2));
    assert_eq!(metrics, [(one, 2), (two, 2), (two, 1)]);

    let names: Vec<String> = (0..1000).map(|number| format!("Tag/{number}")).collect();
    let metrics: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, alias)| Metric {
            name: Some(name),
            alias: Some(alias),
            value: Some(Field::Int(3, 7)),
            ..Metric::default()
        })
        .collect();
    let born = site.say(&topic("NBIRTH"), message(T, Some(0), &metrics));
    assert_eq!(born.readings.iter().map(|reading| reading.metrics.len()).sum::<usize>(), 1000);
    let said =
        site.say(&topic("NDATA"), message(T, Some(1), &[Metric { alias: Some(777), ..metrics[3] }, metrics[999]]));
    assert_eq!(said.readings[0].metrics.len(), 2);
}

#[test]
fn what_is_remembered_is_bounded_in_bytes() {
    let mut site = Site::with(DecodeConfig { sources_bytes_max: 200_000, ..DecodeConfig::default() });
    let names: Vec<String> = (0..100).map(|number| format!("Tag {number}")).collect();
    let metrics: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, alias)| Metric {
            name: Some(name),
            alias: Some(alias),
            value: Some(Field::Int(3, 7)),
            ..Metric::default()
        })
        .collect();
    let born = message(T, Some(0), &metrics);
    for node in 0..100 {
        site.say(&format!("spBv1.0/P/NBIRTH/n{node}"), born.clone());
    }
    let by_alias = message(T, Some(1), &[Metric { name: None, ..metrics[5] }]);
    let known =
        |site: &mut Site, node: u32| site.say(&format!("spBv1.0/P/NDATA/n{node}"), by_alias.clone()).readings.len();
    assert_eq!((known(&mut site, 99), known(&mut site, 0)), (1, 0), "the oldest have to be born again");

    site.say("spBv1.0/P/NBIRTH/large", born.clone());
    let mut refused = 0;
    for device in 0..50 {
        let told = site.say(&format!("spBv1.0/P/DBIRTH/large/d{device}"), born.clone());
        refused += usize::from(told.rejection.is_some_and(|it| it.reason == Reason::TooManyMetrics));
        assert_eq!(told.readings.len(), 1);
    }
    assert!(refused > 40, "{refused}");
    assert_eq!(site.say("spBv1.0/P/NDATA/large", by_alias.clone()).readings.len(), 1, "what it said before stays");
}

#[test]
fn of_a_device_that_is_erased_nothing_stays_in_a_checkpoint() {
    let mut site = plant();
    let device = format!("{NODE}/Pibrella");
    assert!(site.has("Pibrella") && site.decoder.mentions(&device) == ["sparkplug"]);
    site.erase(&device);
    assert!(!site.has("Pibrella") && site.decoder.mentions(&device).is_empty());
    assert_eq!(say(&mut site, "NDATA", "ndata-by-alias").readings.len(), 1, "its node goes on");
    assert!(site.decoder.mentions(NODE) == ["sparkplug"]);
    site.erase(NODE);
    assert!(!site.has("Raspberry") && site.decoder.mentions(NODE).is_empty());
}
