use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What someone shows to be let in. Borrowed: nothing of it outlives the question.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// MQTT client identifier; empty for viewers.
    pub client_id: &'a str,
    /// User name, if one was given.
    pub user: Option<&'a str>,
    /// Password or token, if one was given.
    pub password: Option<&'a [u8]>,
    /// Names in the certificate that the TLS handshake verified, if there was one.
    pub certificate: Option<&'a CertificateNames>,
    /// Where it comes from; none on a Unix socket, which only this machine reaches.
    pub address: Option<IpAddr>,
    /// Name of the listener, for messages.
    pub listener: &'a str,
}

impl fmt::Debug for Credentials<'_> {
    /// Without the password: this may end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("user", &self.user)
            .field("password", &self.password.map(|_| "…"))
            .field("certificate", &self.certificate)
            .field("address", &self.address)
            .field("listener", &self.listener)
            .finish()
    }
}

/// The names a certificate speaks for (RFC 5280).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateNames {
    /// Common name of the subject.
    pub common_name: Option<String>,
    /// Alternative names: DNS names, e-mail addresses and URIs, in the certificate's order.
    pub alternative_names: Vec<String>,
}

/// The present, passed in.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For delays: it never jumps.
    pub instant: Instant,
    /// For the times that stand in tokens, Unix ms.
    pub unix_ms: i64,
}

/// Why someone is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// User, password, token or certificate are wrong.
    BadCredentials,
    /// Nothing was shown and something is needed, or what was shown has no right to this.
    NotAuthorized,
    /// Too many wrong ones came from the address or for the user: not looked at before this time has passed.
    Throttled {
        /// How long.
        wait: Duration,
    },
    /// More passwords wait to be verified than may.
    Busy,
}

impl Refusal {
    /// CONNACK reason code of MQTT 5.0 (section 3.2.2.2).
    #[must_use]
    pub const fn reason_code(self) -> u8 {
        match self {
            Refusal::BadCredentials => 0x86,
            Refusal::NotAuthorized => 0x87,
            Refusal::Throttled { .. } => 0x9f,
            Refusal::Busy => 0x89,
        }
    }

    /// CONNACK return code of MQTT 3.1.1 (section 3.2.2.3).
    #[must_use]
    pub const fn return_code(self) -> u8 {
        match self {
            Refusal::BadCredentials => 4,
            Refusal::NotAuthorized => 5,
            Refusal::Throttled { .. } | Refusal::Busy => 3,
        }
    }

    /// Value of the `reason` label of `tidegate_identity_refused_total`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::BadCredentials => "bad_credentials",
            Refusal::NotAuthorized => "not_authorized",
            Refusal::Throttled { .. } => "throttled",
            Refusal::Busy => "busy",
        }
    }
}

/// A refusal with its words for the operator. They are never sent to whom is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What exactly, and what to do about it.
    pub detail: String,
}

impl Refused {
    /// A refusal in words.
    #[must_use]
    pub fn new(refusal: Refusal, detail: impl Into<String>) -> Self {
        Refused { refusal, detail: detail.into() }
    }
}
