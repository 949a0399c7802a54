//! What files say without a node that runs on them: whether they are what was written, and which programs can open them.
//!
//! - `verify`: everything in a data folder, or in a backup, is read
//! - `formats`: versions alone
//! - `absence`: whether anything of a device is left

mod absence;
mod formats;
mod verify;

pub use absence::traces_of;
pub use formats::{Formats, check_formats};
pub use verify::{Flaw, Found, verify_backup, verify_data};
