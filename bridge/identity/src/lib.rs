//! Who someone is, and what an address without identity may be exposed to.
//!
//! - [`Principal`]: the name everything a client does is recorded under
//! - [`Exposure`]: whether a listener may serve people and devices that prove nothing

mod exposure;
mod principal;

pub use exposure::{Exposure, ExposureError};
pub use principal::Principal;
