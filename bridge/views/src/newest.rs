//! The newest change of a row, encoded once for all sessions that have everything but that.

use std::sync::OnceLock;

/// Encodings that share what they wrote: see [`Encoding::shared_as`](crate::Encoding::shared_as).
const SHARED_MAX: usize = 1;

/// The newest change of a device, as encodings wrote it that share it.
#[derive(Debug, Default)]
pub(crate) struct NewestChange([OnceLock<Box<[u8]>>; SHARED_MAX]);

impl NewestChange {
    /// What encodings of a number share; `None` where there is no such number.
    pub fn of(&self, number: usize) -> Option<&OnceLock<Box<[u8]>>> {
        self.0.get(number)
    }

    /// There is a newer one.
    pub fn forget(&mut self) {
        for written in &mut self.0 {
            written.take();
        }
    }
}
