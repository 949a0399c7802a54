//! Why a node does not start, or does not end well.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tidegate_broker::{BrokerError, SessionStoreError};
use tidegate_identity::IdentityError;
use tidegate_log::{AppendError, ReadError};
use tidegate_process::RestoreError;

use crate::checkpoint::CheckpointError;
use crate::whole::Missing;

/// What kept a node from starting, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Who is let in.
    #[error("[identity]")]
    Identity(#[source] IdentityError),
    /// The folder of everything.
    #[error("cannot make {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A restoring of it was broken off.
    #[error(
        "{} is not whole: a restoring was broken off there. Empty it, then restore it again with `tidegate restore`",
        .0.display()
    )]
    Restoring(PathBuf),
    /// The address of the HTTP server.
    #[error("cannot listen on {address}")]
    Http {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// History.
    #[error(transparent)]
    Store(#[from] tidegate_store::OpenError),
    /// The log.
    #[error(transparent)]
    Log(#[from] tidegate_log::OpenError),
    /// The rules of the configuration could not be put.
    #[error("the log does not take the rules of the configuration")]
    Rules(#[source] AppendError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint's file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint's content.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Something is gone that was there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The sessions' file.
    #[error(transparent)]
    Sessions(#[from] SessionStoreError),
    /// The MQTT edge.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The time goes on from another one, and that cannot be told.
    #[error("the log takes nothing at the start")]
    Clock(#[source] AppendError),
    /// The system gives no thread or task.
    #[error(transparent)]
    Threads(#[from] io::Error),
}

/// Why a node did not end well. What was acknowledged is in the log all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The HTTP server.
    #[error(transparent)]
    Http(#[from] io::Error),
    /// A task panicked.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}
