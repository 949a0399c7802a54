//! Who someone is, and what they may do. Knows no network and no runtime: the broker and the viewers ask it.
//!
//! - [`Authority`]: from [`Credentials`] to an [`Identity`], by every way that is set up, or a [`Refusal`]
//! - [`Authenticator`]: one way: a password file, signed tokens, certificates
//! - [`IdentityConfig`]: the sections `[identity]` and `[[right]]`
//! - [`Rights`]: who may publish, retain and subscribe where
//! - `guard`: slows guessing down, by address and by user
//! - [`Principal`]: the name everything a client does is recorded under
//! - [`Exposure`]: whether a listener may serve people and devices that prove nothing

mod authenticator;
mod authority;
mod certificate;
mod config;
mod credentials;
mod error;
mod exposure;
mod guard;
mod password;
mod principal;
mod rights;
mod token;
mod watched;

pub use authenticator::{Authenticator, Check};
pub use authority::Authority;
pub use certificate::CertificateName;
pub use config::{Anonymous, IdentityConfig};
pub use credentials::{CertificateNames, Credentials, Now, Refusal, Refused};
pub use error::IdentityError;
pub use exposure::{Exposure, ExposureError};
pub use guard::{GuardConfig, network};
pub use password::{hash_password, set_password};
pub use principal::{Identity, NameError, Principal};
pub use rights::{Right, RightError, Rights, Subject};
