//! What a backup of a data folder is. It knows files by name and nothing of what is in them.
//!
//! - [`Manifest`]: what a backup consists of, and at which position of the log it stands
//! - [`pack`]: the files as a stream, which is a tar archive with the manifest as its last file
//! - [`unpack`]: a stream taken apart and checked; a [`Receiver`] says where its files go
//! - [`Folder`]: a backup on disk, which takes only what it does not have; [`Restoring`]: a data folder that is made from one
//! - [`Image`]: an SQLite file as it is at one moment, while others write it

mod folder;
mod hash;
mod image;
mod manifest;
mod pace;
mod pack;
mod restore;
mod unpack;

pub use folder::{Folder, FolderError, Stored};
pub use image::{Access, Image, ImageError};
pub use manifest::{Begin, Counts, FORMAT, FileEntry, Manifest, ManifestError, Standing};
pub use pace::Pace;
pub use pack::{Content, FilePart, PackError, Piece, pack};
pub use restore::{Restoring, is_unfinished};
pub use unpack::{Nowhere, Receiver, UnpackError, unpack};
