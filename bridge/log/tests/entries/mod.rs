//! What the logs of earlier versions hold, in the batches in which it was appended: something of each kind and version.

use bytes::Bytes;
use tidegate_telemetry::{
    CommandId, CommandMessage, CommandProgress, CommandReport, CommandRequest, Condition, DeviceScope, Entry, Intent,
    Position, Publication, PublishProperties, Qos, Rule, Severity,
};

const T0: i64 = 1_795_000_000_000;

fn publication(received_ms: i64) -> Publication {
    Publication {
        received_ms,
        client: "c1".into(),
        principal: "anonymous".into(),
        session: 7,
        packet_id: 65_535,
        topic: "site/b/floor1/dev7/temperature".into(),
        payload: Bytes::from_static(b"23.5"),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: true,
        properties: None,
        scope: None,
        address: None,
    }
}

fn rule() -> Rule {
    Rule {
        id: "configured/hot".into(),
        name: "hot".into(),
        severity: Severity::Critical,
        metric: Some("temperature".into()),
        device: None,
        group: Some("A/*".into()),
        condition: Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 },
    }
}

/// The batches: the clock is set forward by an hour in the first, and back by a day in the second.
pub fn batches() -> Vec<Vec<Entry>> {
    let properties = PublishProperties {
        message_expiry_interval_s: Some(60),
        content_type: Some("text/plain".into()),
        response_topic: Some("r".into()),
        correlation_data: Some(Bytes::from_static(b"7")),
        user_properties: vec![("a".into(), "b".into())],
        ..PublishProperties::default()
    };
    let request = CommandRequest {
        device: "site/b/dev7".into(),
        topic: "site/b/dev7/command".into(),
        payload: Bytes::from_static(b"on"),
        content_type: Some("text/plain".into()),
        qos: Qos::AtLeastOnce,
        response_topic: "site/b/dev7/response".into(),
        expires_in_s: 60,
        key: Some("k".into()),
    };
    let command = CommandId(Position(3));
    let scope = || Some(DeviceScope::new(["truck-7".into(), "gw1-*".into()]));
    let hour_ms = 3_600_000;
    let acknowledge = |received_ms, comment: Option<&str>| {
        let (alert, by, comment) = ("a-1-0".to_owned(), "ann".to_owned(), comment.map(Into::into));
        Entry::Intent(Intent::AcknowledgeAlert { received_ms, alert, by, comment })
    };
    let first = vec![
        Entry::Publication(publication(T0)),
        Entry::Tick(T0 + 1_000),
        Entry::Intent(Intent::SendCommand { received_ms: T0 + 2_000, by: "ann".into(), request: Box::new(request) }),
        Entry::Command(CommandMessage { command, deadline_ms: T0 + 62_000, publication: publication(T0 + 2_100) }),
        Entry::CommandReport(CommandReport {
            received_ms: T0 + 2_200,
            command,
            client: "c1".into(),
            session: 7,
            progress: CommandProgress::Sent { by_name: true },
        }),
        Entry::ClockSet { at_ms: T0 + 3_000 + hour_ms, by_ms: hour_ms },
        Entry::Publication(Publication { scope: scope(), ..publication(T0 + 4_000 + hour_ms) }),
    ];
    let back_ms = hour_ms - 24 * hour_ms;
    let second = vec![
        Entry::ClockSet { at_ms: T0 + 10_000 + back_ms, by_ms: -24 * hour_ms },
        Entry::Publication(Publication {
            address: "192.0.2.7".parse().ok(),
            properties: Some(Box::new(properties)),
            qos: Qos::ExactlyOnce,
            ..publication(T0 + 11_000 + back_ms)
        }),
        Entry::Publication(Publication {
            address: "2001:db8::".parse().ok(),
            scope: scope(),
            retain: true,
            ..publication(T0 + 12_000 + back_ms)
        }),
        acknowledge(T0 + 13_000 + back_ms, None),
        acknowledge(T0 + 14_000 + back_ms, Some("the door")),
        Entry::Intent(Intent::UnacknowledgeAlert {
            received_ms: T0 + 15_000 + back_ms,
            alert: "a-1-0".into(),
            by: "bob".into(),
        }),
        Entry::Intent(Intent::PutRule {
            received_ms: T0 + 16_000 + back_ms,
            by: "configuration".into(),
            rule: Box::new(rule()),
        }),
        Entry::Intent(Intent::RemoveRule {
            received_ms: T0 + 17_000 + back_ms,
            by: "configuration".into(),
            rule: "configured/hot".into(),
        }),
    ];
    vec![first, second]
}
