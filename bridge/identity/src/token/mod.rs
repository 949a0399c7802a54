//! Signed tokens: JWT (RFC 7519) by EdDSA, RS256 and HS256.
//!
//! The key decides the algorithm, a token must end, and a time that is not a number is refused rather than passed
//! over: three ways in which verifiers of tokens have been tricked.

mod keys;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::keys::Keys;
use crate::watched::Watched;
use crate::{Authenticator, Check, Credentials, Identity, IdentityError, Now, Principal, Refusal, Refused};

/// What tokens must say.
#[derive(Debug, Clone)]
pub(crate) struct TokenConfig {
    /// JWKS file, or folder of keys.
    pub keys: PathBuf,
    /// `iss` they must have; empty: not looked at.
    pub issuer: String,
    /// `aud` they must have, or hold; empty: not looked at.
    pub audience: String,
    /// How far clocks may be apart.
    pub leeway: Duration,
}

/// Takes tokens that come as the password.
pub(crate) struct Tokens {
    config: TokenConfig,
    keys: Watched<Keys>,
}

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11); none is.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<Audience>,
    #[serde(default)]
    groups: Vec<Box<str>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Tokens {
    pub(crate) fn open(config: TokenConfig) -> Result<Self, IdentityError> {
        let keys = Watched::open(config.keys.clone(), Keys::load)?;
        Ok(Tokens { config, keys })
    }

    fn verify(&self, token: &[u8], unix_ms: i64) -> Result<Identity, Refused> {
        let bad = |detail: &str| Refused::new(Refusal::BadCredentials, format!("the token {detail}"));
        let token = std::str::from_utf8(token).map_err(|_| bad("is not text"))?;
        let (message, signed) = token.rsplit_once('.').ok_or_else(|| bad("is not a JWT"))?;
        let (header, claims) = message.split_once('.').ok_or_else(|| bad("is not a JWT"))?;
        let header: Header = decode(header).map_err(|detail| bad(&format!("has no good header: {detail}")))?;
        if header.crit.is_some() {
            return Err(bad("asks for extensions (crit), which are not understood"));
        }
        let signed = URL_SAFE_NO_PAD.decode(signed).map_err(|_| bad("has a signature that is not base64url"))?;
        let keys = self.keys.get();
        let mut named = keys.named(header.kid.as_deref(), &header.alg).peekable();
        if named.peek().is_none() {
            let kid = header.kid.as_deref().unwrap_or_default().chars().take(64).collect::<String>();
            return Err(bad(&format!(
                "names a key (kid {kid:?}, {:?}) that identity.token_keys does not hold",
                header.alg
            )));
        }
        if !named.any(|key| key.verifies(message.as_bytes(), &signed)) {
            return Err(bad("has a signature that is not its key's"));
        }
        let claims: Claims = decode(claims).map_err(|detail| bad(&format!("is signed, but: {detail}")))?;
        self.accept(claims, unix_ms)
    }

    /// Looks at what a token that is signed says.
    fn accept(&self, claims: Claims, unix_ms: i64) -> Result<Identity, Refused> {
        let refused =
            |detail: String| Refused::new(Refusal::NotAuthorized, format!("the token of {:?} {detail}", claims.sub));
        let (now_s, leeway_s) = (unix_ms as f64 / 1000.0, self.config.leeway.as_secs_f64());
        let ends_s = claims.exp + leeway_s;
        if ends_s <= now_s || !ends_s.is_finite() {
            return Err(refused(format!("ended {:.0} s ago", now_s - claims.exp)));
        }
        if let Some(begins_s) = claims.nbf
            && begins_s - leeway_s > now_s
        {
            return Err(refused(format!("begins in {:.0} s", begins_s - now_s)));
        }
        if !self.config.issuer.is_empty() && claims.iss.as_deref() != Some(&self.config.issuer) {
            return Err(refused(format!("is not from identity.token_issuer ({:?})", self.config.issuer)));
        }
        let is_for_us = match &claims.aud {
            _ if self.config.audience.is_empty() => true,
            None => false,
            Some(Audience::One(one)) => *one == self.config.audience,
            Some(Audience::Several(several)) => several.contains(&self.config.audience),
        };
        if !is_for_us {
            return Err(refused(format!("is not for identity.token_audience ({:?})", self.config.audience)));
        }
        let principal =
            Principal::named(&claims.sub).map_err(|error| refused(format!("has a sub that is none: {error}")))?;
        // A time past the end of i64 saturates.
        Ok(Identity {
            groups: claims.groups.into(),
            expires_ms: Some((ends_s * 1000.0) as i64),
            ..Identity::of(principal)
        })
    }
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "it is not base64url".to_owned())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// A JWT's header is a JSON object, so its base64url begins with these letters.
fn looks_like_a_token(password: &[u8]) -> bool {
    password.starts_with(b"eyJ") && password.iter().filter(|byte| **byte == b'.').count() == 2
}

impl Authenticator for Tokens {
    fn check(&self, credentials: &Credentials<'_>, now: Now) -> Check {
        let Some(token) = credentials.password.filter(|password| looks_like_a_token(password)) else {
            return Check::NotMine;
        };
        if token.len() > TOKEN_BYTES_MAX {
            let detail = format!("a token of {} bytes; {TOKEN_BYTES_MAX} are looked at", token.len());
            return Check::Refused(Refused::new(Refusal::BadCredentials, detail));
        }
        self.verify(token, now.unix_ms).map_or_else(Check::Refused, Check::Known)
    }

    fn refresh(&self) {
        self.keys.refresh();
    }
}
