use std::num::NonZeroU32;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};

/// Most memory, KiB, and passes a stored hash may ask for: a line of the file must not bring the server down.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 32;

/// Most iterations of a hash from Mosquitto.
const ITERATIONS_MAX: u32 = 10_000_000;

/// Longest password that is looked at.
pub(super) const PASSWORD_BYTES_MAX: usize = 1024;

/// The hash of a password, as a PHC string: Argon2id with 19 MiB and two passes, which takes tens of milliseconds of a core
/// (OWASP's recommendation).
///
/// # Panics
/// When the system has no random numbers.
#[must_use]
pub fn hash_password(password: &[u8]) -> String {
    hash_with(Params::default(), password)
}

pub(super) fn hash_with(params: Params, password: &[u8]) -> String {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).expect("the system gives random numbers");
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password(password, &salt).expect("a password within its bound has a hash").to_string()
}

/// Whether a stored hash is one that [`verify`] knows.
pub(super) fn check_form(stored: &str) -> Result<(), &'static str> {
    if let Some(rest) = stored.strip_prefix("$7$") {
        return mosquitto(rest).map(|_| ()).ok_or("it is not what mosquitto_passwd writes ($7$…)");
    }
    let hash = PasswordHash::new(stored).map_err(|_| "it is neither $argon2id$… nor $7$…")?;
    if hash.algorithm.as_str() != "argon2id" || hash.hash.is_none() || hash.salt.is_none() {
        return Err("it is neither $argon2id$… nor $7$…");
    }
    let params = Params::try_from(&hash).map_err(|_| "its parameters are no good")?;
    if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX {
        return Err("it asks for more than 1 GiB of memory or 32 passes");
    }
    Ok(())
}

/// Whether a password belongs to a stored hash. Takes as long as the hash asks for.
pub(super) fn verify(stored: &str, password: &[u8]) -> bool {
    if let Some((iterations, salt, hash)) = stored.strip_prefix("$7$").and_then(mosquitto) {
        return pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, iterations, &salt, password, &hash).is_ok();
    }
    PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// Mosquitto's form, so that its password file goes on to serve: `$7$ITERATIONS$SALT$HASH`, PBKDF2 with SHA-512.
fn mosquitto(rest: &str) -> Option<(NonZeroU32, Vec<u8>, Vec<u8>)> {
    let mut parts = rest.split('$');
    let iterations = parts.next()?.parse().ok().filter(|count: &NonZeroU32| count.get() <= ITERATIONS_MAX)?;
    let (salt, hash) = (STANDARD.decode(parts.next()?).ok()?, STANDARD.decode(parts.next()?).ok()?);
    (parts.next().is_none() && salt.len() >= 8 && hash.len() == 64).then_some((iterations, salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_and_another_is_not() {
        let stored = hash_password(b"correct horse");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(check_form(&stored), Ok(()));
        assert!(verify(&stored, b"correct horse") && !verify(&stored, b"correct horsf"));
        assert_ne!(stored, hash_password(b"correct horse"), "the salt differs");
    }

    #[test]
    fn a_hash_that_mosquitto_passwd_wrote_is_verified() {
        let mut hash = [0; 64];
        let iterations = NonZeroU32::new(101).expect("not zero");
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, b"twelve bytes", b"pw", &mut hash);
        let stored = format!("$7$101${}${}", STANDARD.encode(b"twelve bytes"), STANDARD.encode(hash));
        assert_eq!(check_form(&stored), Ok(()));
        assert!(verify(&stored, b"pw") && !verify(&stored, b"pW"));
    }

    #[test]
    fn a_hash_of_another_kind_or_of_absurd_cost_is_refused() {
        let costly = "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for wrong in ["secret", "$2b$10$abc", "$7$0$YQ==$YQ==", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ", costly] {
            assert!(check_form(wrong).is_err(), "{wrong}");
        }
    }
}
