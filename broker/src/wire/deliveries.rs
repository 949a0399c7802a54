use tidegate_telemetry::Qos;

use super::machine::{Machine, Phase};
use super::outbound;
use crate::engines::gate::outbox::Delivery;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    Sent,
    /// Its expiry interval passed (MQTT-3.3.2-5).
    Expired,
    /// The client takes no packets that large (MQTT-3.1.2-24).
    TooLarge,
}

/// What the client gets, within what it takes at a time.
impl Machine {
    /// Whether the client takes a delivery of that quality of service now (MQTT-3.3.4-9).
    pub(crate) fn takes(&self, qos: Qos) -> bool {
        self.phase == Phase::Open && (qos == Qos::AtMostOnce || self.deliveries_inflight < self.deliveries_max)
    }

    /// Sends a publication to the client, which [`Machine::takes`] it.
    pub(crate) fn deliver(&mut self, delivery: &Delivery, unix_ms: i64) -> Delivered {
        let expiry = delivery.message.properties.as_ref().and_then(|properties| properties.message_expiry_interval_s);
        let waited_s = u32::try_from((unix_ms - delivery.message.received_ms).max(0) / 1000).unwrap_or(u32::MAX);
        let left_s = expiry.map(|expiry_s| expiry_s.saturating_sub(waited_s));
        if left_s == Some(0) {
            return Delivered::Expired;
        }
        let packet_id = match delivery.qos {
            Qos::AtMostOnce => None,
            _ => match self.mqtt.acquire_packet_id() {
                Ok(packet_id) => Some(packet_id),
                Err(_) => return Delivered::TooLarge,
            },
        };
        let before = self.output.len();
        if let Ok(packet) = outbound::publish(self.v5, delivery, packet_id, left_s) {
            self.send(packet);
        }
        if self.output.len() == before {
            if let Some(packet_id) = packet_id {
                self.mqtt.release_packet_id(packet_id);
            }
            return Delivered::TooLarge;
        }
        self.deliveries_inflight += u16::from(packet_id.is_some());
        Delivered::Sent
    }

    pub(super) fn delivered(&mut self) {
        self.deliveries_inflight = self.deliveries_inflight.saturating_sub(1);
    }
}
