use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tidegate_telemetry::{CommandRefusal, CommandState};

/// Bytes of a payload, and of an answer, that a frame shows: a command is sent again with each of its steps, to
/// everybody who watches, and who wants all of a long one asks REST for it.
const SHOWN_BYTES_MAX: usize = 1_024;

/// A command.
#[derive(Debug)]
pub struct Command(pub Arc<tidegate_telemetry::Command>);

/// A command, as frames show it.
pub struct CommandInBrief<'a>(pub &'a tidegate_telemetry::Command);

impl Serialize for CommandInBrief<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self.0, SHOWN_BYTES_MAX, serializer)
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(&self.0, usize::MAX, serializer)
    }
}

fn write<S: Serializer>(
    command: &tidegate_telemetry::Command,
    shown_max: usize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let request = &command.request;
    let payload = |bytes| Payload { bytes, shown_max };
    let mut map = serializer.serialize_map(Some(15))?;
    map.serialize_entry("id", &command.id.to_string())?;
    map.serialize_entry("device", &*request.device)?;
    map.serialize_entry("state", &command.state())?;
    map.serialize_entry("steps", &Steps(&command.steps))?;
    map.serialize_entry("deadline", &command.deadline_ms)?;
    map.serialize_entry("topic", &*request.topic)?;
    map.serialize_entry("payload", &payload(&request.payload))?;
    map.serialize_entry("content_type", &request.content_type)?;
    map.serialize_entry("qos", &request.qos.level())?;
    map.serialize_entry("response_topic", &*request.response_topic)?;
    map.serialize_entry("key", &request.key)?;
    map.serialize_entry("by", &*command.by)?;
    map.serialize_entry("client", &command.client)?;
    map.serialize_entry::<_, Option<CommandRefusal>>("refusal", &command.refusal)?;
    map.serialize_entry("answer", &command.answer.as_deref().map(payload))?;
    map.end()
}

/// `[{"state":"accepted","time":1704723845000}]`
struct Steps<'a>(&'a [(CommandState, i64)]);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Step {
            state: CommandState,
            time: i64,
        }
        serializer.collect_seq(self.0.iter().map(|&(state, time)| Step { state, time }))
    }
}

/// `{"text":"…"}` where the bytes are UTF-8, else `{"base64":"…"}` (RFC 4648 section 4). What is longer than is shown
/// comes as its beginning, and with its length: `{"text":"…","bytes":65536}`.
struct Payload<'a> {
    bytes: &'a [u8],
    shown_max: usize,
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_cut = self.bytes.len() > self.shown_max;
        let mut map = serializer.serialize_map(Some(1 + usize::from(is_cut)))?;
        match std::str::from_utf8(self.bytes) {
            Ok(text) => {
                let ends = text.char_indices().map(|(start, char)| start + char.len_utf8());
                let shown = ends.take_while(|&end| end <= self.shown_max).last().unwrap_or(0);
                map.serialize_entry("text", &text[..shown])?;
            }
            Err(_) => {
                let shown = self.bytes.len().min(self.shown_max);
                map.serialize_entry("base64", &STANDARD.encode(&self.bytes[..shown]))?;
            }
        }
        if is_cut {
            map.serialize_entry("bytes", &self.bytes.len())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn shown(bytes: &[u8]) -> Value {
        serde_json::to_value(Payload { bytes, shown_max: 4 }).unwrap()
    }

    #[test]
    fn a_long_payload_is_shown_by_its_beginning_and_its_length() {
        assert_eq!(shown("21.5".as_bytes()), json!({"text": "21.5"}));
        assert_eq!(shown("on °C".as_bytes()), json!({"text": "on ", "bytes": 6}), "no character is cut in two");
        assert_eq!(shown(&[0xff, 1, 2]), json!({"base64": "/wEC"}));
        assert_eq!(shown(&[0xff, 1, 2, 3, 4]), json!({"base64": "/wECAw==", "bytes": 5}));
    }
}
