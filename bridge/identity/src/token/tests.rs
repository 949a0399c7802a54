#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::Path;
use std::time::Instant;

use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const NOW_S: i64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of thirty-two bytes or so";

fn encode(value: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(value)
}

fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signed = sign(message.as_bytes());
    format!("{message}.{}", encode(&signed))
}

fn hs256(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
    move |message| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap()
}

fn jwks(path: &Path, keys: &[(&str, &Ed25519KeyPair)]) {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(kid, pair)| {
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": encode(pair.public_key().as_ref())})
        })
        .collect();
    fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
}

fn tokens(keys: &Path) -> Tokens {
    let config = TokenConfig {
        keys: keys.to_owned(),
        issuer: String::new(),
        audience: String::new(),
        leeway: Duration::from_secs(10),
    };
    Tokens::open(config).unwrap()
}

fn check(tokens: &Tokens, token: &str) -> Result<Identity, String> {
    let now = Now { instant: Instant::now(), unix_ms: NOW_S * 1000 };
    let credentials = Credentials { password: Some(token.as_bytes()), ..Credentials::default() };
    match tokens.check(&credentials, now) {
        Check::Known(identity) => Ok(identity),
        Check::Refused(refused) => Err(refused.detail),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_token_names_who_it_is_its_groups_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("k1.secret"), SECRET).unwrap();
    let tokens = tokens(folder.path());
    let claims = json!({"sub": "truck-7", "exp": NOW_S + 60, "groups": ["trucks"]});
    let good = token(&json!({"alg": "HS256", "kid": "k1"}), &claims, hs256(SECRET));
    let identity = check(&tokens, &good).unwrap();
    assert_eq!((identity.principal.name(), &*identity.groups[0]), ("truck-7", "trucks"));
    assert_eq!(identity.expires_ms, Some((NOW_S + 70) * 1000), "with the leeway");
    let forged = token(&json!({"alg": "HS256", "kid": "k1"}), &claims, hs256(b"another secret of thirty-two bytes"));
    assert!(check(&tokens, &forged).unwrap_err().contains("signature"));
    assert_eq!(check(&tokens, "a password").unwrap_err(), "NotMine");
}

#[test]
fn a_token_counts_only_in_its_time_and_a_time_that_is_no_number_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("k1.secret"), SECRET).unwrap();
    let tokens = tokens(folder.path());
    let with = |claims: Value| check(&tokens, &token(&json!({"alg": "HS256"}), &claims, hs256(SECRET)));
    assert!(with(json!({"sub": "a", "exp": NOW_S - 5})).is_ok(), "within the leeway");
    assert!(with(json!({"sub": "a", "exp": NOW_S - 11})).unwrap_err().contains("ended 11 s ago"));
    assert!(with(json!({"sub": "a", "exp": NOW_S + 9, "nbf": NOW_S + 20})).unwrap_err().contains("begins in 20 s"));
    for claims in [
        json!({"sub": "a"}),
        json!({"sub": "a", "exp": "2099"}),
        json!({"sub": "a", "exp": null}),
        json!({"sub": "a", "exp": NOW_S + 60, "nbf": "2099"}),
        json!({"exp": NOW_S + 60}),
        json!({"sub": "anonymous", "exp": NOW_S + 60}),
    ] {
        assert!(with(claims.clone()).is_err(), "{claims}");
    }
}

#[test]
fn the_key_decides_the_algorithm_and_not_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pair) = (folder.path().join("jwks.json"), pair());
    jwks(&file, &[("k1", &pair)]);
    let tokens = tokens(&file);
    let claims = json!({"sub": "a", "exp": NOW_S + 60});
    let by_key = |message: &[u8]| pair.sign(message).as_ref().to_vec();
    assert!(check(&tokens, &token(&json!({"alg": "EdDSA", "kid": "k1"}), &claims, by_key)).is_ok());
    let public = pair.public_key().as_ref().to_vec();
    let confused = token(&json!({"alg": "HS256", "kid": "k1"}), &claims, hs256(&public));
    assert!(check(&tokens, &confused).unwrap_err().contains("does not hold"));
    let none = token(&json!({"alg": "none"}), &claims, |_| Vec::new());
    assert!(check(&tokens, &none).unwrap_err().contains("does not hold"));
    let crit = token(&json!({"alg": "EdDSA", "crit": ["b64"]}), &claims, by_key);
    assert!(check(&tokens, &crit).unwrap_err().contains("crit"));
}

#[test]
fn keys_are_rotated_while_it_runs_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, old, new) = (folder.path().join("jwks.json"), pair(), pair());
    jwks(&file, &[("old", &old)]);
    let tokens = tokens(&file);
    let claims = json!({"sub": "a", "exp": NOW_S + 60});
    let by = |kid: &str, pair: &Ed25519KeyPair| {
        token(&json!({"alg": "EdDSA", "kid": kid}), &claims, |message| pair.sign(message).as_ref().to_vec())
    };
    assert!(check(&tokens, &by("new", &new)).is_err());
    jwks(&file, &[("old", &old), ("new", &new)]);
    tokens.refresh();
    assert!(check(&tokens, &by("old", &old)).is_ok() && check(&tokens, &by("new", &new)).is_ok());
    assert!(check(&tokens, &by("old", &new)).is_err(), "a key speaks under its own name alone");
    fs::write(&file, "{").unwrap();
    tokens.refresh();
    assert!(check(&tokens, &by("new", &new)).is_ok());
    jwks(&file, &[("new", &new)]);
    tokens.refresh();
    assert!(check(&tokens, &by("old", &old)).is_err(), "its key is gone");
}

#[test]
fn issuer_and_audience_are_held_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("k1.secret"), SECRET).unwrap();
    let mut tokens = tokens(folder.path());
    (tokens.config.issuer, tokens.config.audience) = ("https://id.example".into(), "tidegate".into());
    let with = |iss: &str, aud: Value| {
        let claims = json!({"sub": "a", "exp": NOW_S + 60, "iss": iss, "aud": aud});
        check(&tokens, &token(&json!({"alg": "HS256"}), &claims, hs256(SECRET)))
    };
    assert!(with("https://id.example", json!("tidegate")).is_ok());
    assert!(with("https://id.example", json!(["other", "tidegate"])).is_ok());
    assert!(with("https://id.example", json!("other")).unwrap_err().contains("token_audience"));
    assert!(with("https://id.example", Value::Null).is_err());
    assert!(with("https://evil.example", json!("tidegate")).unwrap_err().contains("token_issuer"));
}

/// Made with `openssl genpkey -algorithm ed25519` and `openssl genpkey -algorithm RSA`, then `openssl pkey -pubout`.
#[test]
fn a_public_key_that_openssl_wrote_verifies_what_openssl_signed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ed.pem"), include_str!("testdata/ed25519.pem")).unwrap();
    fs::write(folder.path().join("rsa.pem"), include_str!("testdata/rsa.pem")).unwrap();
    let tokens = tokens(folder.path());
    for good in [include_str!("testdata/ed25519.jwt"), include_str!("testdata/rs256.jwt")] {
        assert_eq!(check(&tokens, good.trim()).unwrap().principal.name(), "truck-7");
        let at = good.len() - 20;
        let changed = if &good[at..=at] == "A" { "B" } else { "A" };
        let forged = format!("{}{changed}{}", &good[..at], &good[at + 1..]);
        assert!(check(&tokens, forged.trim()).is_err());
    }
}

#[test]
fn a_key_that_is_too_weak_is_refused_with_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let error = Keys::load(folder.path()).unwrap_err().to_string();
        fs::remove_file(file).unwrap();
        error
    };
    assert!(load("k.secret", "short").contains("at least 32 bytes"));
    let small = json!({"keys": [{"kty": "RSA", "n": encode(&[0xff; 128]), "e": "AQAB"}]}).to_string();
    assert!(load("k.json", &small).contains("at least 2048 bits"));
    assert!(load("k.txt", "").contains("holds no key"));
    let other = json!({"keys": [{"kty": "EC", "crv": "P-256"}]}).to_string();
    assert!(load("k.json", &other).contains("holds no key"));
}
