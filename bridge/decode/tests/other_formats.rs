//! Homie, line protocol, shadows of AWS IoT, ThingsBoard and Venus OS: payloads as their documents print them.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Site, problems, readings, units};
use tidegate_decode::DecodeConfig;
use tidegate_telemetry::{Availability, Decoded, Publication, Reason};
use tidegate_testing::publication;

const THERMOSTAT: &str = r#"{"homie":"5.0","version":7,"name":"Living room","type":"thermostat-v2","root":"bridge",
  "nodes":{"main":{"name":"Main","properties":{
    "temperature":{"name":"Room temperature","datatype":"float","unit":"°C"},
    "contact":{"datatype":"boolean","format":"closed,open"},
    "mode":{"datatype":"enum","format":"eco,heat,off","settable":true},
    "serial":{"datatype":"string"}}}}}"#;

fn homie() -> Site {
    let mut site = Site::new();
    assert_eq!(site.say("homie/5/thermostat/$description", THERMOSTAT), Decoded::default());
    site
}

#[test]
fn homie_5_types_stand_in_the_description() {
    let mut site = homie();
    let mut say = |property: &str, value: &str| {
        let said = site.say(&format!("homie/5/thermostat/main/{property}"), value);
        (readings(&said).join(""), units(&said), said)
    };
    let (shown, of, said) = say("temperature", "21.50");
    assert_eq!(shown, "thermostat in homie/bridge at now: main.temperature=21.5");
    assert_eq!(of, [("main.temperature".into(), "°C".into())]);
    assert_eq!(said.descriptions[0].facts.name.as_deref(), Some("Room temperature"));
    let facts = &said.devices[0].facts;
    assert_eq!((facts.name.as_deref(), facts.model.as_deref()), (Some("Living room"), Some("thermostat-v2")));
    let (shown, _, said) = say("contact", "true");
    assert!(shown.ends_with("main.contact=true"));
    let words = said.descriptions[0].facts.words.as_ref().unwrap();
    assert_eq!(words.each_ref().map(|word| &**word), ["closed", "open"]);
    assert!(say("mode", "off").0.ends_with("main.mode=\"off\""), "an enumeration is no switch");
    assert!(say("serial", "0042").0.ends_with("main.serial=\"0042\""));
    assert!(say("serial", "\0").0.ends_with("main.serial=-"), "a text of no length");
    for (property, wrong) in [("temperature", "warm"), ("contact", "on")] {
        let (shown, _, said) = say(property, wrong);
        assert_eq!((shown.as_str(), said.rejection.unwrap().reason), ("", Reason::NotUnderstood));
    }
    assert_eq!(say("temperature", "NaN").2.rejection.unwrap().reason, Reason::NotFinite);
    assert!(say("unknown", "ON").0.ends_with("main.unknown=true"), "what nobody described is a plain value");
    site.restart(DecodeConfig::default());
    assert!(readings(&site.say("homie/5/thermostat/main/mode", "off"))[0].ends_with("main.mode=\"off\""));
}

#[test]
fn states_of_homie_say_who_is_there_and_a_root_speaks_for_all_below() {
    let mut site = homie();
    let root = r#"{"homie":"5.0","version":1,"name":"Bridge","nodes":{},"children":["thermostat","lamp"]}"#;
    site.say("homie/5/bridge/$description", root);
    let mut say = |device: &str, state: &str| -> Vec<(String, bool)> {
        let said = site.say(&format!("homie/5/{device}/$state"), state);
        said.availability.iter().map(|said| (said.device.to_string(), said.is_connected)).collect()
    };
    assert_eq!(say("bridge", "ready"), [("bridge".into(), true)]);
    let gone = |device: &str| (device.to_owned(), false);
    assert_eq!(say("bridge", "lost"), [gone("bridge"), gone("thermostat"), gone("lamp")]);
    assert_eq!(say("thermostat", "disconnected"), [gone("thermostat")]);
    assert_eq!((say("lamp", "sleeping"), say("lamp", "init")), (vec![], vec![]));
}

#[test]
fn homie_4_describes_by_a_topic_for_each_word() {
    let mut site = Site::new();
    for (topic, text) in [
        ("$homie", "4.0.0"),
        ("$name", "Super car"),
        ("$nodes", "engine"),
        ("engine/$name", "Car engine"),
        ("engine/$properties", "speed,direction"),
        ("engine/speed/$name", "Speed"),
        ("engine/speed/$settable", "true"),
        ("engine/speed/$unit", "degC"),
        ("engine/speed/$datatype", "float"),
        ("engine/direction/$datatype", "string"),
        ("engine/speed/set", "5"),
    ] {
        assert_eq!(site.say(&format!("homie/super-car/{topic}"), text), Decoded::default(), "{topic}");
    }
    let said = site.say("homie/super-car/engine/speed", "4.5");
    assert_eq!(readings(&said), ["super-car in homie at now: engine.speed=4.5"]);
    assert_eq!(units(&said), [("engine.speed".into(), "°C".into())]);
    assert_eq!(said.devices[0].facts.name.as_deref(), Some("Super car"));
    assert_eq!(
        readings(&site.say("homie/super-car/engine/direction", "42")),
        ["super-car in homie at now: engine.direction=\"42\""]
    );
    for nothing in ["homie/5/x/$log/warn", "homie/5/$broadcast/alarm", "homie/5/x/$alert/1", "homie/5/x/n/p/$target"] {
        assert_eq!(site.say(nothing, "text"), Decoded::default(), "{nothing}");
    }
}

#[test]
fn a_line_is_a_reading_of_the_device_that_its_tags_name() {
    let line = "temperature,location=room1,sensor=A temp_celsius=23.5,humidity=45 1651498849000000000";
    let mut site = Site::of("lines/#", "influx");
    assert_eq!(
        readings(&site.say("lines/telegraf", line)),
        ["room1/A in lines at 1651498849000: temperature.temp_celsius=23.5 temperature.humidity=45"]
    );
    let own = "temperature,device=site/b/dev7,group=site/b value=1.5 1704723845000000000\n\
               mode,device=site/b/dev7,group=site/b text=\"a, \\\"b\\\" c\",n=7i,on=t 1704723845000000000\n\n# words\n\
               pressure value=2";
    assert_eq!(
        readings(&site.say("lines/x", own)),
        [
            "site/b/dev7 in site/b at 1704723845000: temperature=1.5 mode=\"a, \\\"b\\\" c\" mode.n=7".to_owned(),
            "site/b/dev7 in site/b at 1704723845000: mode=true".to_owned(),
            "lines/x in lines at now: pressure=2".to_owned(),
        ]
    );
    let mut by_host = Site::by_tags("lines/#", "influx", Some("host"));
    let cpu = "cpu,cpu=cpu0,host=web\\ 1 usage=1.5\ncpu,cpu=cpu1,host=web\\ 1 usage=2.5\nmem,host=web\\ 1 free=18446744073709551615u";
    let said = by_host.say("lines/telegraf", cpu);
    assert_eq!(
        readings(&said),
        ["web 1 in lines at now: cpu.cpu0.usage=1.5 cpu.cpu1.usage=2.5 mem.free=18446744073709552000"]
    );
    assert_eq!(said.rejection.unwrap().reason, Reason::NotExact);
    let said = site.say("lines/x", "ok v=1\nbroken\nm v=\"never closed\nlast v=2");
    assert_eq!((said.readings[0].metrics.len(), problems(&said).len()), (2, 1));
    assert_eq!(Site::new().say("lines/x", line).readings[0].metrics.len(), 1, "nothing is tried: a plain value");
    let typed = Site::new().say_as("text/vnd.influx.line-protocol", "lines/x", line);
    assert_eq!(typed.readings[0].metrics.len(), 2);
}

#[test]
fn what_a_shadow_reports_is_a_reading_and_what_is_desired_is_none() {
    let mut site = Site::new();
    let update = r#"{"state":{"desired":{"color":"RED"},"reported":{"temperature":21.5,"motor":{"on":true}}},"clientToken":"x"}"#;
    assert_eq!(
        readings(&site.say("$aws/things/pump/shadow/update", update)),
        ["pump in  at now: temperature=21.5 motor.on=true"]
    );
    let accepted = r#"{"state":{"reported":{"temperature":22}},"metadata":{"reported":{"temperature":{"timestamp":1704723845}}},
        "version":3,"timestamp":1704723845}"#;
    assert_eq!(
        readings(&site.say("$aws/things/pump/shadow/name/climate/update/accepted", accepted)),
        ["pump in  at 1704723845000: climate.temperature=22"]
    );
    let documents = r#"{"previous":{"state":{"reported":{"t":1}},"version":2},"current":{"state":{"reported":{"t":2}},"version":3},
        "timestamp":1704723845}"#;
    assert_eq!(
        readings(&site.say("$aws/things/pump/shadow/update/documents", documents)),
        ["pump in  at 1704723845000: t=2"]
    );
    for nothing in ["update/delta", "update/rejected", "get", "get/accepted", "delete"] {
        let said = site.say(&format!("$aws/things/pump/shadow/{nothing}"), r#"{"state":{"reported":{"t":1}}}"#);
        assert_eq!(said, Decoded::default(), "{nothing}");
    }
    assert_eq!(site.say("$aws/things/pump/jobs/notify", "{}"), Decoded::default());
    assert_eq!(
        site.say("$aws/events/presence/connected/x", r#"{"a":1}"#),
        Decoded::default(),
        "others below $ stay ignored"
    );
    assert_eq!(site.say("$aws/things/pump/shadow/update", r#"{"state":{"desired":{"a":1}}}"#), Decoded::default());
    assert_eq!(site.say("$aws/things/pump/shadow/update", "{").rejection.unwrap().reason, Reason::InvalidJson);
}

fn of(principal: &str, client: &str, topic: &str, payload: &str) -> Publication {
    Publication { principal: principal.into(), client: client.into(), ..publication(topic, payload) }
}

#[test]
fn the_device_of_thingsboard_is_who_publishes() {
    let mut site = Site::new();
    let mut say = |principal: &str, client: &str, payload: &str| {
        site.publish(of(principal, client, "v1/devices/me/telemetry", payload))
    };
    assert_eq!(
        readings(&say("A1_TEST_TOKEN", "c1", r#"{"temperature":42.2, "humidity":70}"#)),
        ["A1_TEST_TOKEN in  at now: temperature=42.2 humidity=70"]
    );
    let timed = r#"[{"ts":1451649600512,"values":{"key1":"value1","key2":1}},{"ts":1451649601512,"values":{"key2":2}},{"key2":3}]"#;
    assert_eq!(
        readings(&say("anonymous", "meter 7", timed)),
        [
            "meter 7 in  at 1451649600512: key1=\"value1\" key2=1",
            "meter 7 in  at 1451649601512: key2=2",
            "meter 7 in  at now: key2=3",
        ]
    );
    assert_eq!(readings(&say("p", "c", r#"{"ts":5,"values":7}"#)), ["p in  at now: ts=5 values=7"]);
    let unknown = say("anonymous", "", r#"{"a":1}"#);
    assert_eq!((unknown.readings.len(), unknown.rejection.unwrap().reason), (0, Reason::InvalidName));
    let attributes = site.publish(of("p", "c", "v1/devices/me/attributes", r#"{"firmwareVersion":"1.10"}"#));
    assert_eq!(readings(&attributes), [r#"p in  at now: firmwareVersion="1.10""#]);
    for nothing in ["v1/devices/me/rpc/response/1", "v1/devices/me/attributes/request/1"] {
        assert_eq!(site.publish(of("p", "c", nothing, r#"{"a":1}"#)), Decoded::default(), "{nothing}");
    }
}

#[test]
fn of_a_publisher_that_is_not_known_thingsboards_payload_says_who_it_is() {
    let mut site = Site::new();
    let mut say = |principal: &str, client: &str, payload: &str| {
        site.publish(of(principal, client, "v1/devices/me/telemetry", payload))
    };
    let d7 = r#"{"deviceId":"d7","t":1}"#;
    for (principal, client) in [("", ""), ("anonymous", ""), ("anonymous", "c1"), ("", "bridge")] {
        let said = say(principal, client, d7);
        assert_eq!(
            (readings(&said), problems(&said)),
            (vec!["d7 in  at now: t=1".to_owned()], vec![]),
            "{principal} {client}"
        );
    }
    assert_eq!(readings(&say("p", "c", d7)), [r#"p in  at now: deviceId="d7" t=1"#], "a principal speaks for itself");
    let list = r#"[{"ts":1451649600512,"values":{"deviceid":8,"a":1}},{"device_id":"d9","ts":1451649600513,"values":{"a":2}},{"a":3}]"#;
    let said = say("", "", list);
    assert_eq!(readings(&said), ["8 in  at 1451649600512: a=1", "d9 in  at 1451649600513: a=2"]);
    assert_eq!(said.rejection.unwrap().reason, Reason::InvalidName, "the third names nobody");
    assert_eq!(readings(&say("anonymous", "c1", list)).last().unwrap(), "c1 in  at now: a=3");
    assert_eq!(readings(&say("", "", r#"{"deviceId":"only"}"#)), [""; 0]);
    let flawed = say("", "", r#"{"deviceId":"a\u0000b","t":1}"#);
    assert_eq!((flawed.readings.len(), flawed.rejection.unwrap().reason), (0, Reason::InvalidName));
}

#[test]
fn a_gateway_of_thingsboard_names_its_devices() {
    let mut site = Site::new();
    let mut say = |topic: &str, payload: &str| site.publish(of("gw1", "c", &format!("v1/gateway/{topic}"), payload));
    let telemetry = r#"{"Device A":[{"ts":1483228800000,"values":{"temperature":42,"humidity":80}},
        {"ts":1483228801000,"values":{"temperature":43,"humidity":82}}],"Device B":[{"ts":1483228800000,"values":{"temperature":42}}]}"#;
    assert_eq!(
        readings(&say("telemetry", telemetry)),
        [
            "Device A in gw1 at 1483228800000: temperature=42 humidity=80",
            "Device A in gw1 at 1483228801000: temperature=43 humidity=82",
            "Device B in gw1 at 1483228800000: temperature=42",
        ]
    );
    assert_eq!(readings(&say("attributes", r#"{"Device A":{"attribute1":"value1","attribute2":42}}"#)).len(), 1);
    let came = say("connect", r#"{"device":"Device A","type":"thermostat"}"#);
    assert_eq!(came.availability, [Availability { device: "Device A".into(), is_connected: true }]);
    assert_eq!(came.devices[0].facts.model.as_deref(), Some("thermostat"));
    assert!(!say("disconnect", r#"{"device":"Device A"}"#).availability[0].is_connected);
    let flawed = say("telemetry", r#"{"":[{"a":1}],"Device C":5,"Device D":{"a":2}}"#);
    assert_eq!((readings(&flawed), problems(&flawed).len()), (vec!["Device D in gw1 at now: a=2".to_owned()], 2));
}

#[test]
fn venus_speaks_as_long_as_it_is_asked_to() {
    let mut site = Site::new();
    let topic = |path: &str| format!("N/c0619ab12345/{path}");
    let said = site.say(&topic("battery/258/Dc/0/Voltage"), r#"{"value":13.2}"#);
    assert_eq!(readings(&said), ["c0619ab12345/battery/258 in c0619ab12345 at now: Dc/0/Voltage=13.2"]);
    let asked = |decoded: &Decoded| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        decoded.effects.iter().map(|effect| (effect.topic.clone(), text(&effect.payload))).collect()
    };
    let keepalive = |payload: &str| [("R/c0619ab12345/keepalive".to_owned(), payload.to_owned())];
    assert_eq!(asked(&said), keepalive("{}"), "it may have been silent: all values are wanted");
    for none in [r#"{"value":null}"#, r#"{"value":[]}"#, "{}"] {
        let said = site.say(&topic("battery/258/Soc"), none);
        assert_eq!(readings(&said), ["c0619ab12345/battery/258 in c0619ab12345 at now: Soc=-"], "{none}");
        assert_eq!(asked(&said), []);
    }
    site.now_ms += 25_000;
    let said = site.say(&topic("system/0/Serial"), r#"{"value":"c0619ab12345"}"#);
    assert_eq!(asked(&said), keepalive(r#"{"keepalive-options":["suppress-republish"]}"#));
    assert!(readings(&said)[0].ends_with("Serial=\"c0619ab12345\""));
    site.now_ms += 24_999;
    assert_eq!(asked(&site.say(&topic("heartbeat"), "{\"value\": 1722494000}")), []);
    site.now_ms += 60_000;
    assert_eq!(asked(&site.say(&topic("full_publish_completed"), "{\"value\": 1}")), keepalive("{}"));
    assert_eq!(
        readings(&site.say("N/house/kitchen/temperature", "5")),
        ["N/house/kitchen in N/house at now: temperature=5"]
    );
}

#[test]
fn venus_behind_a_bridge_is_asked_where_the_bridge_listens() {
    let mut site = Site::of("+/N/#", "victron");
    let mut asked = |topic: &str| -> Vec<String> {
        let said = site.say(topic, r#"{"value":13.2}"#);
        assert_eq!(readings(&said), ["c0619ab12345/battery/258 in c0619ab12345 at now: Dc/0/Voltage=13.2"]);
        said.effects.into_iter().map(|effect| effect.topic).collect()
    };
    for boat in ["boat", "ship"] {
        let topic = format!("{boat}/N/c0619ab12345/battery/258/Dc/0/Voltage");
        assert_eq!(asked(&topic), [format!("{boat}/R/c0619ab12345/keepalive")]);
        assert_eq!(asked(&topic), [""; 0]);
    }
}

#[test]
fn of_a_homie_device_that_is_erased_nothing_stays_in_a_checkpoint() {
    let mut site = homie();
    site.say("homie/5/bridge/$description", r#"{"nodes":{},"children":["thermostat","lamp"]}"#);
    assert!(site.has("thermostat"));
    site.erase("thermostat");
    assert!(!site.has("thermostat") && site.decoder.mentions("thermostat").is_empty() && site.has("lamp"));
    site.erase("bridge");
    assert!(!site.has("bridge") && !site.has("lamp"));
}
