//! The formats. A new one is a file or folder here, its `mod`, and its entry in [`FORMATS`].

mod esphome;
mod home_assistant;
mod json;
mod openmqttgateway;
mod plain;
mod receivers;
mod rtl_433;
mod shelly;
mod tasmota;
mod zigbee2mqtt;

use crate::format::FormatEntry;

/// Every format. Of a publication whose topic no `[[source]]` is about, the first that recognizes it is meant.
pub const FORMATS: &[FormatEntry] = &[
    zigbee2mqtt::ZIGBEE2MQTT,
    tasmota::TASMOTA,
    home_assistant::HOME_ASSISTANT,
    shelly::SHELLY,
    openmqttgateway::OPENMQTTGATEWAY,
    rtl_433::RTL_433,
    esphome::ESPHOME,
    json::JSON,
    plain::PLAIN,
];
