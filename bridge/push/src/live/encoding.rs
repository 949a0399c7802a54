//! How a session's messages are written, frames and all others.

use tidegate_views::Encoding;

use super::message::ServerMessage;
use super::position::PositionForm;

/// An encoding of the live protocol, in one version of it. What clients say is JSON whatever the encoding: it is little.
pub(crate) trait LiveEncoding: Encoding {
    /// What `encoding` of a `hello` says.
    fn name(&self) -> &'static str;

    /// What `protocol` of a `hello` says.
    fn protocol(&self) -> u32;

    /// How clients are told positions and hand them back.
    fn positions(&self) -> PositionForm;

    /// Whether its messages are text (RFC 6455 section 5.6); else they are binary.
    fn is_text(&self) -> bool;

    /// Writes a message that is no frame of a view.
    fn say(&self, message: &ServerMessage<'_>) -> Vec<u8>;
}
