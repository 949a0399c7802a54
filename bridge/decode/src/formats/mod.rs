//! The formats. A new one is a file or folder here, its `mod`, and its entry in [`FORMATS`].

mod chirpstack;
mod json;
mod packed_json;
mod parts;
mod plain;
mod radio;
mod senml;
mod sparkplug;
mod the_things_stack;

use crate::format::FormatEntry;

/// Every format. Of a publication whose topic no `[[source]]` is about, the first that recognizes it is meant.
pub const FORMATS: &[FormatEntry] = &[
    sparkplug::SPARKPLUG,
    chirpstack::CHIRPSTACK,
    the_things_stack::THE_THINGS_STACK,
    senml::SENML,
    senml::SENML_CBOR,
    packed_json::CBOR,
    packed_json::MESSAGE_PACK,
    json::JSON,
    plain::PLAIN,
];
