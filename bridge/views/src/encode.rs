//! How cells are written in frames: JSON for now (docs/protocol.md).

pub(crate) mod command;
pub(crate) mod device;
pub(crate) mod fleet;
pub(crate) mod group;
pub(crate) mod json;
