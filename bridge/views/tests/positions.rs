//! Whose position is whose.

#![allow(clippy::unwrap_used)]

use tidegate_push::Json;
use tidegate_telemetry::{Change, DeviceIndex, Position};
use tidegate_views::{Epoch, Frame, StreamPosition, SubscriberId, ViewSpec, Views, ViewsConfig};

const JSON: Json = Json::PROTOCOL_2;

#[test]
fn a_position_that_nobody_can_have_reached_is_of_another_epoch_and_told_as_it_was_brought() {
    let mut views = Views::new(Epoch { name: "eee".into(), time_base_ms: 0 }, ViewsConfig::default());
    let device = Change::Device { device: DeviceIndex(0), id: "dev7".into(), group: "".into() };
    views.apply(Position(40), 0, &[device], &mut |_, _| ());
    views.apply(Position(41), 0, &[], &mut |_, _| ());
    let spec = ViewSpec::Fleet { group: String::new(), metric: None, heard: false, hidden: false };
    let positions = [("eee", 39, false), ("eee", 42, false), ("abc", 40, false), ("eee", 40, true), ("eee", 41, true)];
    for (epoch, version, is_known) in positions {
        let since = StreamPosition { epoch, version };
        let mut subscription = views.open(SubscriberId(0), 1, &spec, Some(since)).unwrap();
        let mut out = Vec::new();
        let frame = views.frame(&mut subscription, &JSON, &mut out, 1_000);
        let told = String::from_utf8(out).unwrap();
        if is_known {
            assert_eq!((frame, &*told), (Frame::Nothing, ""), "{since}");
        } else {
            let to = StreamPosition { epoch: "eee", version: 41 };
            let gap =
                format!(r#"{{"type":"gap","id":1,"from":"{since}","to":"{to}","reason":"epoch","done":"snapshot"}}"#);
            assert_eq!((frame, told), (Frame::Written, gap), "{since}");
        }
    }
}
