use std::time::Instant;

use bytes::Bytes;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use tidegate_identity::{Refusal as WhyRefused, Refused};
use tidegate_telemetry::{Qos, Reason};

use super::{Machine, Phase, SAMPLE_BYTES_MAX, sample_of};
use crate::access::ClientAuth;
use crate::wire::end::End;
use crate::wire::inbound::{Inbound, Request};
use crate::wire::limits::Now;
use crate::wire::outbound::{Denial, Refusal};

/// Who the client is, and what it may do.
impl Machine {
    /// From now on the client is who `auth` says, and its connection ends with its credentials.
    pub(crate) fn identify(&mut self, auth: ClientAuth, now: Now) {
        self.lifetime.ends_with_credentials(auth.expires_ms(), now);
        self.client.auth = auth;
    }

    /// Turns the client away: it is not who it says, or may not come in. The words are the operator's; the client
    /// learns the code alone.
    pub(crate) fn turn_away_unknown(&mut self, refused: Refused) {
        let (reason, told) = match refused.refusal {
            WhyRefused::BadCredentials => (Reason::BadCredentials, "wrong user, password, token or certificate"),
            WhyRefused::Throttled { .. } => (Reason::BadCredentials, "too many wrong credentials: come back later"),
            WhyRefused::NotAuthorized => (Reason::NotAuthorized, "not authorized"),
            WhyRefused::Busy => (Reason::ClientLimit, "come back later"),
        };
        self.refuse(Refusal::Identity(refused.refusal), reason, told);
        self.finish(End::Refused { reason, detail: refused.detail, sample: Bytes::new() });
    }

    pub(crate) fn may_subscribe(&self, filter: &str) -> bool {
        self.client.auth.may_subscribe(&self.client.id, filter)
    }

    /// Whether the client has no right to this publication; then it is answered. A 3.1.1 client cannot be told, and an
    /// acknowledgement would say that it is stored: past QoS 0 it loses its connection (MQTT 3.1.1 section 3.3.5,
    /// MQTT-3.3.5-2).
    pub(super) fn is_denied(&mut self, publish: &Inbound<'_>, raw: &[u8], requests: &mut Vec<Request>) -> bool {
        if self.client.auth.may_publish(&self.client.id, publish.topic, publish.retain) {
            return false;
        }
        let retain = if publish.retain { " with the retain flag" } else { "" };
        let (client, principal) = (&self.client.id, self.client.auth.principal());
        let detail = format!("client {client:?} ({principal}) has no right to publish to {:?}{retain}", publish.topic);
        if !self.codec.is_v5() && publish.qos != Qos::AtMostOnce {
            self.end_with(DisconnectReasonCode::NotAuthorized, Reason::NotAuthorized, detail, raw);
            return true;
        }
        self.acknowledgements.refuse(publish, Denial::NotAuthorized);
        requests.push(Request::Refused {
            reason: Reason::NotAuthorized,
            detail,
            topic: sample_of(publish.topic),
            payload: Bytes::copy_from_slice(&publish.payload[..publish.payload.len().min(SAMPLE_BYTES_MAX)]),
        });
        true
    }

    /// Ends the connection when its credentials have ended.
    pub(super) fn end_with_credentials(&mut self, now: Instant) {
        if self.phase == Phase::Open && self.lifetime.has_expired_credentials(now) {
            let detail =
                format!("the token of {:?} has ended: connect with a new one", self.client.auth.principal().name());
            self.end_with(DisconnectReasonCode::NotAuthorized, Reason::NotAuthorized, detail, &[]);
        }
    }
}
