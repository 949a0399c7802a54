use bytes::Bytes;
use tidegate_telemetry::Publication;

use super::inbound::{Inbound, Will};
use super::limits::{Admission, Now};
use crate::access::ClientAuth;

/// Whose connection it is, and what of it outlives the connection.
#[derive(Debug)]
pub(super) struct Client {
    pub id: String,
    /// Number of its session.
    pub session: u64,
    /// The session outlives the connection.
    pub keeps: bool,
    /// How long, in seconds.
    pub expiry_s: u32,
    pub auth: ClientAuth,
    pub will: Option<Box<Will>>,
}

impl Client {
    /// Before its CONNECT: nobody in particular.
    pub(super) fn new() -> Self {
        Client { id: String::new(), session: 0, keeps: false, expiry_s: 0, auth: ClientAuth::anonymous(), will: None }
    }

    /// It has its session, which lasts `asked_s` where the admission says nothing else.
    pub(super) fn admit(&mut self, admission: &Admission, asked_s: u32) {
        self.session = admission.session;
        self.expiry_s = admission.expiry_s.unwrap_or(asked_s);
        self.keeps = admission.keeps;
    }

    /// A publication of it.
    pub(super) fn publication(&self, publish: &Inbound<'_>, now: Now) -> Publication {
        Publication {
            received_ms: now.unix_ms,
            client: self.id.clone(),
            principal: self.auth.principal().name().to_owned(),
            session: self.session,
            packet_id: publish.packet_id,
            topic: publish.topic.to_owned(),
            payload: Bytes::copy_from_slice(publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            properties: publish.properties.clone(),
            scope: self.auth.device_scope(&self.id, publish.topic),
            address: self.auth.address(),
        }
    }

    /// Its will as it would be published now, and the will's delay in seconds.
    pub(super) fn will(&self, unix_ms: i64) -> Option<(Publication, u32)> {
        let will = self.will.as_ref()?;
        let publication = Publication {
            received_ms: unix_ms,
            client: self.id.clone(),
            principal: self.auth.principal().name().to_owned(),
            session: self.session,
            packet_id: 0,
            topic: will.topic.clone(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            dup: false,
            properties: will.properties.clone(),
            scope: self.auth.device_scope(&self.id, &will.topic),
            address: self.auth.address(),
        };
        Some((publication, will.delay_s))
    }
}
