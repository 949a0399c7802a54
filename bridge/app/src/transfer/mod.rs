//! History out of a running program and into one, as text.
//!
//! - [`export`], [`import`]: the commands; `request`: what is asked again when the program has no time; `progress`: a line that says
//!   how far it is; `kept`: files that say it

pub mod export;
pub mod import;
mod kept;
mod progress;
mod request;
