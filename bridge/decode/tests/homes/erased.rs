//! Nothing of a device that is erased stays in what formats remember.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_telemetry::{Entry, Intent, Position};

use super::{House, SAMPLES};

#[test]
fn of_an_erased_device_no_format_remembers_anything_and_of_the_others_all() {
    for samples in SAMPLES {
        let mut house = House::new();
        let mut devices: BTreeSet<Arc<str>> = BTreeSet::new();
        // Twice: what is described first is remembered of a device that speaks later.
        for (topic, payload) in samples.iter().chain(*samples) {
            let said = house.say(topic, payload).0;
            devices.extend(said.readings.into_iter().map(|reading| reading.device));
        }
        let remembered: Vec<_> = devices.iter().filter(|device| !house.decoder.mentions(device).is_empty()).collect();
        assert!(!remembered.is_empty(), "{devices:?}");
        let (erased, kept) = remembered.split_at(remembered.len().div_ceil(2));
        for device in erased {
            let intent = Intent::EraseDevice { received_ms: 0, device: device.to_string(), by: "Ann".into() };
            house.decoder.entry(Position(10_000), &Entry::Intent(intent));
            assert_eq!(house.decoder.mentions(device), Vec::<&str>::new(), "{device}");
            let frozen: Vec<u8> = house.decoder.freeze().iter().flat_map(|(_, state)| state.to_bytes()).collect();
            let text = String::from_utf8_lossy(&frozen);
            assert!(!text.contains(&***device), "{device} stands in a checkpoint");
        }
        for device in kept {
            assert!(!house.decoder.mentions(device).is_empty(), "{device} was not erased");
        }
    }
}
