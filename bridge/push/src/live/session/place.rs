//! On which runtime a session is.

use tokio::runtime::Handle;

use super::{Open, Session};
use crate::live::message::ClientMessage;

/// The runtimes of sessions: what somebody asks for does not hold up what devices say.
#[derive(Debug, Clone)]
pub(crate) struct Runtimes {
    /// There is no hurry: views are opened, first answers written, sessions ended.
    pub asks: Handle,
    /// Changes go out as they come.
    pub live: Handle,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Asks,
    Live,
}

impl Place {
    pub fn other(self) -> Place {
        match self {
            Place::Asks => Place::Live,
            Place::Live => Place::Asks,
        }
    }
}

impl Runtimes {
    pub(super) fn of(&self, place: Place) -> &Handle {
        match place {
            Place::Asks => &self.asks,
            Place::Live => &self.live,
        }
    }
}

impl<T> Session<T> {
    /// Where it should be: with who asks until everything that it asked for was answered.
    pub(super) fn place(&self) -> Place {
        let has_work = |open: &Open| open.reading || open.subscription.has_more() || open.subscription.must_follow();
        let is_answered = self.asked.is_none() && self.jobs.is_empty() && !self.subscriptions.iter().any(has_work);
        if is_answered { Place::Live } else { Place::Asks }
    }
}

impl ClientMessage {
    /// Whether it takes no time, wherever it is obeyed.
    pub(super) fn is_light(&self) -> bool {
        matches!(
            self,
            ClientMessage::Seen { .. } | ClientMessage::Ping { .. } | ClientMessage::Pause | ClientMessage::Continue
        )
    }
}
