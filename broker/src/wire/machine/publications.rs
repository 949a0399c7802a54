use bytes::Bytes;
use mqtt_protocol_core::mqtt::result_code::{DisconnectReasonCode, MqttError};
use tidegate_telemetry::{PublishProperties, Reason};

use super::{Machine, Phase, SAMPLE_BYTES_MAX, sample_of};
use crate::topics::TopicError;
use crate::wire::inbound::{Inbound, Request};
use crate::wire::limits::Now;
use crate::wire::outbound::Denial;

/// Where bridges of other brokers say whether they are connected, by publication and by will.
const BRIDGE_STATES: &str = "$SYS/broker/connection/";

/// What the client publishes.
impl Machine {
    pub(super) fn publish(&mut self, publish: &Inbound<'_>, raw: &[u8], now: Now, requests: &mut Vec<Request>) {
        if self.phase != Phase::Open {
            return self.protocol_error(MqttError::ProtocolError, raw);
        }
        if let Err(error) = self.limits.topics.check_name(publish.topic) {
            if !(error.is_limit() && self.codec.is_v5()) {
                let code = match error {
                    TopicError::Nul => DisconnectReasonCode::MalformedPacket,
                    _ => DisconnectReasonCode::TopicNameInvalid,
                };
                return self.end_with(code, Reason::InvalidTopic, error.to_string(), raw);
            }
            self.acknowledgements.refuse(publish, Denial::TopicInvalid);
            return requests.push(Request::Refused {
                reason: Reason::InvalidTopic,
                detail: error.to_string(),
                topic: sample_of(publish.topic),
                payload: Bytes::copy_from_slice(&publish.payload[..publish.payload.len().min(SAMPLE_BYTES_MAX)]),
            });
        }
        if self.is_denied(publish, raw, requests) {
            return;
        }
        if let Some(denial) = self.denies(publish.topic, publish.payload, publish.properties.as_deref()) {
            self.acknowledgements.refuse(publish, denial);
            return requests.push(Request::Refused {
                reason: denial.reason(),
                detail: denial.words().to_owned(),
                topic: sample_of(publish.topic),
                payload: Bytes::copy_from_slice(&publish.payload[..publish.payload.len().min(SAMPLE_BYTES_MAX)]),
            });
        }
        if self.acknowledgements.owes_answers() {
            return requests.push(Request::Refused {
                reason: Reason::DiskFull,
                detail: "the disk was full and the client, which speaks 3.1.1, has not reconnected yet".to_owned(),
                topic: sample_of(publish.topic),
                payload: Bytes::new(),
            });
        }
        self.acknowledgements.expect(publish);
        requests.push(Request::Publish(Box::new(self.client.publication(publish, now))));
    }

    /// Why a publication or will is not taken, though its topic is valid. A 3.1.1 client cannot be told: what it
    /// publishes to the server's own topics is acknowledged, dropped and counted.
    pub(super) fn denies(&self, topic: &str, payload: &[u8], properties: Option<&PublishProperties>) -> Option<Denial> {
        if topic.starts_with("$SYS/") && !topic.starts_with(BRIDGE_STATES) {
            return Some(Denial::ServersTopic);
        }
        let (properties, limits) = (properties?, &self.limits.properties);
        if properties.bytes() > limits.bytes_max || properties.user_properties.len() > limits.user_max {
            return Some(Denial::Properties);
        }
        let is_text = properties.payload_format_indicator == Some(1);
        let is_wrong = limits.checks_payload_format && is_text && std::str::from_utf8(payload).is_err();
        is_wrong.then_some(Denial::PayloadFormat)
    }
}
