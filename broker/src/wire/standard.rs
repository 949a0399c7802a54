//! What the standards refuse and mqtt-protocol-core lets through: checked after it.

use std::io::IoSlice;

use mqtt_protocol_core::mqtt::packet::{self, Packet, Property, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;

use super::frame;

/// What is wrong with a packet, as a code and in words.
pub(super) type Breach = (MqttError, &'static str);

/// Checks a packet of the client that the crate took; `bytes` is its size on the wire.
pub(super) fn check(packet: &Packet, bytes: usize) -> Result<(), Breach> {
    match packet {
        Packet::V3_1_1Connect(connect) => check_connect_v3(connect),
        Packet::V5_0Connect(connect) => check_connect_v5(connect),
        Packet::V5_0Publish(publish) => check_publish(publish, bytes),
        Packet::V3_1_1Subscribe(subscribe) => check_subscribe_v3(subscribe),
        Packet::V5_0Subscribe(subscribe) => {
            check_size(written(&subscribe.to_buffers()), bytes)?;
            check_subscribe_v5(subscribe)
        }
        Packet::V3_1_1Unsubscribe(unsubscribe) => check_filters(unsubscribe.entries()),
        Packet::V5_0Unsubscribe(unsubscribe) => {
            check_size(written(&unsubscribe.to_buffers()), bytes)?;
            check_filters(unsubscribe.entries())?;
            check_strings(unsubscribe.props())
        }
        Packet::V5_0Puback(puback) => check_strings(puback.props().as_deref().unwrap_or_default()),
        Packet::V5_0Pubrec(pubrec) => check_strings(pubrec.props().as_deref().unwrap_or_default()),
        Packet::V5_0Pubrel(pubrel) => check_strings(pubrel.props().as_deref().unwrap_or_default()),
        Packet::V5_0Pubcomp(pubcomp) => check_strings(pubcomp.props().as_deref().unwrap_or_default()),
        Packet::V5_0Disconnect(disconnect) => check_strings(disconnect.props().as_deref().unwrap_or_default()),
        _ => Ok(()),
    }
}

fn check_connect_v3(connect: &v3_1_1::Connect) -> Result<(), Breach> {
    check_string(connect.client_id())?;
    check_string(connect.will_topic().unwrap_or_default())?;
    check_string(connect.user_name().unwrap_or_default())
}

fn check_connect_v5(connect: &v5_0::Connect) -> Result<(), Breach> {
    check_string(connect.client_id())?;
    check_string(connect.will_topic().unwrap_or_default())?;
    check_string(connect.user_name().unwrap_or_default())?;
    check_strings(connect.props())?;
    check_strings(connect.will_props())?;
    check_response_topic(connect.will_props())?;
    let has = |wanted: fn(&Property) -> bool| connect.props().iter().any(wanted);
    let has_data = has(|property| matches!(property, Property::AuthenticationData(_)));
    if has_data && !has(|property| matches!(property, Property::AuthenticationMethod(_))) {
        return Err((MqttError::ProtocolError, "it has authentication data and no authentication method"));
    }
    Ok(())
}

fn check_publish(publish: &v5_0::Publish, bytes: usize) -> Result<(), Breach> {
    let properties = publish.props();
    // An alias changes the size: the topic that it stands for is filled in.
    let has_alias = properties.iter().any(|property| matches!(property, Property::TopicAlias(_)));
    if !has_alias {
        check_size(publish.size(), bytes)?;
    }
    if properties.iter().any(|property| matches!(property, Property::SubscriptionIdentifier(_))) {
        // MQTT-3.3.4-6
        return Err((MqttError::ProtocolError, "a client's PUBLISH has a subscription identifier"));
    }
    check_strings(properties)?;
    check_response_topic(properties)
}

/// MQTT-2.2.2-1, MQTT-1.5.5-1
fn check_size(shortest: usize, bytes: usize) -> Result<(), Breach> {
    match shortest == bytes {
        true => Ok(()),
        false => Err((MqttError::MalformedPacket, "a length in it is missing or longer than need be")),
    }
}

/// Bytes of a packet as the crate writes it; what it calls the size of these follows what came.
fn written(buffers: &[IoSlice<'_>]) -> usize {
    buffers.iter().map(|buffer| buffer.len()).sum()
}

/// MQTT-3.3.2-14
fn check_response_topic(properties: &[Property]) -> Result<(), Breach> {
    let has_wildcard =
        |property: &Property| matches!(property, Property::ResponseTopic(topic) if topic.val().contains(['+', '#']));
    match properties.iter().any(has_wildcard) {
        true => Err((MqttError::ProtocolError, "its response topic holds a wildcard")),
        false => Ok(()),
    }
}

/// MQTT 3.1.1, MQTT-3.8.3-4: the options of version 5 are reserved bits in it.
fn check_subscribe_v3(subscribe: &v3_1_1::Subscribe) -> Result<(), Breach> {
    for entry in subscribe.entries() {
        check_string(entry.topic_filter())?;
        let options = entry.sub_opts();
        if options.nl() || options.rap() || options.rh() as u8 != 0 {
            return Err((MqttError::MalformedPacket, "reserved bits are set beside its QoS"));
        }
    }
    Ok(())
}

fn check_subscribe_v5(subscribe: &v5_0::Subscribe) -> Result<(), Breach> {
    for entry in subscribe.entries() {
        check_string(entry.topic_filter())?;
        if entry.sub_opts().nl() && entry.topic_filter().starts_with("$share/") {
            // MQTT-3.8.3-4
            return Err((MqttError::ProtocolError, "a shared subscription cannot be no local"));
        }
    }
    let is_identifier = |property: &&Property| matches!(property, Property::SubscriptionIdentifier(_));
    if subscribe.props().iter().filter(is_identifier).count() > 1 {
        return Err((MqttError::ProtocolError, "it has two subscription identifiers"));
    }
    check_strings(subscribe.props())
}

fn check_filters(filters: &[packet::MqttString]) -> Result<(), Breach> {
    filters.iter().try_for_each(|filter| check_string(filter.as_str()))
}

fn check_strings(properties: &[Property]) -> Result<(), Breach> {
    properties.iter().try_for_each(|property| match property {
        Property::ContentType(text) => check_string(text.val()),
        Property::ResponseTopic(text) => check_string(text.val()),
        Property::AuthenticationMethod(text) => check_string(text.val()),
        Property::ReasonString(text) => check_string(text.val()),
        Property::UserProperty(pair) => check_string(pair.key()).and_then(|()| check_string(pair.val())),
        _ => Ok(()),
    })
}

/// MQTT-1.5.4-2; 3.1.1: MQTT-1.5.3-2.
fn check_string(text: &str) -> Result<(), Breach> {
    match text.contains('\0') {
        true => Err((MqttError::MalformedPacket, "a string in it holds the character U+0000")),
        false => Ok(()),
    }
}

/// The crate has one code for all that is wrong with a topic alias; the standard keeps an alias that may not be from
/// one that was not set up, and from a PUBLISH with neither topic nor alias (MQTT 5.0 section 3.3.2.3.4).
pub(super) fn alias_error(publish: &[u8], alias_max: u16) -> MqttError {
    let parsed = v5_0::Publish::parse(publish[0] & 0x0f, frame::body(publish).into());
    let alias = parsed.ok().and_then(|(publish, _)| {
        publish.props().iter().find_map(|property| match property {
            Property::TopicAlias(alias) => Some(alias.val()),
            _ => None,
        })
    });
    match alias {
        Some(alias) if alias == 0 || alias > alias_max => MqttError::TopicAliasInvalid,
        _ => MqttError::ProtocolError,
    }
}
