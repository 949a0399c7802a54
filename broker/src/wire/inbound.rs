use bytes::Bytes;
use mqtt_protocol_core::mqtt::packet::{self, Property, v3_1_1, v5_0};
use tidegate_telemetry::{CommandId, PublishProperties, Qos, Reason};

use super::version::Version;
use crate::sessions::SubscriptionOptions;

/// What a client asks that the connection cannot answer by itself.
#[derive(Debug)]
pub(crate) enum Request {
    /// Be let in. Nothing else is read until [`super::Machine::accept`] or [`super::Machine::refuse`].
    Connect(Box<ConnectRequest>),
    /// Take a publication.
    Publish(Box<tidegate_telemetry::Publication>),
    /// Subscribe; answered by [`super::Machine::subscribed`].
    Subscribe { packet_id: u16, filters: Vec<Filter> },
    /// Unsubscribe; answered by [`super::Machine::unsubscribed`].
    Unsubscribe { packet_id: u16, filters: Vec<String> },
    /// The client released a QoS 2 publication of its own; to be stored, then [`super::Machine::changed`].
    Released { packet_id: u16 },
    /// The subscriber has a QoS 2 delivery; to be stored, then [`super::Machine::changed`].
    Taken { number: u64 },
    /// The subscriber is done with a delivery.
    Settled { number: u64 },
    /// The subscriber is done with a command, or did not want it; `number` is that of its delivery, 0 where it is in no
    /// mailbox.
    CommandDone { command: CommandId, number: u64, is_refused: bool },
    /// A publication was refused, and the connection goes on.
    Refused { reason: Reason, detail: String, topic: String, payload: Bytes },
}

/// A CONNECT of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectRequest {
    /// Empty when the client leaves the choice to the server.
    pub client_id: String,
    /// Clean start; 3.1.1: clean session.
    pub clean: bool,
    /// How long the session outlives the connection, in seconds; `u32::MAX` never ends.
    pub expiry_s: u32,
    pub keep_alive_s: u16,
    pub version: Version,
    pub will: Option<Box<Will>>,
    /// How many deliveries the client takes at a time.
    pub receive_max: u16,
    /// Topic aliases the client takes.
    pub alias_max: u16,
    /// Largest packet the client takes.
    pub packet_bytes_max: usize,
    pub user: Option<String>,
    pub password: Option<Password>,
    /// The client wants to authenticate in a way of its own (MQTT 5.0 section 4.12), which is not served.
    pub enhanced_authentication: bool,
    /// The client wants reason strings (MQTT 5.0 section 3.1.2.11.7).
    pub explains: bool,
    /// Of the packet.
    pub packet_bytes: usize,
}

/// A password or token, which no log ever shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(Box<[u8]>);

impl Password {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What to publish when the connection ends without a word (MQTT 5.0 section 3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub topic: String,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
    pub properties: Option<Box<PublishProperties>>,
    /// How long it waits for the client to come back (MQTT 5.0 section 3.1.3.2.2).
    pub delay_s: u32,
}

/// One entry of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub filter: String,
    pub options: SubscriptionOptions,
    /// 0: send retained messages, 1: only for a new subscription, 2: do not (MQTT 5.0 section 3.8.3.1).
    pub retain_handling: u8,
}

/// A PUBLISH of either version, borrowed.
pub(super) struct Inbound<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: Qos,
    pub packet_id: u16,
    pub retain: bool,
    pub dup: bool,
    pub properties: Option<Box<PublishProperties>>,
}

impl<'a> From<&'a v3_1_1::Publish> for Inbound<'a> {
    fn from(publish: &'a v3_1_1::Publish) -> Self {
        Inbound {
            topic: publish.topic_name(),
            payload: publish.payload().as_slice(),
            qos: qos(publish.qos()),
            packet_id: publish.packet_id().unwrap_or(0),
            retain: publish.retain(),
            dup: publish.dup(),
            properties: None,
        }
    }
}

impl<'a> From<&'a v5_0::Publish> for Inbound<'a> {
    fn from(publish: &'a v5_0::Publish) -> Self {
        Inbound {
            topic: publish.topic_name(),
            payload: publish.payload().as_slice(),
            qos: qos(publish.qos()),
            packet_id: publish.packet_id().unwrap_or(0),
            retain: publish.retain(),
            dup: publish.dup(),
            properties: properties(publish.props()),
        }
    }
}

/// A CONNECT of 3.1 or 3.1.1.
pub(super) fn connect_v3(connect: &v3_1_1::Connect, version: Version) -> ConnectRequest {
    ConnectRequest {
        client_id: connect.client_id().to_owned(),
        clean: connect.clean_session(),
        expiry_s: if connect.clean_session() { 0 } else { u32::MAX },
        keep_alive_s: connect.keep_alive(),
        version,
        will: connect.will_topic().map(|topic| {
            Box::new(Will {
                topic: topic.to_owned(),
                payload: Bytes::copy_from_slice(connect.will_payload().unwrap_or_default()),
                qos: qos(connect.will_qos()),
                retain: connect.will_retain(),
                properties: None,
                delay_s: 0,
            })
        }),
        receive_max: u16::MAX,
        alias_max: 0,
        packet_bytes_max: usize::MAX,
        user: connect.user_name().map(str::to_owned),
        password: connect.password().map(|password| Password(password.into())),
        enhanced_authentication: false,
        explains: false,
        packet_bytes: 0,
    }
}

pub(super) fn connect_v5(connect: &v5_0::Connect) -> ConnectRequest {
    let mut request = ConnectRequest {
        client_id: connect.client_id().to_owned(),
        clean: connect.clean_start(),
        expiry_s: 0,
        keep_alive_s: connect.keep_alive(),
        version: Version::V5,
        will: connect.will_topic().map(|topic| {
            Box::new(Will {
                topic: topic.to_owned(),
                payload: Bytes::copy_from_slice(connect.will_payload().unwrap_or_default()),
                qos: qos(connect.will_qos()),
                retain: connect.will_retain(),
                properties: properties(connect.will_props()),
                delay_s: will_delay_s(connect.will_props()),
            })
        }),
        receive_max: u16::MAX,
        alias_max: 0,
        packet_bytes_max: usize::MAX,
        // An empty one may be ours, see `repair`.
        user: connect.user_name().filter(|user| !user.is_empty()).map(str::to_owned),
        password: connect.password().map(|password| Password(password.into())),
        enhanced_authentication: false,
        explains: true,
        packet_bytes: 0,
    };
    for property in connect.props() {
        match property {
            Property::SessionExpiryInterval(seconds) => request.expiry_s = seconds.val(),
            Property::ReceiveMaximum(count) => request.receive_max = count.val(),
            Property::TopicAliasMaximum(count) => request.alias_max = count.val(),
            Property::RequestProblemInformation(wants) => request.explains = wants.val() == 1,
            Property::MaximumPacketSize(bytes) => {
                request.packet_bytes_max = usize::try_from(bytes.val()).unwrap_or(usize::MAX);
            }
            Property::AuthenticationMethod(_) => request.enhanced_authentication = true,
            _ => {}
        }
    }
    request
}

/// Entries of a SUBSCRIBE. A 3.1.1 client sets no options but the quality of service.
pub(super) fn filters(entries: &[packet::SubEntry], properties: &[Property]) -> Vec<Filter> {
    let identifier = properties.iter().find_map(|property| match property {
        Property::SubscriptionIdentifier(identifier) => Some(identifier.val()),
        _ => None,
    });
    entries
        .iter()
        .map(|entry| Filter {
            filter: entry.topic_filter().to_owned(),
            options: SubscriptionOptions {
                qos: qos(entry.sub_opts().qos()),
                no_local: entry.sub_opts().nl(),
                retain_as_published: entry.sub_opts().rap(),
                identifier,
            },
            retain_handling: entry.sub_opts().rh() as u8,
        })
        .collect()
}

fn will_delay_s(properties: &[Property]) -> u32 {
    let delay = |property: &Property| match property {
        Property::WillDelayInterval(seconds) => Some(seconds.val()),
        _ => None,
    };
    properties.iter().find_map(delay).unwrap_or(0)
}

/// Session expiry of a DISCONNECT, in seconds.
pub(super) fn disconnect_expiry_s(disconnect: &v5_0::Disconnect) -> Option<u32> {
    disconnect.props().as_ref()?.iter().find_map(|property| match property {
        Property::SessionExpiryInterval(seconds) => Some(seconds.val()),
        _ => None,
    })
}

pub(super) fn qos(qos: packet::Qos) -> Qos {
    match qos {
        packet::Qos::AtMostOnce => Qos::AtMostOnce,
        packet::Qos::AtLeastOnce => Qos::AtLeastOnce,
        packet::Qos::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn properties(from: &[Property]) -> Option<Box<PublishProperties>> {
    let mut properties = PublishProperties::default();
    for property in from {
        match property {
            Property::PayloadFormatIndicator(indicator) => properties.payload_format_indicator = Some(indicator.val()),
            Property::MessageExpiryInterval(seconds) => properties.message_expiry_interval_s = Some(seconds.val()),
            Property::ContentType(text) => properties.content_type = Some(text.val().to_owned()),
            Property::ResponseTopic(text) => properties.response_topic = Some(text.val().to_owned()),
            Property::CorrelationData(data) => {
                properties.correlation_data = Some(Bytes::copy_from_slice(data.val()));
            }
            Property::UserProperty(pair) => {
                properties.user_properties.push((pair.key().to_owned(), pair.val().to_owned()));
            }
            _ => {}
        }
    }
    (properties != PublishProperties::default()).then(|| Box::new(properties))
}
