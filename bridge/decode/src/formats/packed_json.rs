//! What JSON readings say, packed in CBOR or MessagePack. Nothing of the bytes tells them from others, so it is the
//! configuration of the topic, or the content type of the publication, that says so.

use tidegate_telemetry::{Decoded, Reason, Rejection};

use crate::format::{Format, FormatEntry, Input};

use super::json;
use super::packed::Packing;

pub(super) const CBOR: FormatEntry = FormatEntry {
    name: "cbor",
    meaning: "JSON readings packed in CBOR",
    new: |_| Box::new(PackedJson { packing: Packing::Cbor, media_types: &["application/cbor"] }),
};

pub(super) const MESSAGE_PACK: FormatEntry = FormatEntry {
    name: "msgpack",
    meaning: "JSON readings packed in MessagePack",
    new: |_| {
        let media_types = &["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"];
        Box::new(PackedJson { packing: Packing::MessagePack, media_types })
    },
};

#[derive(Debug)]
struct PackedJson {
    packing: Packing,
    media_types: &'static [&'static str],
}

impl Format for PackedJson {
    fn recognizes(&self, input: &Input<'_>) -> bool {
        self.media_types.iter().any(|media_type| input.is_of_type(media_type))
    }

    fn decode(&mut self, input: &mut Input<'_>, out: &mut Decoded) -> Result<(), Rejection> {
        let unpacked = self.packing.unpack(input.payload)?;
        let result = json::text(input, &unpacked.text, out);
        if unpacked.without_text > 0 {
            let detail = format!(
                "{} byte strings are no numbers, texts or switches: they count as no value",
                unpacked.without_text
            );
            out.further.push(Rejection::new(Reason::NotUnderstood, detail));
        }
        result
    }
}
