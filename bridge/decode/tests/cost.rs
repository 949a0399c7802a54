//! What a reading costs in each format: `cargo test --release --workspace --test cost -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

use tidegate_decode::{DecodeConfig, Decoder, FormatChoice, SourceConfig};
use tidegate_telemetry::{Position, Publication, PublishProperties};
use tidegate_testing::sparkplug::{Field, Metric, message};
use tidegate_testing::{cpu_ns, publication};

const DEVICES: u64 = 1_000;
const ROUNDS: u64 = 100;
const T: u64 = 1_704_723_845_000;

fn typed(media_type: &str, publication: Publication) -> Publication {
    let properties = PublishProperties { content_type: Some(media_type.into()), ..PublishProperties::default() };
    Publication { properties: Some(Box::new(properties)), ..publication }
}

/// ns for each of the publications of all devices, in the best of several rounds.
fn ns(first: &[Publication], then: impl Fn(u64) -> Publication) -> u64 {
    let source = |topic: &str, format: &str| SourceConfig {
        topic: topic.into(),
        format: FormatChoice::parse(format).unwrap(),
        ..SourceConfig::default()
    };
    let sources = vec![source("lines/#", "influx")];
    let mut decoder = Decoder::new(DecodeConfig { sources, ..DecodeConfig::default() });
    let mut at = 0;
    let mut say = |publication: &Publication| {
        at += 1;
        let said = decoder.decode(Position(at), publication);
        (said.readings.iter().map(|reading| reading.metrics.len()).sum::<usize>(), said.rejection.take())
    };
    first.iter().for_each(|publication| drop(say(publication)));
    let publications: Vec<Publication> = (0..DEVICES).map(then).collect();
    let mut best = u64::MAX;
    for _ in 0..ROUNDS {
        let begin = cpu_ns();
        for publication in &publications {
            let (metrics, flaw) = say(publication);
            assert!(metrics > 0 && flaw.is_none(), "{flaw:?}");
        }
        best = best.min((cpu_ns() - begin) / DEVICES);
    }
    best
}

fn by_alias(metrics: u64) -> u64 {
    let names: Vec<String> = (0..20).map(|number| format!("Zone {number}/Temperature")).collect();
    let born: Vec<Metric<'_>> = names
        .iter()
        .zip(0..)
        .map(|(name, alias)| Metric {
            name: Some(name),
            alias: Some(alias),
            value: Some(Field::Double(1.0)),
            unit: Some("degC"),
            ..Metric::default()
        })
        .collect();
    let births = (0..DEVICES).flat_map(|node| {
        let say = |verb: &str, device: &str| {
            publication(&format!("spBv1.0/Plant/{verb}/node{node}{device}"), message(T, Some(0), &born))
        };
        [say("NBIRTH", ""), say("DBIRTH", "/press")]
    });
    let births: Vec<Publication> = births.collect();
    ns(&births, |node| {
        let metric = |alias| Metric { alias: Some(alias), value: Some(Field::Float(23.1)), ..Metric::default() };
        let metrics: Vec<_> = (0..metrics).map(metric).collect();
        publication(&format!("spBv1.0/Plant/DDATA/node{node}/press"), message(T, Some(0), &metrics))
    })
}

#[test]
#[ignore = "a measurement, for a machine that does nothing else"]
fn what_a_reading_costs() {
    println!("Sparkplug by alias, one metric: {} ns", by_alias(1));
    println!("Sparkplug by alias, five metrics: {} ns", by_alias(5));
    let show = |what: &str, then: &dyn Fn(u64) -> Publication| println!("{what}: {} ns", ns(&[], then));
    show("JSON, five metrics", &|device| {
        let text = format!(r#"{{"deviceId":"d{device}","a":1.5,"b":2.5,"c":3.5,"d":4.5,"e":5.5,"timestamp":{T}}}"#);
        publication("hall/x", text)
    });
    show("ChirpStack, five metrics", &|device| {
        let text = r#"{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":"2022-07-18T09:34:15.775023242+00:00",
            "deviceInfo":{"tenantId":"52f14cd4","tenantName":"ChirpStack","applicationId":"17c82e96","applicationName":"Garden",
            "deviceProfileName":"EM300","deviceName":"Bed","devEui":"0101010101010101","tags":{"key":"value"}},"devAddr":"00189440",
            "dr":1,"fPort":1,"data":"qg==","object":{"temperature":21.5,"humidity":45.5},
            "rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-36,"snr":10.5,"context":"E3OWOQ=="}]}"#;
        publication(&format!("application/17c82e96/device/{device:016x}/event/up"), text)
    });
    show("The Things Stack, five metrics", &|device| {
        let text = r#"{"end_device_ids":{"device_id":"dev1","application_ids":{"application_id":"app1"}},
            "received_at":"2020-02-12T15:15:45.787Z","uplink_message":{"f_cnt":1,"f_port":1,"frm_payload":"Z9IAAA==",
            "decoded_payload":{"temperature":1.5,"humidity":45.5},"rx_metadata":[{"gateway_ids":{"gateway_id":"gtw1"},"rssi":-35,
            "snr":5.2}],"received_at":"2020-02-12T15:15:45.563Z","version_ids":{"brand_id":"x","model_id":"y"}}}"#;
        publication(&format!("v3/app1@t/devices/dev{device}/up"), text)
    });
    show("SenML, five metrics", &|device| {
        let text = format!(
            r#"[{{"bn":"urn:dev:ow:{device}:","bt":1.7e9,"n":"a","u":"Cel","v":1.5}},{{"n":"b","u":"V","v":2.5}},
            {{"n":"c","v":3.5}},{{"n":"d","v":4.5}},{{"n":"e","v":5.5}}]"#
        );
        publication("hall/x", text)
    });
    let cbor = include_str!("packed/payloads.txt").lines().find_map(|line| line.strip_prefix("cbor ")).unwrap();
    let cbor: Vec<u8> =
        (0..cbor.len()).step_by(2).map(|at| u8::from_str_radix(&cbor[at..at + 2], 16).unwrap()).collect();
    show("CBOR, three metrics", &|_| typed("application/cbor", publication("hall/x", cbor.clone())));
    show("Homie, one metric", &|device| publication(&format!("homie/5/d{device}/main/temperature"), "21.5"));
    show("line protocol, five metrics", &|device| {
        publication("lines/x", format!("m,device=d{device} a=1.5,b=2.5,c=3.5,d=4.5,e=5.5 1704723845000000000"))
    });
    show("shadow, five metrics", &|device| {
        let text = r#"{"state":{"reported":{"a":1.5,"b":2.5,"c":3.5,"d":4.5,"e":5.5}}}"#;
        publication(&format!("$aws/things/t{device}/shadow/update"), text)
    });
    show("ThingsBoard, five metrics", &|device| {
        let text = r#"{"ts":1451649600512,"values":{"a":1.5,"b":2.5,"c":3.5,"d":4.5,"e":5.5}}"#;
        Publication { client: format!("c{device}"), ..publication("v1/devices/me/telemetry", text) }
    });
    show("Venus, one metric", &|device| {
        publication(&format!("N/c0619ab12345/battery/{device}/Dc/0/Voltage"), r#"{"value":13.2}"#)
    });
}
