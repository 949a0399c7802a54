use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether listeners without identity may be reached from other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exposure {
    /// Only from this machine.
    #[default]
    LoopbackOnly,
    /// From everywhere: the network around the listener is closed, and the operator said so.
    AnonymousAllowed,
    /// From everywhere: who connects has to prove who it is.
    Identified,
}

/// A listener that would serve anybody.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "\"{address}\" can be reached from other machines, and nothing asks who connects: write {key} = \"{}\"{}; or, inside a \
     closed network such as a container's, start with --insecure-allow-anonymous (and check with it too)",
    on_loopback(*address),
    what_asks(key)
)]
pub struct ExposureError {
    /// Last part of the listener's configuration key, with its section where it has one of its own.
    pub key: &'static str,
    /// The address asked for.
    pub address: SocketAddr,
}

fn on_loopback(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(
        if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() },
        address.port(),
    )
}

/// What would ask who connects.
fn what_asks(key: &str) -> &'static str {
    if key.starts_with("http") {
        ", and let a proxy that asks lead to it (docs/security.md)"
    } else {
        ", or let devices prove who they are: password_file = \"users\" in [identity], filled by `tidegate passwd users NAME` \
         (docs/security.md has tokens and certificates)"
    }
}

impl Exposure {
    /// Refuses an address beyond loopback unless that was allowed.
    ///
    /// # Errors
    /// [`ExposureError`], which says what to do.
    pub fn check(self, key: &'static str, address: SocketAddr) -> Result<(), ExposureError> {
        match self {
            Exposure::LoopbackOnly if !address.ip().to_canonical().is_loopback() => Err(ExposureError { key, address }),
            Exposure::LoopbackOnly | Exposure::AnonymousAllowed | Exposure::Identified => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_service_beyond_loopback_is_refused_with_what_to_add() {
        for open in ["0.0.0.0:1883", "[::]:1883", "192.0.2.1:1883"] {
            let refused = Exposure::LoopbackOnly.check("mqtt.listen", open.parse().expect("an address"));
            let message = refused.expect_err("beyond loopback").to_string();
            assert!(message.contains("--insecure-allow-anonymous") && message.contains("mqtt.listen"), "{message}");
            assert_eq!(Exposure::AnonymousAllowed.check("mqtt.listen", open.parse().expect("an address")), Ok(()));
        }
        for closed in ["127.0.0.1:0", "[::1]:1883", "127.8.8.8:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(Exposure::LoopbackOnly.check("mqtt.listen", closed.parse().expect("an address")), Ok(()));
        }
    }
}
