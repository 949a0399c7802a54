//! How much a link takes: bytes in flight by what the client has seen, and the limit in bytes a second it asked for.

use std::time::Duration;

use tokio::time::Instant;

/// On top of the round trip: what may wait in buffers between the page and us.
const QUEUE_ALLOWED: Duration = Duration::from_millis(250);
/// With less room than this a frame is not worth its head.
const ROOM_MIN: u64 = 1_024;

/// Bytes sent and not yet seen, bounded by the measured delivery rate times (round trip + 250 ms).
#[derive(Debug)]
pub(crate) struct Flow {
    pub sent: u64,
    seen: u64,
    window: u64,
    window_start: u64,
    window_max: u64,
    /// Bytes a second, as the link delivered lately.
    rate: f64,
    round_trip: Option<Duration>,
    /// Bytes sent when it was noted, to time when they are seen.
    probe: Option<(u64, Instant)>,
    last_seen_at: Option<Instant>,
    was_full: bool,
}

impl Flow {
    pub fn new(window_start: u64, window_max: u64) -> Self {
        Flow {
            sent: 0,
            seen: 0,
            window: window_start,
            window_start,
            window_max,
            rate: 0.0,
            round_trip: None,
            probe: None,
            last_seen_at: None,
            was_full: false,
        }
    }

    /// Bytes that may be sent now; 0 when a frame must wait.
    pub fn room(&self) -> u64 {
        let room = self.window.saturating_sub(self.sent - self.seen);
        if room < ROOM_MIN { 0 } else { room }
    }

    /// Whether the client never said that it saw anything.
    pub fn is_unseen(&self) -> bool {
        self.seen == 0
    }

    pub fn on_sent(&mut self, bytes: usize, now: Instant) {
        if self.sent == self.seen {
            self.last_seen_at = Some(now);
        }
        self.sent += bytes as u64;
        self.was_full |= self.room() == 0;
        self.probe.get_or_insert((self.sent, now));
    }

    pub fn on_seen(&mut self, bytes: u64, now: Instant) {
        let bytes = bytes.min(self.sent);
        if bytes <= self.seen {
            return;
        }
        if let Some(since) = self.last_seen_at {
            self.measure_rate(bytes - self.seen, now.duration_since(since));
        }
        if let Some((_, sent_at)) = self.probe.filter(|&(probe, _)| bytes >= probe) {
            let measured = now.duration_since(sent_at);
            // Clients may wait 1 s before they say what they saw: the shortest time is the link's.
            self.round_trip = Some(self.round_trip.map_or(measured, |least| least.min(measured)));
            self.probe = None;
        }
        self.seen = bytes;
        self.last_seen_at = Some(now);
        let span = self.round_trip.unwrap_or_default() + QUEUE_ALLOWED;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped right away
        let window = (self.rate * span.as_secs_f64()) as u64;
        self.window = window.clamp(self.window_start, self.window_max);
    }

    fn measure_rate(&mut self, bytes: u64, took: Duration) {
        #[allow(clippy::cast_precision_loss)]
        let measured = bytes as f64 / took.as_secs_f64().max(0.001);
        if measured > self.rate {
            self.rate = measured;
        } else if std::mem::take(&mut self.was_full) {
            // Only a link that had enough to carry shows how much it carries.
            self.rate += (measured - self.rate) / 4.0;
        }
    }
}

/// A token bucket of one second.
#[derive(Debug)]
pub(crate) struct ByteLimit {
    bytes_per_second: f64,
    available: f64,
    at: Instant,
}

impl ByteLimit {
    pub fn new(bytes_per_second: u64, now: Instant) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let rate = bytes_per_second.max(1) as f64;
        ByteLimit { bytes_per_second: rate, available: rate, at: now }
    }

    /// When the next frame may go; not after `now` when it may go now.
    pub fn due(&mut self, now: Instant) -> Instant {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.available = (self.available + passed * self.bytes_per_second).min(self.bytes_per_second);
        if self.available > 0.0 {
            return now;
        }
        now + Duration::from_secs_f64((1.0 - self.available) / self.bytes_per_second)
    }

    pub fn on_sent(&mut self, bytes: usize) {
        #[allow(clippy::cast_precision_loss)]
        let bytes = bytes as f64;
        self.available -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_seen_it_stops_at_sixteen_kib_and_goes_on_with_it() {
        let mut flow = Flow::new(16_384, 1 << 20);
        let start = Instant::now();
        flow.on_sent(16_000, start);
        assert_eq!(flow.room(), 0);
        flow.on_seen(8_192, start + Duration::from_secs(1));
        assert!(flow.room() >= 8_192);
    }

    #[test]
    fn a_fast_link_is_given_more_and_a_slow_one_no_more_than_it_carries() {
        for (bytes_per_ms, low, high) in [(1_000_u64, 200_000, 1 << 20), (10, 16_384, 20_000)] {
            let mut flow = Flow::new(16_384, 1 << 20);
            let mut now = Instant::now();
            for _ in 0..200 {
                while flow.room() > 0 {
                    flow.on_sent(1_024, now);
                }
                now += Duration::from_millis(1 + 4_096 / bytes_per_ms);
                flow.on_seen(flow.seen + 4_096, now);
            }
            assert!((low..=high).contains(&flow.window), "{bytes_per_ms} bytes a ms: window {}", flow.window);
        }
    }

    #[test]
    fn a_byte_limit_is_kept_over_a_second() {
        let start = Instant::now();
        let mut limit = ByteLimit::new(1_000, start);
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(10) {
            if limit.due(now) <= now {
                limit.on_sent(100);
                sent += 100;
            }
            now += Duration::from_millis(10);
        }
        assert!((10_000..=11_200).contains(&sent), "{sent}");
    }
}
