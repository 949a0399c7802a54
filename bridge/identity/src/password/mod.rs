//! Users of a password file.

mod cache;
mod file;
mod hash;

use std::path::PathBuf;
use std::time::Duration;

pub use file::set_password;
pub use hash::hash_password;

use self::cache::Verified;
use self::file::{User, Users};
use crate::watched::Watched;
use crate::{Authenticator, Check, Credentials, Identity, IdentityError, Now, Refusal, Refused};

/// A password file (Argon2id; hashes of mosquitto_passwd serve too), and what was verified a short while ago.
pub(crate) struct Passwords {
    users: Watched<Users>,
    verified: Verified,
    /// For users that do not exist: they take as long as those that do, so nobody learns who exists.
    nobody: String,
}

impl Passwords {
    pub(crate) fn open(path: PathBuf, cached: Duration, cached_max: usize) -> Result<Self, IdentityError> {
        let users = Watched::open(path, Users::load)?;
        Ok(Passwords { users, verified: Verified::new(cached, cached_max), nobody: hash_password(b"nobody's") })
    }
}

impl Authenticator for Passwords {
    fn check(&self, credentials: &Credentials<'_>, now: Now) -> Check {
        let Some(name) = credentials.user else { return Check::NotMine };
        let password = credentials.password.unwrap_or_default();
        if password.is_empty() || password.len() > hash::PASSWORD_BYTES_MAX {
            return wrong(name);
        }
        match self.users.get().0.get(name) {
            Some(user) if self.verified.holds(name, &user.hash, password, now.instant) => known(user),
            _ => Check::Slow,
        }
    }

    fn check_slowly(&self, credentials: &Credentials<'_>, now: Now) -> Check {
        let quick = self.check(credentials, now);
        let (Check::Slow, Some(name)) = (&quick, credentials.user) else { return quick };
        let password = credentials.password.unwrap_or_default();
        let users = self.users.get();
        let Some(user) = users.0.get(name) else {
            hash::verify(&self.nobody, password);
            return wrong(name);
        };
        if !hash::verify(&user.hash, password) {
            return wrong(name);
        }
        self.verified.remember(name, &user.hash, password, now.instant);
        known(user)
    }

    fn refresh(&self) {
        self.users.refresh();
    }
}

fn known(user: &User) -> Check {
    Check::Known(Identity { groups: user.groups.clone(), ..Identity::of(user.principal.clone()) })
}

/// The same words whether the user exists or not: they may be shown to people who manage one fleet of several.
fn wrong(name: &str) -> Check {
    let name: String = name.chars().take(64).collect();
    Check::Refused(Refused::new(Refusal::BadCredentials, format!("no such user, or another password: {name:?}")))
}
