//! What formats remember of their sources goes into the checkpoint with the state of the fleet.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Fleet, T0, publication};
use tidegate_decode::{DecodeConfig, Decoder, Format, FormatEntry, Frozen, Input, Sources, StateError};
use tidegate_process::{Process, ProcessConfig, sources_of};
use tidegate_telemetry::{Decoded, Reading, Rejection, Value};

/// Meters that send by how much their counter went on.
#[derive(Debug)]
struct Differences(Sources<f64>);

const DIFFERENCES: FormatEntry = FormatEntry {
    name: "differences",
    meaning: "by how much a counter went on",
    new: |config| Box::new(Differences(Sources::new(config.sources_max))),
};

impl Format for Differences {
    fn recognizes(&self, _: &Input<'_>) -> bool {
        true
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let counter = self.0.of(input.topic(), input.position());
        *counter += input.text()?.parse::<f64>().unwrap();
        let (counter, topic) = (*counter, input.topic());
        let metrics = [(input.name("metric name", "energy")?, Value::Number(counter))].into_iter().collect();
        let (device, group, without_value) = (input.name("topic", topic)?, "".into(), Vec::new());
        out.readings.push(Reading { device, group, time_ms: None, corrects: false, metrics, without_value });
        Ok(())
    }

    fn freeze(&self) -> Option<Frozen> {
        Some(self.0.freeze())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.0.restore(state)
    }
}

#[test]
fn decoding_and_processing_go_on_from_one_checkpoint_as_if_they_had_never_ended() {
    let decoder = || Decoder::with_formats(DecodeConfig::default(), &[DIFFERENCES]);
    let mut unbroken = Fleet { decoder: decoder(), ..Fleet::new() };
    let says = |fleet: &mut Fleet, at_s: i64, difference: &str| {
        fleet.apply(&publication(T0 + at_s * 1_000, "c1", "meter", difference)).to_vec()
    };
    says(&mut unbroken, 0, "2");
    says(&mut unbroken, 1, "3");
    let checkpoint = unbroken.process.freeze().with_sources(unbroken.decoder.freeze()).to_bytes();

    let process = Process::restore(ProcessConfig::default(), &checkpoint).unwrap();
    assert_eq!(process.restore_notes(), [""; 0]);
    let mut restarted = Fleet { decoder: decoder(), process, position: unbroken.position, ..Fleet::new() };
    for (format, sources) in sources_of(&checkpoint).unwrap() {
        assert_eq!(restarted.decoder.restore(&format, &sources), Ok(true));
    }
    assert_eq!(says(&mut restarted, 2, "4"), says(&mut unbroken, 2, "4"));
    assert_eq!(restarted.latest("energy"), [(2, Value::Number(9.0))]);
    assert_eq!(sources_of(&unbroken.process.checkpoint()), Ok(Vec::new()));
}
