//! What devices measure and say. Pure: the clock comes in, the seed decides the rest.
//!
//! - [`rng`], [`signal`]: noise with a seed; curves, doors, batteries
//! - [`room`]: a room's physics and its samples
//! - [`payload`]: a reading as bytes
//! - [`makers`]: devices as the software of their makers lets them speak
//! - [`device`]: one device: its room, its faults, what it publishes
//! - [`scenario`]: a whole fleet from a seed

pub mod device;
pub mod makers;
pub mod payload;
pub mod rng;
pub mod room;
pub mod scenario;
pub mod signal;

pub use device::{Device, DeviceSpec, Fault, Publication, Shape, Storm};
pub use makers::Maker;
pub use payload::Reading;
pub use room::{Incident, RoomKind, Sample, Samples};
pub use scenario::{FleetPlan, QosChoice, Scenario};
