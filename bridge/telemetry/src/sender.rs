//! Who sent a publication, and how it came.

use std::net::IpAddr;

use bytes::Bytes;

use crate::problem::{Problem, Rejection};
use crate::publication::{Publication, Qos};
use crate::scope::DeviceScope;
use crate::shares::Owner;

/// A publication without its payload: all of it that processing gets beside [`Decoded`](crate::Decoded).
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a>(&'a Publication);

impl Publication {
    /// Who sent it, and how it came.
    #[must_use]
    pub fn sender(&self) -> Sender<'_> {
        Sender(self)
    }
}

impl<'a> Sender<'a> {
    /// MQTT client identifier; empty where the engine does not know it.
    #[must_use]
    pub fn client(self) -> &'a str {
        &self.0.client
    }

    /// Whom the client proved to be.
    #[must_use]
    pub fn principal(self) -> &'a str {
        &self.0.principal
    }

    /// Where a client is that proved nothing.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        self.0.address
    }

    /// In whose share of what is bounded the publication counts.
    #[must_use]
    pub fn owner(self) -> Owner {
        self.0.owner()
    }

    /// Topic name.
    #[must_use]
    pub fn topic(self) -> &'a str {
        &self.0.topic
    }

    /// Quality of service.
    #[must_use]
    pub fn qos(self) -> Qos {
        self.0.qos
    }

    /// Packet identifier; 0 for QoS 0.
    #[must_use]
    pub fn packet_id(self) -> u16 {
        self.0.packet_id
    }

    /// Whether the publication is marked as sent again.
    #[must_use]
    pub fn is_marked_as_sent_again(self) -> bool {
        self.0.dup
    }

    /// See [`Publication::is_retained_copy`].
    #[must_use]
    pub fn is_retained_copy(self) -> bool {
        self.0.is_retained_copy()
    }

    /// The devices that the publication may name; `None`: any.
    #[must_use]
    pub fn scope(self) -> Option<&'a DeviceScope> {
        self.0.scope.as_ref()
    }

    /// MQTT 5 correlation data.
    #[must_use]
    pub fn correlation_data(self) -> Option<&'a [u8]> {
        self.0.properties.as_ref()?.correlation_data.as_deref()
    }

    /// The publication as the answer to a command: nobody decodes an answer, people get it as it came.
    #[must_use]
    pub fn answer(self) -> Bytes {
        self.0.payload.clone()
    }

    /// 32 bits of who says what and where: two publications with the same ones are taken to be the same words. They stand in
    /// checkpoints.
    #[must_use]
    pub fn fingerprint(self) -> u32 {
        fnv([self.0.principal.as_bytes(), self.0.topic.as_bytes(), &self.0.payload])
    }

    /// What of the publication was not taken, for counters and the quarantine.
    #[must_use]
    pub fn problem(self, rejection: Rejection) -> Problem {
        Problem::of(self.0, rejection.reason, rejection.detail)
    }
}

/// FNV-1a (Fowler, Noll, Vo), folded to 32 bits.
fn fnv<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let hash = parts.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, part| {
        // No text has this byte: where one part ends counts.
        part.iter().chain(&[0xFF]).fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    });
    (hash ^ (hash >> 32)) as u32
}
