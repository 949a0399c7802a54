use std::sync::Arc;

use crate::hub::{Entered, Hub};

/// A place in the hub, given back when it is dropped.
pub(crate) struct Place {
    hub: Arc<Hub>,
    entered: Entered,
}

impl Place {
    pub fn new(hub: Arc<Hub>, entered: Entered) -> Self {
        Place { hub, entered }
    }
}

impl std::ops::Deref for Place {
    type Target = Entered;

    fn deref(&self) -> &Entered {
        &self.entered
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.leave(self.entered.subscriber);
    }
}
