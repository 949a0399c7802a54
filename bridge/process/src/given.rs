//! Which values a device gave for its newest time, so that one that comes again is known as a duplicate.

use serde::{Deserialize, Serialize};
use tidegate_telemetry::{TimeOrigin, Value};

/// Values of one time that are remembered; of further ones history alone knows whether they came before.
const VALUES_MAX: usize = 16;

/// Which values the device itself gave for the time of the newest one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Given {
    /// None: the newest has the time of its receipt.
    #[default]
    Nothing,
    /// The newest, and no other.
    Newest,
    /// These, in order of arrival. The newest may have come without a time between them.
    Several(Box<[Value]>),
    /// None, and its time is not known: any other value is newer.
    Before,
}

impl Given {
    /// Whether a value for the same time says nothing that is not known.
    pub(crate) fn is_repeated(&self, newest: &Value, value: &Value, origin: TimeOrigin) -> bool {
        let values = self.values(newest);
        match origin {
            TimeOrigin::Receipt | TimeOrigin::Imported | TimeOrigin::Before => false,
            TimeOrigin::Device => values.contains(value),
            TimeOrigin::Correction => values == [value.clone()],
        }
    }

    /// Takes one more value of the same time. `false`: it may have come before.
    pub(crate) fn add(&mut self, newest: &Value, value: &Value, origin: TimeOrigin) -> bool {
        match origin {
            TimeOrigin::Receipt if *self == Given::Newest => *self = Given::Several(Box::new([newest.clone()])),
            TimeOrigin::Receipt | TimeOrigin::Imported | TimeOrigin::Before => {}
            TimeOrigin::Correction => {
                *self = Given::Newest;
                return false;
            }
            TimeOrigin::Device if *self == Given::Nothing => *self = Given::Newest,
            TimeOrigin::Device if self.values(newest).len() == VALUES_MAX => return false,
            TimeOrigin::Device => {
                *self = Given::Several([self.values(newest), std::slice::from_ref(value)].concat().into())
            }
        }
        true
    }

    /// Of the first value of a time.
    pub(crate) fn first(origin: TimeOrigin) -> Self {
        match origin {
            TimeOrigin::Receipt => Given::Nothing,
            TimeOrigin::Imported | TimeOrigin::Before => Given::Before,
            TimeOrigin::Device | TimeOrigin::Correction => Given::Newest,
        }
    }

    fn values<'a>(&'a self, newest: &'a Value) -> &'a [Value] {
        match self {
            Given::Nothing | Given::Before => &[],
            Given::Newest => std::slice::from_ref(newest),
            Given::Several(values) => values,
        }
    }
}
