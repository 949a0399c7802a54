//! The connection to the broker, in either version: the only file that names rumqttc.

use bytes::Bytes;
use rumqttc::{TlsConfiguration, Transport, v5};
use tidegate_telemetry::{PublishProperties, Qos};

use super::inbox::Waiting;
use super::tls::{self, ExternalError};
use crate::config::{BrokerConfig, ExternalConfig, Version};

/// What the broker said.
#[derive(Debug)]
pub(super) enum Said {
    /// It let the client in.
    Connected { session_present: bool },
    /// It hands over a message.
    Message(Box<Message>),
    /// It will not send a message of QoS 2 again.
    Released { packet_id: u16 },
    /// It answers a subscription; what it refused, if it did.
    Subscribed { refused: Option<String> },
    /// Something that needs nothing.
    Other,
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub qos: Qos,
    pub packet_id: u16,
    pub retain: bool,
    pub dup: bool,
    pub properties: Option<Box<PublishProperties>>,
}

impl Message {
    /// Without an answer the broker hands it over once more.
    fn comes_again(&self) -> bool {
        self.qos != Qos::AtMostOnce
    }
}

/// Hears the broker.
pub(super) enum Connection {
    V3(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// Speaks to the broker.
pub(super) enum Client {
    V3(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// Requests that wait to be written; the inbox keeps what does not fit.
const REQUESTS: usize = 1024;

/// Largest packet of 3.1.1 (section 2.2.3). The broker cannot be told another limit, and would send one that was
/// refused again and again; so it is taken, and the log refuses what is too large for it.
const PACKET_BYTES_MAX: usize = 268_435_455;

/// Prepares a connection; the first [`Connection::hear`] opens it.
pub(super) fn prepare(config: &BrokerConfig, own: &ExternalConfig) -> Result<(Client, Connection), ExternalError> {
    let (host, port) = own.address.rsplit_once(':').unwrap_or((&own.address, "1883"));
    let port = port.parse().unwrap_or(1883);
    let transport = match own.tls() {
        Some(files) => Transport::tls_with_config(TlsConfiguration::Rustls(tls::client_config(files)?)),
        None => Transport::tcp(),
    };
    let login = login(own)?;
    let (client, mut connection) = match own.version {
        Version::V3 => {
            let mut options = rumqttc::MqttOptions::new(&own.client_id, host, port);
            options.set_clean_session(false).set_keep_alive(own.keep_alive).set_manual_acks(true);
            options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX).set_transport(transport);
            if let Some((user, password)) = login {
                options.set_credentials(user, password);
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
            events.network_options.set_connection_timeout(own.connect_timeout.as_secs());
            events.network_options.set_tcp_nodelay(true);
            (Client::V3(client), Connection::V3(Box::new(events)))
        }
        Version::V5 => {
            let mut options = v5::MqttOptions::new(&own.client_id, host, port);
            let expiry_s = u32::try_from(own.session_expiry.as_secs()).unwrap_or(u32::MAX);
            let packet_bytes_max = u32::try_from(config.packet_bytes_max).unwrap_or(u32::MAX);
            options.set_clean_start(false).set_keep_alive(own.keep_alive).set_manual_acks(true);
            options.set_session_expiry_interval(Some(expiry_s)).set_receive_maximum(Some(own.inflight_max));
            options.set_max_packet_size(Some(packet_bytes_max)).set_transport(transport);
            options.set_connection_timeout(own.connect_timeout.as_secs());
            let mut network = options.network_options();
            network.set_tcp_nodelay(true);
            options.set_network_options(network);
            if let Some((user, password)) = login {
                options.set_credentials(user, password);
            }
            let (client, events) = v5::AsyncClient::new(options, REQUESTS);
            (Client::V5(client), Connection::V5(Box::new(events)))
        }
    };
    connection.expect_releases();
    Ok((client, connection))
}

fn login(own: &ExternalConfig) -> Result<Option<(String, String)>, ExternalError> {
    if own.user.is_empty() {
        return Ok(None);
    }
    let password = match &own.password_file {
        None => String::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|source| ExternalError::Password { path: path.clone(), source })?;
            text.lines().next().unwrap_or_default().to_owned()
        }
    };
    Ok(Some((own.user.clone(), password)))
}

impl Connection {
    /// Waits for what the broker says next; connects first if need be. Not to be dropped before it is done.
    ///
    /// # Errors
    /// When there is no connection, in words that say what to do where that is known.
    pub(super) async fn hear(&mut self) -> Result<Said, String> {
        let said = match self {
            Connection::V3(events) => match events.poll().await {
                Ok(rumqttc::Event::Incoming(packet)) => Ok(said_v3(packet)),
                Ok(rumqttc::Event::Outgoing(_)) => Ok(Said::Other),
                Err(error) => Err(error.to_string()),
            },
            Connection::V5(events) => match events.poll().await {
                Ok(v5::Event::Incoming(packet)) => Ok(said_v5(packet)),
                Ok(v5::Event::Outgoing(_)) => Ok(Said::Other),
                Err(error) => Err(error.to_string()),
            },
        };
        said.map_err(explained)
    }

    /// Ends the connection, and with it what was read or to be written: messages without an answer come again.
    pub(super) fn close(&mut self) {
        match self {
            Connection::V3(events) => {
                events.clean();
                events.pending.clear();
                let comes_again = |packet| matches!(said_v3(packet), Said::Message(message) if message.comes_again());
                events.state.events.retain(|event| match event {
                    rumqttc::Event::Incoming(packet) => !comes_again(packet.clone()),
                    rumqttc::Event::Outgoing(_) => false,
                });
            }
            Connection::V5(events) => {
                events.clean();
                events.pending.clear();
                let comes_again = |packet| matches!(said_v5(packet), Said::Message(message) if message.comes_again());
                events.state.events.retain(|event| match event {
                    v5::Event::Incoming(packet) => !comes_again(packet.clone()),
                    v5::Event::Outgoing(_) => false,
                });
            }
        }
        self.expect_releases();
    }

    /// Has every PUBREL answered, as a receiver must (MQTT-4.3.3-11). rumqttc closes the connection on one whose
    /// PUBLISH it has not seen on the same connection; a broker that resumes a session sends just such ones.
    fn expect_releases(&mut self) {
        for packet_id in 1..=u16::MAX {
            match self {
                Connection::V3(events) => {
                    let mut publish = rumqttc::Publish::new("", rumqttc::QoS::ExactlyOnce, Vec::new());
                    publish.pkid = packet_id;
                    let _nothing_to_send = events.state.handle_incoming_packet(rumqttc::Packet::Publish(publish));
                    events.state.events.pop_back();
                }
                Connection::V5(events) => {
                    use v5::mqttbytes::{QoS, v5::Packet, v5::Publish};
                    let mut publish = Publish::new("", QoS::ExactlyOnce, Bytes::new(), None);
                    publish.pkid = packet_id;
                    let _nothing_to_send = events.state.handle_incoming_packet(Packet::Publish(publish));
                    events.state.events.pop_back();
                }
            }
        }
    }
}

impl Client {
    /// Acknowledges a message; `false` when that has to wait.
    pub(super) fn answer(&self, waiting: Waiting) -> bool {
        match self {
            Client::V3(client) => {
                let mut publish = rumqttc::Publish::new("", qos_v3(waiting.qos), Vec::new());
                publish.pkid = waiting.packet_id;
                client.try_ack(&publish).is_ok()
            }
            Client::V5(client) => {
                let mut publish = v5::mqttbytes::v5::Publish::new("", qos_v5(waiting.qos), Bytes::new(), None);
                publish.pkid = waiting.packet_id;
                client.try_ack(&publish).is_ok()
            }
        }
    }

    /// Subscribes; the broker's answer is heard.
    pub(super) fn subscribe(&self, filters: Vec<String>, qos: Qos) -> bool {
        match self {
            Client::V3(client) => {
                let filters = filters.into_iter().map(|path| rumqttc::SubscribeFilter::new(path, qos_v3(qos)));
                client.try_subscribe_many(filters).is_ok()
            }
            Client::V5(client) => {
                use v5::mqttbytes::v5::{Filter, RetainForwardRule};
                let filters = filters.into_iter().map(|path| Filter {
                    // Then the flag marks what the broker had kept, and nothing that is published now (section 3.3.1.3).
                    preserve_retain: false,
                    retain_forward_rule: RetainForwardRule::OnNewSubscribe,
                    ..Filter::new(path, qos_v5(qos))
                });
                client.try_subscribe_many(filters).is_ok()
            }
        }
    }

    /// Says good-bye.
    pub(super) fn disconnect(&self) {
        let _gone_anyway = match self {
            Client::V3(client) => client.try_disconnect().is_ok(),
            Client::V5(client) => client.try_disconnect().is_ok(),
        };
    }
}

fn said_v3(packet: rumqttc::Packet) -> Said {
    use rumqttc::{Packet, SubscribeReasonCode};
    match packet {
        Packet::ConnAck(connack) => Said::Connected { session_present: connack.session_present },
        Packet::Publish(publish) => Said::Message(Box::new(Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: Qos::from_level(publish.qos as u8).unwrap_or(Qos::AtMostOnce),
            packet_id: publish.pkid,
            retain: publish.retain,
            dup: publish.dup,
            properties: None,
        })),
        Packet::PubRel(release) => Said::Released { packet_id: release.pkid },
        Packet::SubAck(answer) => {
            let refused = answer.return_codes.contains(&SubscribeReasonCode::Failure);
            Said::Subscribed { refused: refused.then(|| "Failure".to_owned()) }
        }
        _ => Said::Other,
    }
}

fn said_v5(packet: v5::mqttbytes::v5::Packet) -> Said {
    use v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
    match packet {
        Packet::ConnAck(connack) => Said::Connected { session_present: connack.session_present },
        Packet::Publish(publish) => Said::Message(Box::new(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            qos: Qos::from_level(publish.qos as u8).unwrap_or(Qos::AtMostOnce),
            packet_id: publish.pkid,
            retain: publish.retain,
            dup: publish.dup,
            properties: publish.properties.and_then(properties),
        })),
        Packet::PubRel(release) => Said::Released { packet_id: release.pkid },
        Packet::SubAck(answer) => {
            let refused = answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
            Said::Subscribed { refused: refused.map(|code| format!("{code:?}")) }
        }
        _ => Said::Other,
    }
}

fn properties(from: v5::mqttbytes::v5::PublishProperties) -> Option<Box<PublishProperties>> {
    let properties = PublishProperties {
        payload_format_indicator: from.payload_format_indicator,
        message_expiry_interval_s: from.message_expiry_interval,
        content_type: from.content_type,
        response_topic: from.response_topic,
        correlation_data: from.correlation_data,
        user_properties: from.user_properties,
    };
    (properties != PublishProperties::default()).then(|| Box::new(properties))
}

fn qos_v3(qos: Qos) -> rumqttc::QoS {
    match qos {
        Qos::AtMostOnce => rumqttc::QoS::AtMostOnce,
        Qos::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
        Qos::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
    }
}

fn qos_v5(qos: Qos) -> v5::mqttbytes::QoS {
    match qos {
        Qos::AtMostOnce => v5::mqttbytes::QoS::AtMostOnce,
        Qos::AtLeastOnce => v5::mqttbytes::QoS::AtLeastOnce,
        Qos::ExactlyOnce => v5::mqttbytes::QoS::ExactlyOnce,
    }
}

/// What the operator can do about it, where the error tells.
fn explained(error: String) -> String {
    let advice = [
        ("SessionTakenOver", "another client uses the same identifier: give each tidegate its own external.client_id"),
        ("BadUserNamePassword", "check external.user and external.password_file"),
        ("NotAuthorized", "check external.user and external.password_file, and what the broker allows it"),
        ("UnsupportedProtocolVersion", "set external.version = \"3.1.1\""),
        ("RefusedProtocolVersion", "set external.version = \"3.1.1\""),
        ("InvalidCertificate", "check external.ca, and that the certificate names the host of external.address"),
        ("onnection refused (os error", "is the broker running at external.address?"),
    ];
    match advice.iter().find(|(sign, _)| error.contains(sign)) {
        Some((_, advice)) => format!("{error}: {advice}"),
        None => error,
    }
}
