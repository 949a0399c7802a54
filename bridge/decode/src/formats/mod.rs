//! The formats. A new one is a file or folder here, its `mod`, and its entry in [`FORMATS`].

mod aws_shadow;
mod chirpstack;
mod esphome;
mod home_assistant;
mod homie;
mod influx;
mod json;
mod openmqttgateway;
mod packed;
mod packed_json;
mod parts;
mod plain;
mod radio;
mod receivers;
mod rtl_433;
mod senml;
mod shelly;
mod sparkplug;
mod tasmota;
mod the_things_stack;
mod thingsboard;
mod victron;
mod zigbee2mqtt;

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
    zigbee2mqtt::ZIGBEE2MQTT,
    tasmota::TASMOTA,
    home_assistant::HOME_ASSISTANT,
    shelly::SHELLY,
    openmqttgateway::OPENMQTTGATEWAY,
    rtl_433::RTL_433,
    esphome::ESPHOME,
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
