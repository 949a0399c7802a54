//! How a message is written, as views see it: they decide what a session is sent, and an [`Encoding`] writes it.

use std::fmt::Debug;

use crate::message::{DeviceRow, Element, Head, List, ListName};

/// Writes what views decided to send.
///
/// Views count the bytes: they add elements to lists until a part of a message is as large as it may be, take the last one
/// back if it was too much, and go on with it in the next part. So an encoding writes one element after the other, each for
/// itself, and never learns what a view is, what is locked, or how much room there is.
///
/// A session has one encoding; frames are written while the state is locked, so an encoding looks at nothing but what it
/// is given.
pub trait Encoding: Debug + Send + Sync {
    /// Appends an element of a list. Times that a client is told relative to the epoch's `time_base` are so to `base_ms`
    /// (Unix ms).
    fn element(&self, out: &mut Vec<u8>, element: &Element<'_>, base_ms: i64);

    /// What stands between two elements of a list.
    fn separator(&self) -> &'static [u8] {
        b""
    }

    /// Appends a message: its head, and the lists that are not empty. It takes at most 256 bytes more than the lists, the
    /// names of devices that are missing aside.
    fn message(&self, out: &mut Vec<u8>, head: &Head<'_>, lists: &[(ListName, List)]);

    /// Under which number, if any, the newest change of a device is kept once it is written, for everybody who stands
    /// right before it. Encodings that write [`Element::Values`] alike may have one number; 0 is JSON's, and there is no
    /// other yet.
    fn shared_as(&self) -> Option<usize> {
        None
    }
}

/// How a part of a message is written, and how large its lists may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub encoding: &'a dyn Encoding,
    /// Unix ms.
    pub base_ms: i64,
    pub bytes_max: usize,
}

impl Writer<'_> {
    /// Adds an element to a list.
    pub fn add(&self, list: &mut List, element: &Element<'_>) {
        let out = list.next(self.encoding.separator());
        self.encoding.element(out, element, self.base_ms);
    }

    /// Adds what changed of a device's values. Written once for all who stand right before its newest change.
    pub fn add_values(&self, list: &mut List, device: DeviceRow<'_>) {
        let shared = self.encoding.shared_as().and_then(|number| device.newest_change()?.of(number));
        let Some(shared) = shared else { return self.add(list, &Element::Values(device)) };
        let written = shared.get_or_init(|| {
            let mut out = Vec::with_capacity(device.newest_change_bytes());
            self.encoding.element(&mut out, &Element::Values(device.right_before()), self.base_ms);
            out.into_boxed_slice()
        });
        list.next(self.encoding.separator()).extend_from_slice(written);
    }
}
