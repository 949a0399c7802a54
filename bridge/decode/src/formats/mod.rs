//! The formats. A new one is a file or folder here, its `mod`, and its entry in [`FORMATS`].

mod json;
mod plain;
mod zigbee2mqtt;

use crate::format::FormatEntry;

/// Every format. Of a publication whose topic no `[[source]]` is about, the first that recognizes it is meant.
pub const FORMATS: &[FormatEntry] = &[zigbee2mqtt::ZIGBEE2MQTT, json::JSON, plain::PLAIN];
