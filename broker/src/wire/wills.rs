use tidegate_telemetry::Publication;

use super::end::End;
use super::inbound::Will;
use super::machine::Machine;

/// What is published when the connection ends without a word.
impl Machine {
    /// After the end: the will as a publication and its delay in seconds, if it is to be published.
    pub(crate) fn take_will(&mut self, unix_ms: i64) -> Option<(Publication, u32)> {
        let will = self.will.take()?;
        self.ended().is_some_and(End::leaves_a_will).then(|| (self.will_publication(&will, unix_ms), will.delay_s))
    }

    /// The will as it would be published now.
    pub(crate) fn will(&self, unix_ms: i64) -> Option<(Publication, u32)> {
        self.will.as_ref().map(|will| (self.will_publication(will, unix_ms), will.delay_s))
    }

    fn will_publication(&self, will: &Will, unix_ms: i64) -> Publication {
        Publication {
            received_ms: unix_ms,
            client: self.client.clone(),
            principal: self.speaker.principal().name().to_owned(),
            session: self.session,
            packet_id: 0,
            topic: will.topic.clone(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            dup: false,
            properties: will.properties.clone(),
            scope: self.speaker.device_scope(&self.client, &will.topic),
            address: self.speaker.address(),
        }
    }
}
