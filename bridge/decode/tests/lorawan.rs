//! LoRaWAN networks: events as the references of ChirpStack and The Things Stack print them.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value as Json, json};
use support::{Site, problems, readings, units};
use tidegate_decode::DecodeConfig;
use tidegate_telemetry::{Decoded, PowerSource, Publication, Reason};
use tidegate_testing::publication;

const EUI: &str = "0101010101010101";

fn chirpstack(site: &mut Site, event: &str, message: &Json) -> Decoded {
    let topic = format!("application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{EUI}/event/{event}");
    site.say(&topic, message.to_string())
}

fn event(more: Json) -> Json {
    let mut message = json!({
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2022-07-18T09:34:15.775023242+00:00",
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242", "tenantName": "ChirpStack",
            "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97", "applicationName": "Test application",
            "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad", "deviceProfileName": "Test device-profile",
            "deviceName": "Test device", "devEui": EUI, "tags": {"manufacturer": "Milesight", "key": "value"},
        },
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn up(object: Json) -> Json {
    event(json!({
        "devAddr": "00189440", "dr": 1, "fPort": 1, "data": "qg==", "object": object,
        "rxInfo": [
            {"gatewayId": "0016c001f153a14c", "uplinkId": 4_217_106_255_u32, "rssi": -97, "snr": 2.5, "context": "E3OWOQ=="},
            {"gatewayId": "0016c001f153a14d", "uplinkId": 1, "rssi": -36, "snr": 10.5, "location": {"latitude": 52.1}},
        ],
        "txInfo": {"frequency": 867_100_000, "modulation": {"lora": {"bandwidth": 125_000, "spreadingFactor": 11}}},
    }))
}

#[test]
fn an_uplink_is_its_object_with_the_best_signal() {
    let mut site = Site::new();
    let said =
        chirpstack(&mut site, "up", &up(json!({"door": {"open": true}, "temperature": 21.5, "time": 5, "co2": null})));
    assert_eq!(
        readings(&said),
        [format!(
            "{EUI} in Test application at 1658136855775: door.open=true temperature=21.5 time=5 fPort=1 rssi=-36 snr=10.5 co2=-"
        )]
    );
    let facts = &said.devices[0].facts;
    let known = [&facts.name, &facts.model, &facts.maker].map(|fact| fact.as_deref().unwrap());
    assert_eq!(known, ["Test device", "Test device-profile", "Milesight"]);
    assert!(units(&said).contains(&("rssi".into(), "dBm".into())));
    assert_eq!(problems(&said), [""; 0]);
}

#[test]
fn status_location_join_and_integration() {
    let mut site = Site::new();
    let status = |external, level: f64| {
        event(
            json!({"margin": 9, "externalPowerSource": external, "batteryLevelUnavailable": false, "batteryLevel": level}),
        )
    };
    let said = chirpstack(&mut site, "status", &status(false, 75.3));
    assert_eq!(
        readings(&said),
        [format!("{EUI} in Test application at 1658136855775: margin=9 externalPower=false battery=75.3")]
    );
    assert_eq!(said.devices[0].facts.power, Some(PowerSource::Battery));
    let said = chirpstack(&mut site, "status", &status(true, 0.0));
    assert!(!readings(&said)[0].contains("battery"), "0 % while on mains is none: {:?}", readings(&said));
    assert_eq!(said.devices[0].facts.power, Some(PowerSource::Mains));

    let at =
        json!({"latitude": 52.37, "longitude": 4.89, "altitude": 3.0, "source": "GEO_RESOLVER_TDOA", "accuracy": 10});
    let said = chirpstack(&mut site, "location", &event(json!({"location": at})));
    assert!(readings(&said)[0].ends_with("latitude=52.37 longitude=4.89 altitude=3"), "{:?}", readings(&said));

    let said = chirpstack(&mut site, "join", &event(json!({"devAddr": "00189440"})));
    assert_eq!((said.readings.len(), said.availability[0].is_connected, &*said.availability[0].device), (0, true, EUI));
    let more = json!({"integrationName": "loracloud", "eventType": "x", "object": {"steps": 12}});
    assert!(readings(&chirpstack(&mut site, "integration", &event(more)))[0].ends_with("steps=12"));
    for event_of_downlinks in ["ack", "txack"] {
        let said = chirpstack(&mut site, event_of_downlinks, &event(json!({"acknowledged": true})));
        assert_eq!(said, Decoded::default());
    }
    assert_eq!(site.say(&format!("application/x/device/{EUI}/command/down"), r#"{"fPort":1}"#), Decoded::default());
}

#[test]
fn what_chirpstack_could_not_decode_is_told() {
    let mut site = Site::new();
    let log = event(
        json!({"level": "ERROR", "code": "UPLINK_CODEC", "description": "TypeError: x is undefined", "context": {}}),
    );
    let told = chirpstack(&mut site, "log", &log);
    assert_eq!(problems(&told), ["NotUnderstood: ChirpStack tells UPLINK_CODEC: TypeError: x is undefined"]);
    let info = event(json!({"level": "INFO", "code": "F_CNT_DOWN", "description": "x"}));
    assert_eq!(problems(&chirpstack(&mut site, "log", &info)), [""; 0]);
    let told = chirpstack(&mut site, "up", &up(Json::Null));
    assert!(readings(&told)[0].ends_with("fPort=1 rssi=-36 snr=10.5"));
    assert!(problems(&told)[0].contains("give the device's profile in ChirpStack a codec"));
    let packed = site.say(&format!("application/1/device/{EUI}/event/up"), [0x0A, 0x24, 0x33]);
    assert_eq!((packed.readings.len(), packed.rejection.unwrap().reason), (0, Reason::InvalidJson));
}

#[test]
fn chirpstack_3_has_its_names_beside_the_rest() {
    let message = json!({
        "applicationID": "123", "applicationName": "temperature-sensor", "deviceName": "garden-sensor",
        "devEUI": "AgICAgICAgI=", "rxInfo": [{"gatewayID": "AwMDAwMDAwM=", "loRaSNR": 10, "rssi": -48}],
        "fPort": 5, "data": "...", "objectJSON": "{\"temperatureSensor\":{\"1\":25}}", "tags": {"key": "value"},
    });
    let said = Site::new().say("application/123/device/0202020202020202/event/up", message.to_string());
    assert_eq!(
        readings(&said),
        ["0202020202020202 in temperature-sensor at now: temperatureSensor.1=25 fPort=5 rssi=-48 snr=10"]
    );
    assert_eq!(said.devices[0].facts.name.as_deref(), Some("garden-sensor"));
}

#[test]
fn a_part_that_is_not_as_it_should_be_takes_nothing_else_away() {
    let mut message = up(json!({"temperature": 21.5}));
    for (part, wrong) in [
        ("rxInfo", json!("x")),
        ("deviceInfo", json!([1])),
        ("time", json!("yesterday")),
        ("fPort", json!({})),
        ("location", json!(5)),
    ] {
        message[part] = wrong;
    }
    let said = chirpstack(&mut Site::new(), "up", &message);
    assert_eq!(readings(&said), [format!("{EUI} in  at now: temperature=21.5")]);
    assert!(problems(&said).len() >= 2, "{:?}", problems(&said));
    let deep = up(json!({"a": {"b": {"c": {"d": 1}}}, "x": 2}));
    let mut site = Site::with(DecodeConfig { depth_max: 3, ..DecodeConfig::default() });
    let said = chirpstack(&mut site, "up", &deep);
    assert!(readings(&said)[0].contains(": x=2 "), "{:?}", readings(&said));
    assert_eq!(said.rejection.unwrap().reason, Reason::TooDeep);
    let said = chirpstack(&mut Site::new(), "up", &up(json!([1, 2])));
    assert_eq!((said.readings[0].metrics.len(), said.rejection.unwrap().reason), (3, Reason::InvalidJson));
}

fn things(site: &mut Site, event: &str, message: &Json) -> Decoded {
    site.say(&format!("v3/app1@tenant1/devices/dev1/{event}"), message.to_string())
}

fn ids(more: Json) -> Json {
    let mut message = json!({
        "end_device_ids": {
            "device_id": "dev1", "application_ids": {"application_id": "app1"}, "dev_eui": "0004A30B001C0530",
            "join_eui": "800000000000000C", "dev_addr": "00BCB929",
        },
        "correlation_ids": ["as:up:01E0WZGT6Y7657CPFPE5WEYDSQ"],
        "received_at": "2020-02-12T15:15:45.787Z",
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

fn uplink() -> Json {
    ids(json!({"uplink_message": {
        "session_key_id": "AXA50tHUQGA2Vk3/SIJW9g==", "f_cnt": 1, "f_port": 1, "frm_payload": "Z9IAAA==",
        "decoded_payload": {"temperature": 1.5, "battery": {"v": 3.1}},
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "gtw1", "eui": "9C5C8E00001A05C4"}, "time": "2020-02-12T15:15:45.787Z",
             "timestamp": 2_463_457_000_u32, "rssi": -35, "channel_rssi": -35, "snr": 5.2},
            {"gateway_ids": {"gateway_id": "gtw2"}, "rssi": -80, "snr": 9.1},
        ],
        "settings": {"data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 7}}, "frequency": "868300000"},
        "received_at": "2020-02-12T15:15:45.563Z",
        "consumed_airtime": "0.056576s",
        "version_ids": {"brand_id": "the-things-products", "model_id": "the-things-uno", "firmware_version": "quickstart"},
        "last_battery_percentage": {"f_cnt": 1, "value": 81.2, "received_at": "2020-02-12T15:15:45Z"},
    }}))
}

#[test]
fn the_things_stack() {
    let mut site = Site::new();
    let said = things(&mut site, "up", &uplink());
    assert_eq!(
        readings(&said),
        [
            "app1@tenant1/dev1 in app1 at 1581520545563: battery.v=3.1 temperature=1.5 fPort=1 battery=81.2 rssi=-35 snr=5.2"
        ]
    );
    let facts = &said.devices[0].facts;
    let known = [&facts.name, &facts.model, &facts.maker, &facts.firmware].map(|fact| fact.as_deref().unwrap());
    assert_eq!(known, ["dev1", "the-things-uno", "the-things-products", "quickstart"]);
    let solved = json!({"location_solved": {
        "service": "lora-cloud-geolocation-v3",
        "location": {"latitude": 51.55, "longitude": 0.05, "altitude": 12, "accuracy": 23, "source": "SOURCE_LORA_RSSI_GEOLOCATION"},
    }});
    let said = things(&mut site, "location/solved", &ids(solved));
    assert_eq!(
        readings(&said),
        ["app1@tenant1/dev1 in app1 at 1581520545787: latitude=51.55 longitude=0.05 altitude=12"]
    );
    let join =
        ids(json!({"join_accept": {"session_key_id": "AXBSH1Pk6Z0G166", "received_at": "2020-02-17T07:49:00Z"}}));
    assert!(things(&mut site, "join", &join).availability[0].is_connected);
    for event in ["down/queued", "down/sent", "down/ack", "down/nack", "down/failed", "down/push"] {
        assert_eq!(things(&mut site, event, &ids(json!({"downlink_ack": {}}))), Decoded::default(), "{event}");
    }
    let mut raw = uplink();
    raw["uplink_message"].as_object_mut().unwrap().remove("decoded_payload");
    assert!(problems(&things(&mut site, "up", &raw))[0].contains("payload formatter"));
    assert_eq!(things(&mut site, "up", &ids(json!({}))).rejection.unwrap().reason, Reason::NotUnderstood);
    assert_eq!(readings(&site.say("v3/plain/value", "5")), ["v3/plain in v3 at now: value=5"]);
}

#[test]
fn what_only_begins_as_the_things_stack_is_what_it_was() {
    let mut site = Site::new();
    for (topic, payload, expected) in [
        (
            "company/v3/site1/devices/dev7/telemetry",
            r#"{"t":1}"#,
            "company/v3/site1/devices/dev7 in company/v3/site1/devices at now: telemetry.t=1",
        ),
        (
            "v3/plant/devices/pump/temperature",
            "23.5",
            "v3/plant/devices/pump in v3/plant/devices at now: temperature=23.5",
        ),
        ("v3/plant/devices/pump/up", "1", "v3/plant/devices/pump in v3/plant/devices at now: up=1"),
        ("v3/plant/devices/pump/down/sent", "1", "v3/plant/devices/pump/down in v3/plant/devices/pump at now: sent=1"),
    ] {
        let said = site.say(topic, payload);
        let same = Site::of("#", if payload.starts_with('{') { "reference" } else { "plain" }).say(topic, payload);
        assert_eq!((readings(&said), said.readings.len()), (readings(&same), 1), "{topic}");
        if !payload.starts_with('{') {
            assert_eq!(readings(&said), [expected], "{topic}");
        }
    }
    for topic in ["v3/plant/devices/pump/up", "v3/plant/devices/pump/join", "v3/a@t/devices/pump/temperature"] {
        assert_eq!(site.say(topic, r#"{"t":1}"#).readings.len(), 1, "{topic}");
    }
    let own = site.say("v3/app1/devices/dev1/up", uplink().to_string());
    assert!(readings(&own)[0].starts_with("app1/dev1 in app1"), "a message of its own, without a tenant: {own:?}");
    let bridged =
        |site: &mut Site| readings(&site.say("lora/v3/app1@t/devices/dev1/up", uplink().to_string())).join("");
    assert!(bridged(&mut Site::of("lora/#", "the-things-stack")).starts_with("app1@t/dev1 in app1"));
    assert!(!bridged(&mut site).starts_with("app1@t/dev1"), "in the middle only where it is said");
}

#[test]
fn what_only_begins_as_chirpstack_is_what_it_was() {
    let mut site = Site::new();
    for (topic, payload) in [
        ("application/plant/device/pump/event/up", r#"{"t":1}"#),
        ("application/plant/device/pump/event/ack", r#"{"t":1}"#),
        ("application/plant/device/0101010101010101/event/up", r#"{"t":1}"#),
        ("application/plant/device/0101010101010101/event/log", r#"{"t":1}"#),
        ("application/plant/device/0101010101010101/event/telemetry", r#"{"t":1}"#),
        ("application/plant/device/0101010101010101/command/speed", r#"{"t":1}"#),
        ("application/plant/device/pump/event/pressure", "23.5"),
    ] {
        let said = site.say(topic, payload);
        let same = Site::of("#", if payload.starts_with('{') { "reference" } else { "plain" }).say(topic, payload);
        assert_eq!((readings(&said), said.readings.len()), (readings(&same), 1), "{topic}");
    }
}

#[test]
fn where_the_power_comes_from_stays_known_between_two_statuses() {
    let mut site = Site::new();
    let power = |said: &Decoded| said.devices[0].facts.power;
    assert_eq!(power(&chirpstack(&mut site, "up", &up(json!({"t": 1})))), None);
    for (external, expected) in [(true, PowerSource::Mains), (false, PowerSource::Battery)] {
        let status = event(json!({"margin": 9, "externalPowerSource": external}));
        assert_eq!(power(&chirpstack(&mut site, "status", &status)), Some(expected));
        assert_eq!(
            power(&chirpstack(&mut site, "up", &up(json!({"t": 1})))),
            Some(expected),
            "an uplink says nothing of it"
        );
        assert_eq!(power(&chirpstack(&mut site, "join", &event(json!({})))), Some(expected));
        site.restart(DecodeConfig::default());
        assert_eq!(power(&chirpstack(&mut site, "up", &up(json!({"t": 1})))), Some(expected), "a restart is no reason");
    }
    let status = event(json!({"externalPowerSource": true})).to_string();
    let strange = publication(&format!("application/1/device/{EUI}/event/status"), status);
    site.publish(Publication { principal: "stranger".into(), ..strange });
    let said = chirpstack(&mut site, "up", &up(json!({"t": 1})));
    assert_eq!(power(&said), Some(PowerSource::Battery), "what a stranger said is not repeated as its own");
    assert!(site.has(EUI) && site.decoder.mentions(EUI) == ["chirpstack"]);
    site.erase(EUI);
    assert!(!site.has(EUI) && site.decoder.mentions(EUI).is_empty());
    assert_eq!(power(&chirpstack(&mut site, "up", &up(json!({"t": 1})))), None);

    let mut few = Site::with(DecodeConfig { sources_max: 8, ..DecodeConfig::default() });
    for device in 0..100 {
        let status = event(json!({"externalPowerSource": true})).to_string();
        few.say(&format!("application/1/device/{device:016x}/event/status"), status);
    }
    let kept = (0..100).filter(|device| !few.decoder.mentions(&format!("{device:016x}")).is_empty()).count();
    assert!((1..=8).contains(&kept), "{kept}");
}
