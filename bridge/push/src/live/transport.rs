//! What a session speaks through.

use std::future::Future;

/// What a session speaks through: whole messages in both ways. A WebSocket, or a pair of channels in a test.
pub(crate) trait Transport: Send {
    /// Sends one message, text or binary; waits while the link takes no more.
    fn send(&mut self, message: Vec<u8>, is_text: bool) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Says that the session ends, with the number of the error or of the WebSocket protocol and in words, and waits a
    /// moment for the other side to read it.
    fn close(&mut self, code: u16, reason: &str) -> impl Future<Output = ()> + Send;

    /// The next message. Nothing is lost when the future is dropped before it is ready.
    fn receive(&mut self) -> impl Future<Output = Received> + Send;
}

/// The other side is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// What came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Received {
    Text(String),
    /// A message that is not text.
    Binary,
    /// Larger than the transport takes.
    TooLarge,
    Gone,
}
