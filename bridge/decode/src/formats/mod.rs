//! The formats. A new one is a file or folder here, its `mod`, and its entry in [`FORMATS`].

mod aws_shadow;
mod chirpstack;
mod homie;
mod influx;
mod json;
mod packed;
mod packed_json;
mod parts;
mod plain;
mod radio;
mod senml;
mod sparkplug;
mod the_things_stack;
mod thingsboard;
mod victron;

use crate::format::FormatEntry;

/// Every format. Of a publication whose topic no `[[source]]` is about, the first that recognizes it is meant.
pub const FORMATS: &[FormatEntry] = &[
    sparkplug::SPARKPLUG,
    chirpstack::CHIRPSTACK,
    the_things_stack::THE_THINGS_STACK,
    homie::HOMIE,
    aws_shadow::AWS_SHADOW,
    thingsboard::THINGSBOARD,
    victron::VICTRON,
    senml::SENML,
    senml::SENML_CBOR,
    influx::INFLUX,
    packed_json::CBOR,
    packed_json::MESSAGE_PACK,
    json::JSON,
    plain::PLAIN,
];

/// Whether a topic below `$` is one of a format.
pub(crate) fn have_below_dollar(topic: &str) -> bool {
    aws_shadow::is_of_things(topic)
}
