#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::command::{CommandId, CommandProgress, CommandRefusal, CommandRequest};
use crate::position::Position;
use crate::reading::Value;
use crate::register::WordChange;
use crate::rule::{Condition, Rule};
use crate::scope::DeviceScope;
use crate::severity::Severity;

fn publication() -> impl Strategy<Value = Publication> {
    let texts = (".{0,9}", ".{0,9}", "[a-z/]{1,20}", prop::collection::vec(any::<u8>(), 0..200));
    let flags = (any::<bool>(), any::<bool>(), any::<u64>(), any::<u16>(), 0..3u8);
    let scope = prop::option::of(prop::collection::vec("[a-z*]{0,40}", 0..6));
    let properties = prop::option::of((any::<Option<u32>>(), any::<Option<String>>()));
    (texts, flags, scope, any::<Option<std::net::IpAddr>>(), properties).prop_map(
        |((client, principal, topic, payload), (retain, dup, session, packet_id, qos), scope, address, properties)| {
            let properties = properties.map(|(message_expiry_interval_s, content_type)| {
                let user_properties = vec![("a".into(), "b".into())];
                let rest = PublishProperties { user_properties, ..PublishProperties::default() };
                Box::new(PublishProperties { message_expiry_interval_s, content_type, ..rest })
            });
            Publication {
                received_ms: 0,
                client,
                principal,
                session,
                packet_id,
                topic,
                payload: payload.into(),
                qos: Qos::from_level(qos).unwrap(),
                retain,
                dup,
                properties,
                scope: scope.map(DeviceScope::new),
                address,
            }
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let command = CommandId(Position(17));
    let acknowledge = (any::<String>(), any::<Option<String>>()).prop_map(|(by, comment)| {
        Entry::Intent(Intent::AcknowledgeAlert { received_ms: 0, alert: "a-1-0".into(), by, comment })
    });
    let back = any::<String>()
        .prop_map(|by| Entry::Intent(Intent::UnacknowledgeAlert { received_ms: 0, alert: "a-1-0".into(), by }));
    let ask = any::<(u32, Option<String>)>().prop_map(|(expires_in_s, key)| {
        let request = Box::new(CommandRequest {
            device: "site/b/dev7".into(),
            topic: "site/b/dev7/command".into(),
            payload: Bytes::from_static(b"on"),
            content_type: None,
            qos: Qos::AtLeastOnce,
            response_topic: "site/b/dev7/response".into(),
            expires_in_s,
            key: key.map(Into::into),
        });
        Entry::Intent(Intent::SendCommand { received_ms: 0, by: "ann".into(), request })
    });
    let message = (any::<i64>(), publication()).prop_map(move |(deadline_ms, publication)| {
        let publication = Publication { scope: None, address: None, ..publication };
        Entry::Command(CommandMessage { command, deadline_ms, publication })
    });
    let report = any::<bool>().prop_map(move |by_name| {
        let progress = if by_name {
            CommandProgress::Sent { by_name }
        } else {
            CommandProgress::Refused(CommandRefusal::TooLarge)
        };
        Entry::CommandReport(CommandReport { received_ms: 0, command, client: "c".into(), session: 7, progress })
    });
    let rule = (any::<String>(), any::<Option<String>>()).prop_map(|(by, metric)| {
        let condition = Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 };
        let (severity, device, group) = (Severity::Critical, None, Some("A/*".to_owned()));
        let rule = Rule { id: "configured/hot".into(), name: "hot".into(), severity, metric, device, group, condition };
        Entry::Intent(Intent::PutRule { received_ms: 0, by, rule: Box::new(rule) })
    });
    let no_rule = any::<String>()
        .prop_map(|by| Entry::Intent(Intent::RemoveRule { received_ms: 0, by, rule: "configured/hot".into() }));
    prop_oneof![
        1 => rule,
        1 => no_rule,
        4 => publication().prop_map(Entry::Publication),
        1 => acknowledge,
        1 => back,
        1 => ask,
        1 => message,
        1 => report,
        1 => Just(Entry::Tick(0)),
        1 => any::<i64>().prop_map(|by_ms| Entry::ClockSet { at_ms: 0, by_ms }),
    ]
}

fn log_entry() -> impl Strategy<Value = LogEntry> {
    let unknown = prop::collection::vec((4..u64::MAX, prop::collection::vec(any::<u8>(), 0..200)), 0..3);
    (entry(), any::<i64>(), any::<i64>(), unknown).prop_map(|(mut entry, received_ms, elapsed_ms, unknown)| {
        entry.set_received_ms(received_ms);
        let unknown = unknown.into_iter().map(|(tag, bytes)| (tag, bytes.into())).collect();
        LogEntry { unknown, ..LogEntry::new(entry, elapsed_ms) }
    })
}

fn bytes_of(entry: &LogEntry) -> Vec<u8> {
    let mut bytes = Vec::new();
    entry.encode_into(&mut bytes);
    bytes
}

/// As programs wrote entries that had no heads: fields that came with a later version hang behind the rest.
fn bare(entry: &Entry) -> Vec<u8> {
    let (version, behind) = match entry {
        Entry::Publication(Publication { scope, address: Some(address), .. }) => (5, encoded(&(address, scope))),
        Entry::Publication(Publication { scope: Some(scope), .. }) => (3, encoded(scope)),
        Entry::Publication(_) | Entry::Tick(_) => (1, Vec::new()),
        Entry::Intent(Intent::AcknowledgeAlert { comment: None, .. }) => (1, Vec::new()),
        Entry::Intent(Intent::AcknowledgeAlert { comment: Some(comment), .. }) => (6, encoded(comment)),
        Entry::Intent(Intent::UnacknowledgeAlert { .. }) => (6, Vec::new()),
        Entry::Intent(Intent::SendCommand { .. }) | Entry::Command(_) | Entry::CommandReport(_) => (2, Vec::new()),
        Entry::Intent(Intent::PutRule { .. } | Intent::RemoveRule { .. }) => (7, Vec::new()),
        Entry::ClockSet { .. } => (4, Vec::new()),
        Entry::Import(_) | Entry::Intent(Intent::EraseDevice { .. } | Intent::DescribeDevice { .. }) => {
            unreachable!("no program without heads wrote one")
        }
    };
    [&[version][..], &encoded(entry), &behind].concat()
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap()
}

proptest! {
    #[test]
    fn an_entry_of_any_earlier_version_is_read(entry in log_entry()) {
        let bytes = bare(&entry.entry);
        prop_assert_eq!(LogEntry::decode(&bytes), Ok(entry.entry.into()));
    }

    #[test]
    fn an_entry_comes_back_as_it_was_written_with_extensions_that_nobody_knows(entry in log_entry()) {
        let bytes = bytes_of(&entry);
        let read = LogEntry::decode(&bytes).unwrap();
        prop_assert_eq!(bytes_of(&read), bytes);
        prop_assert_eq!(read, entry);
    }

    #[test]
    fn an_extension_that_is_not_known_changes_nothing_else(entry in log_entry(), tag in 4..u64::MAX, at in any::<u8>()) {
        let mut more = entry.clone();
        let at = usize::from(at) % (entry.unknown.len() + 1);
        more.unknown.insert(at, (tag, Bytes::from_static(b"of tomorrow")));
        let read = LogEntry::decode(&bytes_of(&more)).unwrap();
        prop_assert_eq!((read.elapsed_ms, &read.entry), (entry.elapsed_ms, &entry.entry));
        prop_assert_eq!(&read.unknown[at], &(tag, Bytes::from_static(b"of tomorrow")));
    }

    #[test]
    fn a_cut_entry_is_refused(entry in log_entry()) {
        let bytes = bytes_of(&entry);
        for cut in 0..bytes.len() {
            prop_assert_eq!(LogEntry::decode(&bytes[..cut]), Err(EntryError::Malformed), "cut at {}", cut);
        }
        prop_assert_eq!(LogEntry::decode(&[&bytes[..], &[0]].concat()), Err(EntryError::Malformed));
    }

    #[test]
    fn noise_is_an_entry_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..60), version in 0..10u8) {
        bytes.insert(0, version);
        let _ = LogEntry::decode(&bytes);
    }

    /// Whether entries carry it or not.
    #[test]
    fn time_that_passed_is_what_was_received_later_less_what_the_clock_was_set_by(
        steps in prop::collection::vec((0..100_000i64, prop::option::weighted(0.2, -1_000_000..1_000_000i64), any::<bool>()), 1..50),
    ) {
        let (mut elapsed, mut elapsed_ms, mut received_ms) = (Elapsed::default(), 0, 5_000_000);
        for (number, (gap_ms, set_by_ms, is_counted)) in steps.into_iter().enumerate() {
            elapsed_ms += gap_ms;
            received_ms += gap_ms + set_by_ms.unwrap_or(0);
            let entry = match set_by_ms {
                Some(by_ms) => Entry::ClockSet { at_ms: received_ms, by_ms },
                None => Entry::Tick(received_ms),
            };
            let entry = if is_counted { LogEntry::new(entry, elapsed_ms) } else { entry.into() };
            let expected = if number == 0 { 0 } else { gap_ms };
            prop_assert_eq!(elapsed.pass(&entry), expected);
        }
    }
}

#[test]
fn a_log_that_was_set_aside_makes_nothing_older() {
    let mut elapsed = Elapsed::default();
    elapsed.pass(&LogEntry::new(Entry::Tick(10_000), 3_000));
    assert_eq!(elapsed.pass(&LogEntry::new(Entry::Tick(10_500), 10_500)), 500, "the new one counts from another time");
    assert_eq!(elapsed.pass(&LogEntry::new(Entry::Tick(11_000), 2_000)), 0);
    assert_eq!(Elapsed::after(5_000).pass(&LogEntry::new(Entry::Tick(5_700), 77)), 700);
}

#[test]
fn a_newer_format_and_a_newer_kind_are_named() {
    assert_eq!(LogEntry::decode(&[9, 0]), Err(EntryError::UnknownVersion(9)));
    assert_eq!(LogEntry::decode(&[WITH_HEAD, 9, 0, 0, 0]), Err(EntryError::UnknownKind(9)));
    assert_eq!(LogEntry::decode(&[]), Err(EntryError::Malformed));
    assert_eq!(LogEntry::decode(&[0, 0]), Err(EntryError::Malformed));
}

#[test]
fn the_first_bytes_of_an_entry_are_those_that_are_documented() {
    let tick = bytes_of(&LogEntry::new(Entry::Tick(300), 100));
    assert_eq!(tick, [8, 2, 0xD8, 0x04, 0x90, 0x03, 0]);
}

#[test]
fn an_import_comes_back_as_it_was_written() {
    let points = vec![(-5, Value::Number(1.5)), (7, Value::Bool(true)), (7, Value::Text("\n".into()))];
    let series = ImportedSeries { device: "a/b".into(), group: "".into(), metric: "t".into(), points };
    let entry = LogEntry::new(Entry::Import(Import { received_ms: 9, series: vec![series] }), 4);
    assert_eq!(LogEntry::decode(&bytes_of(&entry)), Ok(entry));
}

#[test]
fn an_erasure_comes_back_as_it_was_written_and_is_of_a_kind_of_its_own() {
    let erase = Intent::EraseDevice { received_ms: 9, by: "ann".into(), device: "site/a".into() };
    let bytes = bytes_of(&LogEntry::new(Entry::Intent(erase.clone()), 4));
    assert_eq!(bytes[1], 7, "a program that does not know it says so, and does not call the log damaged");
    assert_eq!(LogEntry::decode(&bytes), Ok(LogEntry::new(Entry::Intent(erase), 4)));
}

#[test]
fn what_people_say_of_a_device_comes_back_as_it_was_written_and_is_of_a_kind_of_its_own() {
    let changes = vec![
        WordChange::Name(Some("Cellar".into())),
        WordChange::Label("floor".into(), None),
        WordChange::Hidden(true),
        WordChange::ReportMs(Some(60_000)),
    ];
    let said = Intent::DescribeDevice { received_ms: 9, by: "ann".into(), device: "site/a".into(), changes };
    let bytes = bytes_of(&LogEntry::new(Entry::Intent(said.clone()), 4));
    assert_eq!(bytes[1], 8);
    assert_eq!(LogEntry::decode(&bytes), Ok(LogEntry::new(Entry::Intent(said), 4)));
}
