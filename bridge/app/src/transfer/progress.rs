use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a terminal is told how far it is.
const TELL_INTERVAL: Duration = Duration::from_millis(500);

/// A line on stderr that says how far it is, where that is a terminal.
pub struct Progress {
    began: Instant,
    told: Instant,
    is_told: bool,
}

impl Progress {
    pub fn new() -> Progress {
        let now = Instant::now();
        Progress { began: now, told: now, is_told: std::io::stderr().is_terminal() }
    }

    /// So many points have passed; `of` says how far that is.
    pub fn tell(&mut self, points: u64, of: impl FnOnce() -> String) {
        if self.is_told && self.told.elapsed() >= TELL_INTERVAL {
            self.told = Instant::now();
            eprint!("\r\x1b[K{points} points, {} a second, {}", self.rate(points), of());
        }
    }

    /// The line makes room for what is said at the end, or between.
    pub fn clear(&self) {
        if self.is_told {
            eprint!("\r\x1b[K");
        }
    }

    /// Points a second.
    pub fn rate(&self, points: u64) -> u64 {
        (points as f64 / self.began.elapsed().as_secs_f64().max(0.001)) as u64
    }
}
