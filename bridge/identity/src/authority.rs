use std::net::IpAddr;

use crate::certificate::{CertificateName, Certificates};
use crate::config::{Anonymous, IdentityConfig};
use crate::error::IdentityError;
use crate::guard::Guard;
use crate::password::Passwords;
use crate::rights::{Rights, Subject};
use crate::token::Tokens;
use crate::{Authenticator, Check, Credentials, Exposure, Identity, Now, Refusal, Refused};

/// Decides who someone is, by every way that is configured, and holds what they may do. Brokers and viewers share one.
pub struct Authority {
    config: IdentityConfig,
    ways: Vec<(&'static str, Box<dyn Authenticator>)>,
    guard: Guard,
    rights: Rights,
}

impl Authority {
    /// Reads the files and builds the rules. Blocks on the disk.
    ///
    /// # Errors
    /// What keeps it from being used, with what to do.
    pub fn open(config: IdentityConfig) -> Result<Self, IdentityError> {
        let mut ways: Vec<(&'static str, Box<dyn Authenticator>)> = Vec::new();
        if config.certificate_name != CertificateName::None {
            ways.push(("certificate", Box::new(Certificates(config.certificate_name))));
        }
        if let Some(token) = config.token() {
            ways.push(("token", Box::new(Tokens::open(token)?)));
        }
        if let Some(file) = &config.password_file {
            let passwords = Passwords::open(file.clone(), config.password_cache, config.password_cache_max)?;
            ways.push(("password", Box::new(passwords)));
        }
        let rights = Rights::new(&config.rights)?;
        for way in ["anonymous", "certificate", "token", "password"] {
            metrics::counter!("tidegate_identity_accepted_total", "way" => way).increment(0);
        }
        Ok(Authority { ways, rights, guard: Guard::new(config.guard.clone()), config })
    }

    /// Lets everybody in and everything be done, as on a machine's own loopback.
    #[must_use]
    pub fn anybody() -> Self {
        Authority::open(IdentityConfig::default()).expect("without files and rules nothing can be wrong")
    }

    /// What it was set up with.
    #[must_use]
    pub fn config(&self) -> &IdentityConfig {
        &self.config
    }

    /// What may be done.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// How far listeners may reach that ask this authority: beyond loopback once it asks who connects.
    #[must_use]
    pub fn exposure(&self, otherwise: Exposure) -> Exposure {
        self.config.exposure(otherwise)
    }

    /// Looks at credentials, in microseconds. Says [`Check::Slow`] where a password has to be verified.
    pub fn check(&self, credentials: &Credentials<'_>, now: Now) -> Check {
        self.ask(credentials, now, false)
    }

    /// Looks at credentials for which [`Authority::check`] said [`Check::Slow`]; keeps a core busy meanwhile.
    pub fn check_slowly(&self, credentials: &Credentials<'_>, now: Now) -> Check {
        self.ask(credentials, now, true)
    }

    /// Reads files again that have changed. Blocks on the disk; to be called each second or so.
    pub fn refresh(&self) {
        self.ways.iter().for_each(|(_, way)| way.refresh());
    }

    fn ask(&self, credentials: &Credentials<'_>, now: Now, may_be_slow: bool) -> Check {
        // Asked again where it was slow: what came in between counts.
        if let Some(wait) = self.guard.wait(credentials.address, credentials.user, now.instant) {
            let detail = format!("too many wrong credentials: looked at again in {:.1} s", wait.as_secs_f64());
            return self.refused(Refused::new(Refusal::Throttled { wait }, detail));
        }
        for (name, way) in &self.ways {
            let check = if may_be_slow { way.check_slowly(credentials, now) } else { way.check(credentials, now) };
            match check {
                Check::NotMine => {}
                Check::Slow => return Check::Slow,
                Check::Known(identity) => return self.known(name, credentials, identity),
                Check::Refused(refused) => {
                    if refused.refusal == Refusal::BadCredentials {
                        self.guard.failed(credentials.address, credentials.user, now.instant);
                    }
                    return self.refused(refused);
                }
            }
        }
        self.nothing_shown(credentials)
    }

    fn known(&self, way: &'static str, credentials: &Credentials<'_>, mut identity: Identity) -> Check {
        identity.proof = way;
        // A user name beside a token or certificate is a mere claim: it must not become that user's home.
        let user = credentials.user.filter(|user| *user == identity.principal.name());
        self.guard.succeeded(credentials.address, user);
        metrics::counter!("tidegate_identity_accepted_total", "way" => way).increment(1);
        Check::Known(identity)
    }

    fn nothing_shown(&self, credentials: &Credentials<'_>) -> Check {
        let is_claimed = credentials.user.is_some() || credentials.password.is_some();
        if is_claimed && !self.ways.is_empty() {
            let detail = "what was shown is none of the ways that [identity] sets up";
            return self.refused(Refused::new(Refusal::BadCredentials, detail));
        }
        let is_local = credentials.address.is_none_or(|address: IpAddr| address.to_canonical().is_loopback());
        let is_let_in = match self.config.anonymous {
            Anonymous::Auto => self.ways.is_empty(),
            Anonymous::Never => false,
            Anonymous::Loopback => is_local,
            Anonymous::Everywhere => true,
        };
        if is_let_in {
            metrics::counter!("tidegate_identity_accepted_total", "way" => "anonymous").increment(1);
            return Check::Known(Identity::anonymous());
        }
        let detail = "no user, token or certificate was shown, and identity.anonymous does not let it in";
        self.refused(Refused::new(Refusal::NotAuthorized, detail))
    }

    fn refused(&self, refused: Refused) -> Check {
        metrics::counter!("tidegate_identity_refused_total", "reason" => refused.refusal.name()).increment(1);
        Check::Refused(refused)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Identity {
    /// The identity with a client identifier, for a question about rights.
    #[must_use]
    pub fn subject<'a>(&'a self, client: &'a str) -> Subject<'a> {
        let user = (!self.principal.is_anonymous()).then(|| self.principal.name());
        Subject { client, user, groups: &self.groups }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use std::time::Duration;

    use super::*;
    use crate::guard::GuardConfig;
    use crate::rights::Right;
    use crate::set_password;

    const ELSEWHERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    fn now() -> Now {
        Now { instant: Instant::now(), unix_ms: 1_800_000_000_000 }
    }

    fn shows<'a>(user: &'a str, password: &'a str) -> Credentials<'a> {
        Credentials {
            user: Some(user),
            password: Some(password.as_bytes()),
            address: ELSEWHERE,
            ..Credentials::default()
        }
    }

    fn with_users(change: impl FnOnce(&mut IdentityConfig)) -> (tempfile::TempDir, Authority) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("passwords");
        set_password(&file, "truck", b"secret").unwrap();
        let mut config = IdentityConfig { password_file: Some(file), ..IdentityConfig::default() };
        change(&mut config);
        let authority = Authority::open(config).unwrap();
        (folder, authority)
    }

    fn refusal(check: Check) -> Refusal {
        match check {
            Check::Refused(refused) => refused.refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_is_verified_slowly_once_and_then_at_once() {
        let (_folder, authority) = with_users(|_| {});
        let good = shows("truck", "secret");
        assert_eq!(authority.check(&good, now()), Check::Slow);
        let Check::Known(identity) = authority.check_slowly(&good, now()) else { panic!("it is right") };
        assert_eq!(identity.principal.name(), "truck");
        assert_eq!(authority.check(&good, now()), Check::Known(identity));
        assert_eq!(authority.check(&shows("truck", "secreT"), now()), Check::Slow);
        assert_eq!(refusal(authority.check_slowly(&shows("truck", "secreT"), now())), Refusal::BadCredentials);
        assert_eq!(refusal(authority.check_slowly(&shows("nobody", "secret"), now())), Refusal::BadCredentials);
    }

    #[test]
    fn a_changed_password_file_counts_without_a_restart() {
        let (folder, authority) = with_users(|_| {});
        assert!(matches!(authority.check_slowly(&shows("truck", "secret"), now()), Check::Known(_)));
        set_password(&folder.path().join("passwords"), "truck", b"new one").unwrap();
        authority.refresh();
        assert_eq!(refusal(authority.check_slowly(&shows("truck", "secret"), now())), Refusal::BadCredentials);
        assert!(matches!(authority.check_slowly(&shows("truck", "new one"), now()), Check::Known(_)));
        std::fs::write(folder.path().join("passwords"), "broken").unwrap();
        authority.refresh();
        assert!(matches!(authority.check(&shows("truck", "new one"), now()), Check::Known(_)), "the old one serves on");
    }

    #[test]
    fn guessing_is_slowed_down_before_a_password_is_looked_at() {
        let guard = GuardConfig { failures_free: 1, ..GuardConfig::default() };
        let (_folder, authority) = with_users(|config| config.guard = guard);
        for _ in 0..2 {
            assert_eq!(refusal(authority.check_slowly(&shows("truck", "guess"), now())), Refusal::BadCredentials);
        }
        assert!(matches!(refusal(authority.check(&shows("truck", "secret"), now())), Refusal::Throttled { .. }));
        let later = Now { instant: Instant::now() + Duration::from_secs(2), ..now() };
        assert!(matches!(authority.check_slowly(&shows("truck", "secret"), later), Check::Known(_)));
    }

    #[test]
    fn those_who_show_nothing_are_let_in_only_while_nothing_can_be_shown() {
        let nothing = Credentials { address: ELSEWHERE, ..Credentials::default() };
        let here = Credentials { address: Some([127, 0, 0, 1].into()), ..nothing };
        assert_eq!(Authority::anybody().check(&nothing, now()), Check::Known(Identity::anonymous()));
        let (_folder, authority) = with_users(|_| {});
        assert_eq!(refusal(authority.check(&here, now())), Refusal::NotAuthorized);
        let (_folder, authority) = with_users(|config| config.anonymous = Anonymous::Loopback);
        assert!(matches!(authority.check(&here, now()), Check::Known(_)));
        assert_eq!(refusal(authority.check(&nothing, now())), Refusal::NotAuthorized);
        let (_folder, authority) = with_users(|config| config.anonymous = Anonymous::Everywhere);
        assert!(matches!(authority.check(&nothing, now()), Check::Known(_)));
    }

    #[test]
    fn a_listener_reaches_further_once_it_asks_who_connects() {
        let open = "0.0.0.0:1883".parse().unwrap();
        assert!(Authority::anybody().exposure(Exposure::LoopbackOnly).check("mqtt.listen", open).is_err());
        let (_folder, authority) = with_users(|_| {});
        assert_eq!(authority.exposure(Exposure::LoopbackOnly).check("mqtt.listen", open), Ok(()));
    }

    #[test]
    fn what_keeps_it_from_being_set_up_says_what_to_do() {
        let missing = IdentityConfig { password_file: Some("/nowhere/p".into()), ..IdentityConfig::default() };
        let message = Authority::open(missing).err().unwrap().to_string();
        assert!(message.contains("/nowhere/p") && message.contains("tidegate passwd"), "{message}");
        let rights = vec![Right { topic: "a".into(), ..Right::default() }];
        let message =
            Authority::open(IdentityConfig { rights, ..IdentityConfig::default() }).err().unwrap().to_string();
        assert!(message.contains("right[0]: allows nothing"), "{message}");
    }
}
