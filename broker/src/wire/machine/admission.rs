use bytes::Bytes;
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;
use tidegate_telemetry::Reason;

use super::{Machine, Phase};
use crate::access::KeptOut;
use crate::wire::end::End;
use crate::wire::inbound::{ConnectRequest, Request};
use crate::wire::limits::{Admission, Now};
use crate::wire::outbound::{self, Refusal};
use crate::wire::version::Version;

/// From CONNECT to CONNACK.
impl Machine {
    pub(super) fn connect(&mut self, mut connect: ConnectRequest, raw: &[u8], requests: &mut Vec<Request>) {
        self.codec.speak_as(&connect);
        connect.packet_bytes = raw.len();
        if connect.enhanced_authentication {
            return self.refuse(Refusal::Authentication, Reason::ClientLimit, "enhanced authentication is not served");
        }
        let without_session = !connect.version.is_v5() && !connect.clean;
        let id_bytes = connect.client_id.len();
        // MQTT 3.1 section 3.1 has no empty one; it also has none of more than 23 characters, which clients never kept to.
        let takes_empty = !without_session && connect.version != Version::V3_1;
        if (id_bytes == 0 && !takes_empty) || id_bytes > self.limits.client_id_bytes_max {
            let detail = "the client identifier is longer than mqtt.client_id_bytes_max, or empty where it may not be";
            return self.refuse(Refusal::ClientId, Reason::ClientLimit, detail);
        }
        if let Some(will) = &connect.will
            && let Err(error) = self.limits.topics.check_name(&will.topic)
        {
            let detail = format!("the will: {error}");
            if !connect.version.is_v5() {
                // MQTT 3.1.1, MQTT-3.2.2-6: it has no code for this.
                return self.end_with(DisconnectReasonCode::TopicNameInvalid, Reason::InvalidTopic, detail, &[]);
            }
            return self.refuse(Refusal::WillTopic, Reason::InvalidTopic, &detail);
        }
        if let Some(will) = &connect.will
            && let Some(denial) = self.denies(&will.topic, &will.payload, will.properties.as_deref())
        {
            return self.refuse(Refusal::Will(denial), denial.reason(), &format!("the will: {}", denial.words()));
        }
        self.client.id.clone_from(&connect.client_id);
        self.phase = Phase::AwaitingAdmission;
        requests.push(Request::Connect(Box::new(connect)));
    }

    /// The client has its session; it is let in by [`Machine::accept`]. If the connection ends before, it has no will.
    pub(crate) fn admit(&mut self, connect: &ConnectRequest, admission: &Admission) {
        self.client.admit(admission, connect.expiry_s);
        self.acknowledgements.restore(&admission.received);
    }

    /// Lets the client in and goes on with what it sent after its CONNECT.
    pub(crate) fn accept(
        &mut self,
        connect: &ConnectRequest,
        admission: Admission,
        now: Now,
        requests: &mut Vec<Request>,
    ) {
        self.phase = Phase::Open;
        self.admit(connect, &admission);
        let deliveries_max = connect.receive_max.min(self.limits.delivery_inflight_max);
        self.deliveries.open(deliveries_max, connect.alias_max.min(self.limits.topic_alias_max));
        let server_keep_alive = self.server_keep_alive_s(connect);
        self.lifetime.keep_alive(self.keep_alive_s(connect));
        self.lifetime.heard(now.instant);
        if let Some(assigned) = &admission.assigned_client_id {
            self.client.id.clone_from(assigned);
        }
        self.codec.open(connect, admission.received.keys().copied());
        let connack = outbound::connack(self.codec.version(), &admission, &self.limits, server_keep_alive);
        if !self.codec.send(connack) {
            // MQTT-3.1.2-24: it cannot be told that it is in, nor why it is not.
            let detail = "its maximum packet size leaves no room for the CONNACK".to_owned();
            return self.abandon(End::Refused { reason: Reason::ClientLimit, detail, sample: Bytes::new() });
        }
        self.client.will.clone_from(&connect.will);
        let held = self.unfinished.take();
        self.frames(&held, now, requests);
    }

    /// Longest silence between two packets of the client, in seconds; 0: any.
    pub(crate) fn keep_alive_s(&self, connect: &ConnectRequest) -> u16 {
        self.server_keep_alive_s(connect).unwrap_or(connect.keep_alive_s)
    }

    /// Where it is another than the client's own. A 3.1.1 client cannot be told.
    fn server_keep_alive_s(&self, connect: &ConnectRequest) -> Option<u16> {
        match (connect.version.is_v5(), connect.keep_alive_s, self.limits.keep_alive_max_s) {
            (true, asked, max) if max > 0 && (asked == 0 || asked > max) => Some(max),
            _ => None,
        }
    }

    /// Turns the client away because the server cannot take it now.
    pub(crate) fn turn_away(&mut self, detail: &str) {
        self.refuse(Refusal::Busy, Reason::ClientLimit, detail);
    }

    /// Turns the client away because a limit keeps it out.
    pub(crate) fn keep_out(&mut self, kept_out: &KeptOut) {
        self.codec.send_explained(|v5, why| outbound::refusal(v5, Refusal::Limit(kept_out.by), why), &kept_out.detail);
        self.finish(End::KeptOut);
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, reason: Reason, detail: &str) {
        self.codec.send_explained(|v5, why| outbound::refusal(v5, refusal, why), detail);
        self.finish(End::Refused { reason, detail: detail.to_owned(), sample: Bytes::new() });
    }
}
