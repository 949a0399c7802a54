use crate::{Credentials, Identity, Now, Refused};

/// One way to prove who one is. Knows no network and no runtime; files are read by [`Authenticator::refresh`] alone.
pub trait Authenticator: Send + Sync {
    /// Looks at credentials, in microseconds.
    fn check(&self, credentials: &Credentials<'_>, now: Now) -> Check;

    /// Looks at credentials for which [`Authenticator::check`] said [`Check::Slow`]. May take a tenth of a second of
    /// a core: not to be called where others wait.
    fn check_slowly(&self, credentials: &Credentials<'_>, now: Now) -> Check {
        self.check(credentials, now)
    }

    /// Reads its files again where they changed. Blocks on the disk. A file that cannot be used leaves what was read
    /// before in place.
    fn refresh(&self) {}
}

/// What a way to prove oneself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// This is who it is.
    Known(Identity),
    /// Credentials of another kind: the next one is asked.
    NotMine,
    /// It is not.
    Refused(Refused),
    /// [`Authenticator::check_slowly`] will say.
    Slow,
}
