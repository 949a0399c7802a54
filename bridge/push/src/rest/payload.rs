//! Bytes of a message as a request gives them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What base64 of others may have in its last bits says nothing, and is no reason to refuse it.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A payload, in one of three ways.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// As it stands.
    Text(String),
    /// As it is written.
    Json(Box<RawValue>),
    /// Any bytes.
    Base64(String),
}

impl Payload {
    /// The bytes, and their media type where the way says it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn into_bytes(self) -> Result<(Bytes, Option<&'static str>), String> {
        match self {
            Payload::Text(text) => Ok((Bytes::from(text), Some("text/plain"))),
            Payload::Json(json) => Ok((Bytes::from(json.get().to_owned()), Some("application/json"))),
            Payload::Base64(text) => {
                let bytes = BASE64.decode(text).map_err(|error| format!("payload.base64: {error}"))?;
                Ok((Bytes::from(bytes), None))
            }
        }
    }
}
