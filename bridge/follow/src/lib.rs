//! What listens to the changes of the fleet: history, views, and whatever else is to know of every reading.
//!
//! A follower gets the changes of each entry of the log, in the order of the log, at the position of the entry. It says
//! up to which position it keeps them durably; after a restart it is told what comes after that, and nothing twice.
//!
//! - [`Follower`]: the trait; [`Flushing`]: what one writes on another thread than the one that tells it changes
//! - [`Changes`]: what a batch of entries changed; [`Followed`]: how far a follower is; [`Refused`], [`SetAside`]: what
//!   one, or whoever it writes to, does not take
//! - [`Names`], [`ByNumber`]: which device and metric a number stands for
//! - [`PositionFile`]: how far a follower is, on disk
//!
//! Store and views follow within the pipeline. What follows to the outside has a thread of its own, and a pipeline that
//! never waits for it: `tidegate-node` runs it.

mod changes;
mod follower;
mod names;
mod position_file;

pub use changes::{Changes, Followed};
pub use follower::{FlushError, Flushing, Follower, Refused, SetAside};
pub use names::{ByNumber, Names};
pub use position_file::{PositionFile, PositionFileError};
