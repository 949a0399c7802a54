//! A format that remembers something of its sources: what an author of one can rely on.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use smallvec::smallvec;
use tidegate_decode::{
    DecodeConfig, Decoder, FORMATS, Format, FormatChoice, FormatEntry, Frozen, Input, SameTime, SourceConfig, Sources,
    StateError,
};
use tidegate_telemetry::{Availability, Decoded, Effect, Position, Qos, Reading, Reason, Rejection, Value};
use tidegate_testing::publication;

/// Gateways that name a metric once (`1=temperature`) and say its number from then on (`1:23.5`), and `gone` when they end.
#[derive(Debug)]
struct Numbered {
    gateways: Sources<Vec<(String, String)>>,
}

const NUMBERED: FormatEntry = FormatEntry {
    name: "numbered",
    meaning: "a number in the place of a name",
    new: |config| Box::new(Numbered { gateways: Sources::new(config.sources_max) }),
};

impl Format for Numbered {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        input.topic().starts_with("numbered/")
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let (text, topic) = (input.text()?, input.topic());
        let device = input.name("topic", topic)?;
        let names = self.gateways.of(topic, input.position());
        if text == "gone" {
            out.availability.push(Availability { device, is_connected: false });
        } else if let Some((number, name)) = text.split_once('=') {
            names.push((number.to_owned(), name.to_owned()));
        } else if let Some((number, value)) = text.split_once(':') {
            let Some((_, name)) = names.iter().find(|(known, _)| known == number) else {
                let (topic, payload) = (format!("{topic}/ask"), Bytes::from(number.to_owned()));
                out.effects.push(Effect { topic, payload, qos: Qos::AtLeastOnce });
                return Err(Rejection::new(Reason::NotUnderstood, format!("nobody said what {number} is")));
            };
            let metrics = smallvec![(input.name("metric name", name)?, Value::Number(value.parse().unwrap()))];
            let (group, without_value) = ("".into(), Vec::new());
            out.readings.push(Reading { device, group, time_ms: None, corrects: false, metrics, without_value });
        }
        Ok(())
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.gateways.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.gateways.restore(state)
    }
}

fn decoder(config: DecodeConfig) -> Decoder {
    Decoder::with_formats(config, &[&[NUMBERED], FORMATS].concat())
}

fn say(decoder: &mut Decoder, position: u64, topic: &str, payload: &'static str) -> Decoded {
    std::mem::take(decoder.decode(Position(position), &publication(topic, payload)))
}

fn value(decoded: &Decoded) -> (&str, &Value) {
    let (name, value) = &decoded.readings[0].metrics[0];
    (name, value)
}

#[test]
fn a_format_that_is_added_recognizes_its_own_and_leaves_the_others_theirs() {
    let mut decoder = decoder(DecodeConfig::default());
    assert_eq!(say(&mut decoder, 1, "numbered/gw1", "1=temperature"), Decoded::default());
    assert_eq!(value(&say(&mut decoder, 2, "numbered/gw1", "1:23.5")), ("temperature", &Value::Number(23.5)));
    assert_eq!(value(&say(&mut decoder, 3, "site/dev7", r#"{"humidity":4}"#)), ("humidity", &Value::Number(4.0)));
    assert_eq!(value(&say(&mut decoder, 4, "site/dev7/mode", "1:23.5")), ("mode", &Value::Text("1:23.5".into())));
    let gone = say(&mut decoder, 5, "numbered/gw1", "gone");
    assert_eq!(gone.availability, [Availability { device: "numbered/gw1".into(), is_connected: false }]);
}

#[test]
fn it_is_chosen_by_name_where_the_configuration_says_so() {
    let source = SourceConfig {
        topic: "hall/#".into(),
        format: FormatChoice::Named("numbered"),
        timezone: None,
        same_time: SameTime::Each,
    };
    let mut decoder = decoder(DecodeConfig { sources: vec![source], ..DecodeConfig::default() });
    say(&mut decoder, 1, "hall/gw1", "1=temperature");
    assert_eq!(value(&say(&mut decoder, 2, "hall/gw1", "1:2")).0, "temperature");
}

#[test]
fn what_a_source_said_belongs_to_it_and_is_asked_for_where_it_is_not_known() {
    let mut decoder = decoder(DecodeConfig::default());
    say(&mut decoder, 1, "numbered/gw1", "1=temperature");
    let unknown = say(&mut decoder, 2, "numbered/gw2", "1:23.5");
    assert_eq!((unknown.readings, unknown.rejection.map(|it| it.reason)), (vec![], Some(Reason::NotUnderstood)));
    let [Effect { topic, payload, .. }] = &unknown.effects[..] else { panic!("{:?}", unknown.effects) };
    assert_eq!((&**topic, &payload[..]), ("numbered/gw2/ask", &b"1"[..]));
}

#[test]
fn a_decoder_that_goes_on_from_a_checkpoint_says_the_same_as_one_that_never_ended() {
    let mut unbroken = decoder(DecodeConfig::default());
    for gateway in 0..600 {
        say(&mut unbroken, gateway, &format!("numbered/gw{gateway}"), "1=temperature");
    }
    let frozen = unbroken.freeze();
    say(&mut unbroken, 600, "numbered/gw7", "2=humidity");
    let (name, state) = &frozen[0];
    let mut restarted = decoder(DecodeConfig::default());
    assert_eq!(restarted.restore(name, &state.to_bytes()), Ok(true));
    assert!(say(&mut restarted, 601, "numbered/gw7", "2:1").readings.is_empty(), "it was said after the checkpoint");
    say(&mut restarted, 600, "numbered/gw7", "2=humidity");
    for payload in ["1:1", "2:1"] {
        let [expected, got] = [&mut unbroken, &mut restarted].map(|decoder| say(decoder, 602, "numbered/gw7", payload));
        assert_eq!(got, expected);
        assert_eq!(got.readings.len(), 1);
    }
    assert_eq!(restarted.freeze()[0].1.to_bytes(), unbroken.freeze()[0].1.to_bytes());
    assert_eq!(restarted.restore(name, b"\xFF"), Err(StateError));
    assert_eq!(restarted.restore("a format of a newer program", b""), Ok(false));
}

#[test]
fn past_the_limit_those_go_that_were_quiet_for_longest() {
    let mut decoder = decoder(DecodeConfig { sources_max: 8, ..DecodeConfig::default() });
    let name = |gateway: u64| format!("numbered/gw{gateway}");
    for gateway in 0..8 {
        say(&mut decoder, gateway, &name(gateway), "1=temperature");
    }
    say(&mut decoder, 8, &name(0), "1:1");
    say(&mut decoder, 9, &name(8), "1=temperature");
    let knows = |gateway| say(&mut decoder, 10 + gateway, &name(gateway), "1:1").readings.len();
    let known: Vec<usize> = [0, 7, 8, 1].map(knows).into();
    assert_eq!(known, [1, 1, 1, 0]);
}
