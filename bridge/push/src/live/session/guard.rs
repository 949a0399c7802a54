//! A session enters the hub, and leaves it however it ends.

use std::sync::Arc;

use crate::live::hub::{Entered, Hub};

/// A session that is in the hub; it leaves when this is dropped.
pub(crate) struct HubGuard {
    hub: Arc<Hub>,
    entered: Entered,
}

impl HubGuard {
    pub fn new(hub: Arc<Hub>, entered: Entered) -> Self {
        HubGuard { hub, entered }
    }
}

impl std::ops::Deref for HubGuard {
    type Target = Entered;

    fn deref(&self) -> &Entered {
        &self.entered
    }
}

impl Drop for HubGuard {
    fn drop(&mut self) {
        self.hub.leave(self.entered.subscriber);
    }
}
