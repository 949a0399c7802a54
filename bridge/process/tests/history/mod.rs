//! What happened before the checkpoint of version 7 was written: something of everything that a checkpoint holds.
#![allow(dead_code)]

use tidegate_telemetry::{
    CommandId, CommandMessage, CommandProgress, CommandReport, Entry, Intent, Position, Publication,
};

use crate::support::run::request;
use crate::support::{T0, by, publication};

/// A minute.
const MINUTE_MS: i64 = 60_000;
/// How far the clock is set forward in between.
pub const SET_MS: i64 = 3_600_000;

fn says(at_s: i64, payload: &str) -> Entry {
    publication(T0 + at_s * 1_000, "c1", "hall/up", payload)
}

fn ask(at_s: i64, device: u8, key: u8) -> Entry {
    let request = Box::new(request(device, key, 120));
    Entry::Intent(Intent::SendCommand { received_ms: T0 + at_s * 1_000, by: "ann".into(), request })
}

fn acknowledge(at_s: i64, alert: &str, comment: &str) -> Entry {
    let (received_ms, comment) = (T0 + at_s * 1_000, Some(comment.to_owned()));
    Entry::Intent(Intent::AcknowledgeAlert { received_ms, alert: alert.into(), by: "ann".into(), comment })
}

/// The entries up to the checkpoint.
pub fn entries() -> Vec<Entry> {
    let goes_out = Entry::Command(CommandMessage {
        command: CommandId(Position(5)),
        deadline_ms: T0 + 2 * MINUTE_MS,
        publication: Publication { client: String::new(), ..published(says(5, "on")) },
    });
    let sent = Entry::CommandReport(CommandReport {
        received_ms: T0 + 6_000,
        command: CommandId(Position(5)),
        client: "c1".into(),
        session: 1,
        progress: CommandProgress::Sent { by_name: true },
    });
    let dated = |at_s: i64, ahead_ms: i64, value: i8| {
        let time_ms = T0 + at_s * 1_000 + ahead_ms;
        format!(r#"{{"deviceId":"d2","time":{time_ms},"location":"B, 2","temperature":{value},"b":1}}"#)
    };
    let mut entries = vec![
        by(says(0, r#"{"deviceId":"d1","location":"A, 1","temperature":9,"b":0.5}"#), "anonymous", Some("192.0.2.7")),
        by(says(1, &dated(1, 250, 1)), "ann", None),
        // No voltage is in mV: its unit was guessed wrong.
        says(2, r#"{"deviceId":"d3","location":"C","voltage":2965,"state":"heating"}"#),
        says(3, r#"{"deviceId":"d3","location":"C","voltage":2966,"state":"off"}"#),
        ask(4, 1, 1),
        goes_out,
        sent,
        ask(7, 3, 2),
        acknowledge(8, "a-1-0", "the door"),
        by(says(11, &dated(11, 250, 2)), "ann", None),
        by(says(11, &dated(11, 250, 3)), "ann", None),
        by(says(21, &dated(21, 300, 3)), "ann", None),
        by(says(31, &dated(25, 300, 3)), "ann", None),
        says(32, r#"{"deviceId":"d4","location":"C","temperature":4}"#),
        says(33, r#"{"deviceId":"d4","location":"C","temperature":1}"#),
        Entry::Tick(T0 + 80_000),
        Entry::ClockSet { at_ms: T0 + 80_500 + SET_MS, by_ms: SET_MS },
    ];
    let after = [
        by(says(81, r#"{"deviceId":"d1","location":"A, 1","temperature":10,"b":4}"#), "anonymous", Some("192.0.2.7")),
        by(says(82, &dated(82, 310, 3)), "ann", None),
        says(83, r#"{"deviceId":"d5","location":"A, 2","temperature":2.5}"#),
    ];
    entries.extend(after.into_iter().map(later));
    entries
}

/// What happens after the checkpoint: readings, one that comes again, an answer, silence, and the clock is set back.
pub fn entries_after() -> Vec<Entry> {
    let again =
        Publication { dup: true, ..published(says(83, r#"{"deviceId":"d5","location":"A, 2","temperature":2.5}"#)) };
    let answer = Publication { topic: "d1/response".into(), ..published(says(85, "done")) };
    let entries = [
        Entry::Publication(again),
        Entry::Publication(answer),
        says(90, r#"{"deviceId":"d1","temperature":1,"b":0.5}"#),
        says(95, r#"{"deviceId":"d8","location":"D","b":1,"voltage":2900}"#),
        says(99, r#"{"deviceId":"d3","location":"C","voltage":2,"state":"heating"}"#),
        Entry::Tick(T0 + 101_000),
        ask(110, 3, 2),
        Entry::Tick(T0 + 180_000),
    ];
    let set_back = Entry::ClockSet { at_ms: T0 + 181_000, by_ms: -SET_MS };
    let last = says(200, r#"{"deviceId":"d1","temperature":5,"b":2}"#);
    entries.into_iter().map(later).chain([set_back, last, Entry::Tick(T0 + 400_000)]).collect()
}

/// An entry as it is after the clock was set.
pub fn later(mut entry: Entry) -> Entry {
    entry.set_received_ms(entry.received_ms() + SET_MS);
    entry
}

fn published(entry: Entry) -> Publication {
    let Entry::Publication(publication) = entry else { unreachable!("it makes publications") };
    publication
}
