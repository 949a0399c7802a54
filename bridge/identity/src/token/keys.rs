use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde::Deserialize;
use x509_parser::oid_registry::{OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::IdentityError;

/// Shortest secret of HS256 (RFC 7518, section 3.2), and shortest modulus of RSA.
const SECRET_BYTES_MIN: usize = 32;
const MODULUS_BYTES_MIN: usize = 256;

/// The keys that tokens are verified with.
#[derive(Debug)]
pub(super) struct Keys(Vec<(Option<String>, Key)>);

/// One key. Its kind alone says which algorithm it verifies: what a token says of itself never chooses.
pub(super) enum Key {
    Ed25519(Vec<u8>),
    /// Modulus and exponent, big endian.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A secret both sides know.
    Hmac(hmac::Key),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.algorithm())
    }
}

impl Key {
    /// Name of the algorithm (RFC 7518, section 3.1; RFC 8037, section 3.1).
    pub(super) const fn algorithm(&self) -> &'static str {
        match self {
            Key::Ed25519(_) => "EdDSA",
            Key::Rsa { .. } => "RS256",
            Key::Hmac(_) => "HS256",
        }
    }

    pub(super) fn verifies(&self, message: &[u8], signed: &[u8]) -> bool {
        match self {
            Key::Ed25519(public) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, public).verify(message, signed).is_ok()
            }
            Key::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed)
                .is_ok(),
            Key::Hmac(key) => hmac::verify(key, message, signed).is_ok(),
        }
    }
}

impl Keys {
    /// The key a token names, or, where it names none, each of its algorithm.
    pub(super) fn named(&self, kid: Option<&str>, algorithm: &str) -> impl Iterator<Item = &Key> {
        let is_meant = move |(id, key): &&(Option<String>, Key)| {
            key.algorithm() == algorithm && (kid.is_none() || id.as_deref() == kid)
        };
        self.0.iter().filter(is_meant).map(|(_, key)| key)
    }

    /// Reads a JWKS file, or a folder of keys: `KID.pem` (a public key), `KID.secret` (for HS256), `*.json` (JWKS).
    pub(super) fn load(path: &Path) -> Result<Keys, IdentityError> {
        let mut keys = Vec::new();
        if path.is_dir() {
            let entries = fs::read_dir(path).map_err(|error| unusable(path, &error.to_string()))?;
            for entry in entries {
                let file = entry.map_err(|error| unusable(path, &error.to_string()))?.path();
                keys.extend(Keys::load_file(&file)?);
            }
        } else {
            keys = read_jwks(&read(path)?).map_err(|detail| unusable(path, &detail))?;
        }
        if keys.is_empty() {
            return Err(unusable(path, "holds no key that can be used: Ed25519, RSA (RS256) or a secret (HS256)"));
        }
        Ok(Keys(keys))
    }

    fn load_file(file: &Path) -> Result<Vec<(Option<String>, Key)>, IdentityError> {
        let kid = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let wrong = |detail: String| unusable(file, &detail);
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("pem") => Ok(vec![(kid, read_pem(&read(file)?).map_err(wrong)?)]),
            Some("secret") => Ok(vec![(kid, secret(read(file)?.trim_ascii()).map_err(wrong)?)]),
            Some("json") => read_jwks(&read(file)?).map_err(wrong),
            _ => Ok(Vec::new()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let bytes = fs::read(path).map_err(|error| unusable(path, &format!("cannot be read: {error}")))?;
    // Editors of Windows begin a file with a byte order mark: it is no part of a secret, nor of JSON.
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes))
}

fn unusable(path: &Path, detail: &str) -> IdentityError {
    IdentityError::File { path: path.to_owned(), detail: detail.to_owned() }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// One key of a JWKS (RFC 7517); other members do not matter here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    n: Option<String>,
    e: Option<String>,
    k: Option<String>,
}

/// Keys of other kinds or for other uses are passed over, as RFC 7517 section 5 asks.
fn read_jwks(json: &[u8]) -> Result<Vec<(Option<String>, Key)>, String> {
    let jwks: Jwks = serde_json::from_slice(json).map_err(|error| format!("is not a JWKS: {error}"))?;
    let mut keys = Vec::new();
    for jwk in jwks.keys.into_iter().filter(|jwk| jwk.usage.as_deref().is_none_or(|usage| usage == "sig")) {
        let name = jwk.kid.clone().unwrap_or_default();
        let key = jwk.key().map_err(|detail| format!("key {name:?}: {detail}"))?;
        keys.extend(
            key.filter(|key| jwk.alg.as_deref().is_none_or(|alg| alg == key.algorithm())).map(|k| (jwk.kid, k)),
        );
    }
    Ok(keys)
}

impl Jwk {
    fn key(&self) -> Result<Option<Key>, String> {
        let bytes = |part: &Option<String>, name: &str| {
            let text = part.as_deref().ok_or_else(|| format!("{name} is missing"))?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("{name} is not base64url"))
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => ed25519(bytes(&self.x, "x")?).map(Some),
            ("RSA", _) => rsa(bytes(&self.n, "n")?, bytes(&self.e, "e")?).map(Some),
            ("oct", _) => secret(&bytes(&self.k, "k")?).map(Some),
            _ => Ok(None),
        }
    }
}

fn ed25519(public: Vec<u8>) -> Result<Key, String> {
    if public.len() == 32 { Ok(Key::Ed25519(public)) } else { Err("an Ed25519 key has 32 bytes".into()) }
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Key, String> {
    let trim = |number: Vec<u8>| number.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let (n, e) = (trim(n), trim(e));
    if n.len() < MODULUS_BYTES_MIN { Err("an RSA key has at least 2048 bits".into()) } else { Ok(Key::Rsa { n, e }) }
}

fn secret(bytes: &[u8]) -> Result<Key, String> {
    if bytes.len() < SECRET_BYTES_MIN {
        return Err(format!("a secret has at least {SECRET_BYTES_MIN} bytes"));
    }
    Ok(Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
}

/// A public key as `openssl pkey -pubout` writes it.
fn read_pem(bytes: &[u8]) -> Result<Key, String> {
    let (_, pem) = parse_x509_pem(bytes).map_err(|_| "is not PEM")?;
    if pem.label != "PUBLIC KEY" {
        return Err(format!("holds {:?}; a public key is asked for (openssl pkey -pubout)", pem.label));
    }
    let (_, info) = SubjectPublicKeyInfo::from_der(&pem.contents).map_err(|_| "is not a public key")?;
    if info.algorithm.algorithm == OID_SIG_ED25519 {
        return ed25519(info.subject_public_key.data.to_vec());
    }
    if info.algorithm.algorithm != OID_PKCS1_RSAENCRYPTION {
        return Err("is neither Ed25519 nor RSA".into());
    }
    match info.parsed().map_err(|_| "is not a public key")? {
        x509_parser::public_key::PublicKey::RSA(key) => rsa(key.modulus.to_vec(), key.exponent.to_vec()),
        _ => Err("is neither Ed25519 nor RSA".into()),
    }
}
