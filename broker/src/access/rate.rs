use std::time::{Duration, Instant};

use crate::config::BrokerConfig;
use crate::metrics;

/// How much of a client is read: a token bucket of publications and one of bytes, each holding a second's worth. A
/// client that is past one is not read until it has filled again, so its own TCP window holds it up and nothing of
/// it is lost or refused.
#[derive(Debug)]
pub(crate) struct PublishRate {
    messages: f64,
    bytes: f64,
    at: Option<Instant>,
}

impl PublishRate {
    pub(crate) const fn new() -> Self {
        PublishRate { messages: 0.0, bytes: 0.0, at: None }
    }

    /// Counts publications that were read, and their bytes. Returns until when nothing more is to be read, if so.
    pub(crate) fn took(
        &mut self,
        messages: usize,
        bytes: usize,
        config: &BrokerConfig,
        now: Instant,
    ) -> Option<Instant> {
        let (per_s, bytes_per_s) = (f64::from(config.publish_rate_max), config.publish_bytes_rate_max as f64);
        // A client that is heard for the first time may send a second's worth at once.
        let since = self.at.map_or(1.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        self.messages = (self.messages + since * per_s).min(per_s) - messages as f64;
        self.bytes = (self.bytes + since * bytes_per_s).min(bytes_per_s) - bytes as f64;
        let wait_s = |tokens: f64, per_s: f64| if per_s > 0.0 && tokens < 0.0 { -tokens / per_s } else { 0.0 };
        let (for_messages, for_bytes) = (wait_s(self.messages, per_s), wait_s(self.bytes, bytes_per_s));
        let wait_s = for_messages.max(for_bytes);
        if wait_s == 0.0 {
            return None;
        }
        let key = if for_messages >= for_bytes { "mqtt.publish_rate_max" } else { "mqtt.publish_bytes_rate_max" };
        metrics::limit_met(key, 1);
        Some(now + Duration::from_secs_f64(wait_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_past_its_rate_waits_until_the_bucket_has_filled() {
        let config = BrokerConfig { publish_rate_max: 10, publish_bytes_rate_max: 1000, ..BrokerConfig::default() };
        let (mut rate, now) = (PublishRate::new(), Instant::now());
        assert_eq!(rate.took(10, 0, &config, now), None, "a second's worth at once");
        assert_eq!(rate.took(5, 0, &config, now), Some(now + Duration::from_millis(500)));
        let later = now + Duration::from_millis(500);
        assert_eq!(rate.took(1, 3000, &config, later), Some(later + Duration::from_millis(2000)));
        assert_eq!(rate.took(1, 0, &config, now + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let config = BrokerConfig { publish_rate_max: 0, publish_bytes_rate_max: 0, ..BrokerConfig::default() };
        assert_eq!(PublishRate::new().took(1_000_000, 1 << 30, &config, Instant::now()), None);
    }
}
