use std::path::PathBuf;

use crate::rights::RightError;

/// What keeps identity from being set up.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be used.
    #[error("{}: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        detail: String,
    },
    /// A rule cannot be used.
    #[error("right[{}]: {what}", what.index)]
    Right {
        /// Which, and why.
        #[from]
        what: RightError,
    },
}
