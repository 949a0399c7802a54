use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{oneshot, watch};

use super::batch::Batch;
use super::config::SessionStoreConfig;
use super::database::Database;
use super::write::MailboxSize;
use crate::clock::Clock;
use crate::sessions::message::Delivery;

/// What the store and its writing thread share.
pub(super) struct Shared {
    pub config: SessionStoreConfig,
    pub queue: Mutex<Queue>,
    pub wake: Condvar,
    /// Held shared while entries are appended and what follows from them is noted, exclusively while a batch is cut.
    pub routing: RwLock<()>,
    /// Ticket up to which changes are on disk.
    pub stored: watch::Sender<u64>,
    pub complete: AtomicU64,
    /// By how much times in the file are behind the time that passed as the log counts it, ms: what the clock was set by as
    /// long as the log did not count.
    pub set_forward_ms: AtomicI64,
    pub database: Mutex<Option<Database>>,
    pub thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// Time that passed, as the file has it.
    pub(super) fn waiting_of(&self, elapsed_ms: i64) -> i64 {
        elapsed_ms.saturating_sub(self.set_forward_ms.load(Ordering::Acquire))
    }

    pub(super) fn waiting_at(&self, clock: Clock, unix_ms: i64) -> i64 {
        self.waiting_of((clock.elapsed_at)(unix_ms))
    }
}

/// What waits to be written or read.
#[derive(Default)]
pub(super) struct Queue {
    pub batch: Batch,
    /// Ticket of the newest change.
    pub ticket: u64,
    pub fetches: Vec<Fetch>,
    pub questions: Vec<Question>,
    /// Somebody waits.
    pub is_urgent: bool,
    pub stop: Option<Stop>,
}

/// Whoever reads a mailbox: a session whose client is connected.
pub(crate) trait MailboxReader: Send + Sync {
    /// Number that the session's next delivery to the mailbox gets.
    fn next_number(&self) -> u64;

    /// Takes what was read for that connection of the session. `complete_before` says that all deliveries before that
    /// number are among those read so far; `None`: the mailbox holds more.
    fn refill(self: Arc<Self>, deliveries: Vec<Delivery>, connection: u64, complete_before: Option<u64>);
}

/// A request to read on in a mailbox.
pub(super) struct Fetch {
    pub reader: Arc<dyn MailboxReader>,
    /// Number of the session.
    pub session: u64,
    /// Number of the delivery after which reading goes on.
    pub after: u64,
    /// Number of the connection it is for.
    pub connection: u64,
}

/// Somebody who asks what mailboxes hold.
pub(super) struct Question {
    pub sessions: Vec<u64>,
    pub answer: oneshot::Sender<BTreeMap<u64, MailboxSize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Write what waits.
    Close,
    /// Write nothing more.
    Abandon,
}
