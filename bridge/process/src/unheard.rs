//! Rules of silence that name a device of which nothing was heard yet. Who names it expects it, so its silence raises too.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alerts::AlertKey;
use crate::time::Moment;

/// The rules that wait, by number.
pub(crate) type Unheard = BTreeMap<u16, Wait>;

/// How long a rule has waited for its device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wait {
    /// After a restart the rule may name another one.
    pub(crate) device: Arc<str>,
    /// When the rule came, or the device was forgotten.
    pub(crate) since: Moment,
    /// Raised by it.
    pub(crate) alert: Option<AlertKey>,
}

impl Wait {
    pub(crate) fn alert(&self) -> Option<AlertKey> {
        self.alert
    }

    /// Its alert is not known any more.
    pub(crate) fn forget_alert(&mut self) {
        self.alert = None;
    }
}
