//! Keep-alive, and how long credentials last.

use std::time::{Duration, Instant};

use super::limits::Now;

/// How long a connection lasts without another word of its client: its keep-alive and its credentials.
#[derive(Debug)]
pub(super) struct Lifetime {
    heard: Instant,
    /// Seconds; 0 where the client may be silent for ever.
    keep_alive_s: u16,
    /// When the client's credentials end.
    credentials_end: Option<Instant>,
}

/// Further ahead it does not matter when credentials end.
const CREDENTIALS_END_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

impl Lifetime {
    pub(super) fn new(now: Instant) -> Self {
        Lifetime { heard: now, keep_alive_s: 0, credentials_end: None }
    }

    /// The client was heard.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The client may be silent for one and a half times its keep-alive (MQTT-3.1.2-22); 0: for ever.
    pub(super) fn keep_alive(&mut self, seconds: u16) {
        self.keep_alive_s = seconds;
    }

    /// Its credentials end at `expires_ms` (Unix ms), if at all.
    pub(super) fn ends_with_credentials(&mut self, expires_ms: Option<i64>, now: Now) {
        self.credentials_end = expires_ms.map(|expires_ms| {
            let left_ms = u64::try_from(expires_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
            now.instant + Duration::from_millis(left_ms).min(CREDENTIALS_END_MAX)
        });
    }

    /// When a client that was not heard since its connection began has taken longer than `patience`.
    pub(super) fn begins_until(&self, patience: Duration) -> Instant {
        self.heard + patience
    }

    /// When the silence is over or the credentials end, whichever comes first.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silence = Duration::from_millis(u64::from(self.keep_alive_s) * 1500);
        let silent = (self.keep_alive_s > 0).then(|| self.heard + silence);
        silent.into_iter().chain(self.credentials_end).min()
    }

    pub(super) fn has_expired_credentials(&self, now: Instant) -> bool {
        self.credentials_end.is_some_and(|at| at <= now)
    }

    /// The program stood still for that long since the client was heard.
    pub(super) fn forgive_pause(&mut self, pause: Duration, now: Instant) {
        self.heard = (self.heard + pause).min(now.max(self.heard));
    }
}

/// The beginning of a packet whose end has not come yet; also what came before the CONNECT was answered.
#[derive(Debug)]
pub(super) struct Unfinished {
    bytes: Vec<u8>,
    /// When its first byte came.
    since: Instant,
}

impl Unfinished {
    pub(super) fn new(now: Instant) -> Self {
        Unfinished { bytes: Vec::new(), since: now }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// More of it came.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// It begins now with these bytes, behind what is there.
    pub(super) fn begin(&mut self, bytes: &[u8], now: Instant) {
        self.bytes.extend_from_slice(bytes);
        self.since = now;
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// When it has to be whole: a second more for each KiB of it that came, so that a slow link carries large packets and
    /// a client that sends a byte a minute holds its connection no longer than one that is silent.
    pub(super) fn due(&self, timeout: Duration) -> Option<Instant> {
        let earned = Duration::from_secs(self.bytes.len() as u64 / 1024);
        (!self.bytes.is_empty()).then(|| self.since + timeout + earned)
    }

    /// The client was not read for a while.
    pub(super) fn forgive_silence(&mut self, now: Instant) {
        self.since = now;
    }

    /// The program stood still for that long.
    pub(super) fn forgive_pause(&mut self, pause: Duration, now: Instant) {
        self.since = (self.since + pause).min(now.max(self.since));
    }
}
