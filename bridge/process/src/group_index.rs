//! The number of a group.

use serde::{Deserialize, Serialize};

/// Number of a group. Of one that is gone it may be given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct GroupIndex(pub(crate) u32);
