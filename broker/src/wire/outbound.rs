use mqtt_protocol_core::mqtt::packet::{self, Packet, Property, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode, PubcompReasonCode,
    PubrecReasonCode, SubackReasonCode, SubackReturnCode, UnsubackReasonCode,
};
use tidegate_identity::Refusal as WhyRefused;
use tidegate_telemetry::{PublishProperties, Qos, Reason};

use super::limits::{Admission, Limits};
use super::version::Version;
use crate::access::ConnectLimit;
use crate::sessions::Delivery;

/// What became of one entry of a SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscribeOutcome {
    Granted(Qos),
    Invalid,
    QuotaExceeded,
    NotAuthorized,
}

/// Why a publication is refused while the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// A limit of ours refuses the topic.
    TopicInvalid,
    /// The client has no right to it.
    NotAuthorized,
    /// The disk is full.
    QuotaExceeded,
    /// The topic is one of the server's own.
    ServersTopic,
    /// There are more properties, or larger ones, than are taken.
    Properties,
    /// The payload is not what its format indicator says (MQTT 5.0 section 3.3.2.3.2).
    PayloadFormat,
}

impl Denial {
    /// For the client's log.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Denial::TopicInvalid => {
                "the topic is longer or deeper than mqtt.topic_bytes_max and topic_levels_max allow"
            }
            Denial::NotAuthorized => "the client has no right to publish to this topic",
            Denial::QuotaExceeded => "the server's disk is full",
            Denial::ServersTopic => "topics that begin with $SYS/ are the server's own",
            Denial::Properties => "more properties than mqtt.properties_bytes_max or mqtt.user_properties_max",
            Denial::PayloadFormat => "the payload is not UTF-8, though its format indicator says so",
        }
    }

    /// What it counts as.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Denial::TopicInvalid => Reason::InvalidTopic,
            Denial::NotAuthorized | Denial::ServersTopic => Reason::NotAuthorized,
            Denial::QuotaExceeded => Reason::DiskFull,
            Denial::Properties => Reason::ClientLimit,
            Denial::PayloadFormat => Reason::MalformedPacket,
        }
    }
}

/// An answer to a publication, in the order the publications came (MQTT-4.6.0-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Puback,
    Pubrec,
    PubackDenied(Denial),
    PubrecDenied(Denial),
    Pubcomp,
    PubcompNotFound,
    /// To a subscriber, when its PUBREC is stored.
    Pubrel,
}

const BUILT: &str = "a packet of valid parts is valid";

impl Answer {
    /// Why it refuses, if it does.
    pub(super) const fn denial(self) -> Option<Denial> {
        match self {
            Answer::PubackDenied(why) | Answer::PubrecDenied(why) => Some(why),
            _ => None,
        }
    }
}

/// `why` is for the client's log, where it wants that.
pub(super) fn answer(v5: bool, answer: Answer, packet_id: u16, why: Option<&str>) -> Packet {
    match (v5, answer) {
        (false, Answer::Puback | Answer::PubackDenied(_)) => {
            v3_1_1::Puback::builder().packet_id(packet_id).build().expect(BUILT).into()
        }
        (false, Answer::Pubrec | Answer::PubrecDenied(_)) => {
            v3_1_1::Pubrec::builder().packet_id(packet_id).build().expect(BUILT).into()
        }
        (false, Answer::Pubcomp | Answer::PubcompNotFound) => {
            v3_1_1::Pubcomp::builder().packet_id(packet_id).build().expect(BUILT).into()
        }
        (v5, Answer::Pubrel) => pubrel(v5, packet_id),
        (true, Answer::Puback) => v5_0::Puback::builder().packet_id(packet_id).build().expect(BUILT).into(),
        (true, Answer::Pubrec) => v5_0::Pubrec::builder().packet_id(packet_id).build().expect(BUILT).into(),
        (true, Answer::Pubcomp) => v5_0::Pubcomp::builder().packet_id(packet_id).build().expect(BUILT).into(),
        (true, Answer::PubackDenied(denial)) => {
            let packet = v5_0::Puback::builder().packet_id(packet_id).reason_code(match denial {
                Denial::TopicInvalid => PubackReasonCode::TopicNameInvalid,
                Denial::NotAuthorized | Denial::ServersTopic => PubackReasonCode::NotAuthorized,
                Denial::QuotaExceeded | Denial::Properties => PubackReasonCode::QuotaExceeded,
                Denial::PayloadFormat => PubackReasonCode::PayloadFormatInvalid,
            });
            match why {
                Some(_) => packet.props(reason_string(why)).build().expect(BUILT).into(),
                None => packet.build().expect(BUILT).into(),
            }
        }
        (true, Answer::PubrecDenied(denial)) => {
            let packet = v5_0::Pubrec::builder().packet_id(packet_id).reason_code(match denial {
                Denial::TopicInvalid => PubrecReasonCode::TopicNameInvalid,
                Denial::NotAuthorized | Denial::ServersTopic => PubrecReasonCode::NotAuthorized,
                Denial::QuotaExceeded | Denial::Properties => PubrecReasonCode::QuotaExceeded,
                Denial::PayloadFormat => PubrecReasonCode::PayloadFormatInvalid,
            });
            match why {
                Some(_) => packet.props(reason_string(why)).build().expect(BUILT).into(),
                None => packet.build().expect(BUILT).into(),
            }
        }
        (true, Answer::PubcompNotFound) => v5_0::Pubcomp::builder()
            .packet_id(packet_id)
            .reason_code(PubcompReasonCode::PacketIdentifierNotFound)
            .build()
            .expect(BUILT)
            .into(),
    }
}

pub(super) fn pubrel(v5: bool, packet_id: u16) -> Packet {
    if v5 {
        v5_0::Pubrel::builder().packet_id(packet_id).build().expect(BUILT).into()
    } else {
        v3_1_1::Pubrel::builder().packet_id(packet_id).build().expect(BUILT).into()
    }
}

/// CONNACK of an accepted connection; a v5 client learns what is served and what is not, and one of 3.1 not even whether
/// its session is present.
pub(super) fn connack(
    version: Version,
    admission: &Admission,
    limits: &Limits,
    server_keep_alive_s: Option<u16>,
) -> Packet {
    if !version.is_v5() {
        return v3_1_1::Connack::builder()
            .session_present(admission.session_present && version != Version::V3_1)
            .return_code(ConnectReturnCode::Accepted)
            .build()
            .expect(BUILT)
            .into();
    }
    let packet_bytes_max = u32::try_from(limits.packet_bytes_max).unwrap_or(u32::MAX);
    let mut properties: Vec<Property> = vec![
        packet::ReceiveMaximum::new(limits.receive_max.max(1)).expect(BUILT).into(),
        packet::MaximumPacketSize::new(packet_bytes_max.max(1)).expect(BUILT).into(),
        packet::TopicAliasMaximum::new(limits.topic_alias_max).expect(BUILT).into(),
    ];
    if let Some(seconds) = server_keep_alive_s {
        properties.push(packet::ServerKeepAlive::new(seconds).expect(BUILT).into());
    }
    if let Some(assigned) = &admission.assigned_client_id {
        properties.push(packet::AssignedClientIdentifier::new(assigned.as_str()).expect(BUILT).into());
    }
    if let Some(seconds) = admission.expiry_s {
        properties.push(packet::SessionExpiryInterval::new(seconds).expect(BUILT).into());
    }
    v5_0::Connack::builder()
        .session_present(admission.session_present)
        .reason_code(ConnectReasonCode::Success)
        .props(properties)
        .build()
        .expect(BUILT)
        .into()
}

/// Why a CONNECT is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    ClientId,
    Authentication,
    WillTopic,
    Busy,
    Limit(ConnectLimit),
    Will(Denial),
    /// It is not who it says, or may not come in.
    Identity(WhyRefused),
}

pub(super) fn refusal(v5: bool, refusal: Refusal, why: Option<&str>) -> Packet {
    if v5 {
        let code = match refusal {
            Refusal::ClientId => ConnectReasonCode::ClientIdentifierNotValid,
            Refusal::Authentication => ConnectReasonCode::BadAuthenticationMethod,
            Refusal::WillTopic => ConnectReasonCode::TopicNameInvalid,
            Refusal::Busy | Refusal::Limit(ConnectLimit::All) | Refusal::Identity(WhyRefused::Busy) => {
                ConnectReasonCode::ServerBusy
            }
            Refusal::Will(denial) => match denial {
                Denial::TopicInvalid => ConnectReasonCode::TopicNameInvalid,
                Denial::NotAuthorized | Denial::ServersTopic => ConnectReasonCode::NotAuthorized,
                Denial::QuotaExceeded | Denial::Properties => ConnectReasonCode::QuotaExceeded,
                Denial::PayloadFormat => ConnectReasonCode::PayloadFormatInvalid,
            },
            Refusal::Limit(ConnectLimit::OfAddress) => ConnectReasonCode::QuotaExceeded,
            Refusal::Limit(ConnectLimit::AddressRate) => ConnectReasonCode::ConnectionRateExceeded,
            Refusal::Identity(WhyRefused::BadCredentials) => ConnectReasonCode::BadUserNameOrPassword,
            Refusal::Identity(WhyRefused::NotAuthorized) => ConnectReasonCode::NotAuthorized,
            Refusal::Identity(WhyRefused::Throttled { .. }) => ConnectReasonCode::ConnectionRateExceeded,
        };
        let connack = v5_0::Connack::builder().session_present(false).reason_code(code).props(reason_string(why));
        return connack.build().expect(BUILT).into();
    }
    let code = match refusal {
        Refusal::ClientId => ConnectReturnCode::IdentifierRejected,
        Refusal::Identity(WhyRefused::BadCredentials) => ConnectReturnCode::BadUserNameOrPassword,
        Refusal::Authentication
        | Refusal::WillTopic
        | Refusal::Will(_)
        | Refusal::Identity(WhyRefused::NotAuthorized) => ConnectReturnCode::NotAuthorized,
        Refusal::Busy | Refusal::Limit(_) | Refusal::Identity(WhyRefused::Busy | WhyRefused::Throttled { .. }) => {
            ConnectReturnCode::ServerUnavailable
        }
    };
    v3_1_1::Connack::builder().session_present(false).return_code(code).build().expect(BUILT).into()
}

impl SubscribeOutcome {
    /// For the client's log, where it is refused.
    const fn words(self) -> Option<&'static str> {
        match self {
            SubscribeOutcome::Granted(_) => None,
            SubscribeOutcome::Invalid => Some("a filter is invalid, or longer or deeper than the server takes"),
            SubscribeOutcome::QuotaExceeded => {
                Some("mqtt.subscriptions_per_client_max or mqtt.subscriptions_max is met")
            }
            SubscribeOutcome::NotAuthorized => Some("the client has no right to subscribe to a filter"),
        }
    }
}

/// Why the first of the refused filters is refused.
pub(super) fn first_refusal(outcomes: &[SubscribeOutcome]) -> Option<&'static str> {
    outcomes.iter().find_map(|outcome| outcome.words())
}

/// `why` is for the client's log, where it wants that. MQTT 3.1 has no code for a refusal (section 3.8: the answer is
/// positive, and the client is not told).
pub(super) fn suback(version: Version, packet_id: u16, outcomes: &[SubscribeOutcome], why: Option<&str>) -> Packet {
    if version.is_v5() {
        let codes = outcomes
            .iter()
            .map(|outcome| match outcome {
                SubscribeOutcome::Granted(Qos::AtMostOnce) => SubackReasonCode::GrantedQos0,
                SubscribeOutcome::Granted(Qos::AtLeastOnce) => SubackReasonCode::GrantedQos1,
                SubscribeOutcome::Granted(Qos::ExactlyOnce) => SubackReasonCode::GrantedQos2,
                SubscribeOutcome::Invalid => SubackReasonCode::TopicFilterInvalid,
                SubscribeOutcome::QuotaExceeded => SubackReasonCode::QuotaExceeded,
                SubscribeOutcome::NotAuthorized => SubackReasonCode::NotAuthorized,
            })
            .collect();
        let suback = v5_0::Suback::builder().packet_id(packet_id).reason_codes(codes);
        return match why {
            Some(_) => suback.props(reason_string(why)).build().expect(BUILT).into(),
            None => suback.build().expect(BUILT).into(),
        };
    }
    let codes = outcomes
        .iter()
        .map(|outcome| match outcome {
            SubscribeOutcome::Granted(Qos::AtMostOnce) => SubackReturnCode::SuccessMaximumQos0,
            SubscribeOutcome::Granted(Qos::AtLeastOnce) => SubackReturnCode::SuccessMaximumQos1,
            SubscribeOutcome::Granted(Qos::ExactlyOnce) => SubackReturnCode::SuccessMaximumQos2,
            _ if version == Version::V3_1 => SubackReturnCode::SuccessMaximumQos0,
            _ => SubackReturnCode::Failure,
        })
        .collect();
    v3_1_1::Suback::builder().packet_id(packet_id).return_codes(codes).build().expect(BUILT).into()
}

/// UNSUBACK; `existed` says for each filter whether there was a subscription.
pub(super) fn unsuback(v5: bool, packet_id: u16, existed: &[bool]) -> Packet {
    if !v5 {
        return v3_1_1::Unsuback::builder().packet_id(packet_id).build().expect(BUILT).into();
    }
    let code = |existed: &bool| match existed {
        true => UnsubackReasonCode::Success,
        false => UnsubackReasonCode::NoSubscriptionExisted,
    };
    let codes = existed.iter().map(code).collect();
    v5_0::Unsuback::builder().packet_id(packet_id).reason_codes(codes).build().expect(BUILT).into()
}

/// DISCONNECT, which a server sends to v5 clients only.
pub(super) fn disconnect(code: DisconnectReasonCode, why: Option<&str>) -> Packet {
    let disconnect = v5_0::Disconnect::builder().reason_code(code);
    match why {
        Some(_) => disconnect.props(reason_string(why)).build().expect(BUILT).into(),
        None => disconnect.build().expect(BUILT).into(),
    }
}

/// The words for a person who reads the client's log (MQTT 5.0 section 4.13); none where they are no valid string.
fn reason_string(why: Option<&str>) -> Vec<Property> {
    why.and_then(|why| packet::ReasonString::new(why).ok()).map(Property::from).into_iter().collect()
}

/// A delivery as PUBLISH; `packet_id` is `None` for QoS 0. `expiry_s` is what is left of the message's life,
/// `alias` the topic's alias and whether the client learns it now.
pub(super) fn publish(
    v5: bool,
    delivery: &Delivery,
    packet_id: Option<u16>,
    expiry_s: Option<u32>,
    alias: Option<(u16, bool)>,
) -> Result<Packet, MqttError> {
    let message = &delivery.message;
    let qos = match delivery.qos {
        Qos::AtMostOnce => packet::Qos::AtMostOnce,
        Qos::AtLeastOnce => packet::Qos::AtLeastOnce,
        Qos::ExactlyOnce => packet::Qos::ExactlyOnce,
    };
    if v5 {
        let topic = if matches!(alias, Some((_, false))) { "" } else { &*message.topic };
        let mut builder = v5_0::Publish::builder()
            .topic_name(topic)?
            .qos(qos)
            .dup(delivery.packet_id != 0)
            .retain(delivery.retain)
            .payload(&message.payload[..]);
        if let Some(packet_id) = packet_id {
            builder = builder.packet_id(packet_id);
        }
        let mut props = match &message.properties {
            Some(from) => properties(from, expiry_s)?,
            None => Vec::new(),
        };
        if let Some((alias, _)) = alias {
            props.push(packet::TopicAlias::new(alias)?.into());
        }
        for identifier in &delivery.identifiers {
            props.push(packet::SubscriptionIdentifier::new(*identifier)?.into());
        }
        if !props.is_empty() {
            builder = builder.props(props);
        }
        return Ok(builder.build()?.into());
    }
    let mut builder = v3_1_1::Publish::builder()
        .topic_name(&*message.topic)?
        .qos(qos)
        .dup(delivery.packet_id != 0)
        .retain(delivery.retain)
        .payload(&message.payload[..]);
    if let Some(packet_id) = packet_id {
        builder = builder.packet_id(packet_id);
    }
    Ok(builder.build()?.into())
}

fn properties(from: &PublishProperties, expiry_s: Option<u32>) -> Result<Vec<Property>, MqttError> {
    let mut properties: Vec<Property> = Vec::new();
    if let Some(indicator) = from.payload_format_indicator {
        let format = match indicator {
            1 => packet::PayloadFormat::String,
            _ => packet::PayloadFormat::Binary,
        };
        properties.push(packet::PayloadFormatIndicator::new(format)?.into());
    }
    if let Some(seconds) = expiry_s {
        properties.push(packet::MessageExpiryInterval::new(seconds)?.into());
    }
    if let Some(text) = &from.content_type {
        properties.push(packet::ContentType::new(text.as_str())?.into());
    }
    if let Some(text) = &from.response_topic {
        properties.push(packet::ResponseTopic::new(text.as_str())?.into());
    }
    if let Some(data) = &from.correlation_data {
        properties.push(packet::CorrelationData::new(data.to_vec())?.into());
    }
    for (key, value) in &from.user_properties {
        properties.push(packet::UserProperty::new(key.as_str(), value.as_str())?.into());
    }
    Ok(properties)
}
