//! Which frames may go out now, by lanes, rates and bytes in flight, and when to look again.

use std::time::Duration;

use tidegate_views::{Frame, Lane};
use tokio::time::Instant;

use super::{Open, Session};
use crate::live::config::LiveConfig;
use crate::live::message::ServerMessage;
use crate::live::pace::Held;
use crate::live::transport::{Gone, Transport};
use crate::live::waker::Lanes;

/// However low a rate is.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3_600);

impl<T: Transport> Session<T> {
    /// Sends everything that may go now, the most urgent lane first; answers when to look again by itself.
    pub(super) async fn serve_what_is_due(&mut self) -> Result<Instant, Gone> {
        let mut frames = 0;
        loop {
            let now = Instant::now();
            if self.pulse_due <= now {
                self.pulse(now).await?;
            }
            let (lanes, received_ms) = self.guard.waker.take();
            for open in &mut self.subscriptions {
                let changed = lanes.has(open.subscription.lane());
                open.dirty |= changed;
                open.held = changed && open.asleep;
                open.asleep = false;
            }
            let Some((frame, overdue)) = self.next_frame(now) else {
                self.tell_pace(now).await?;
                return Ok(self.next_deadline(now));
            };
            if lanes != Lanes::default() {
                let latency = Duration::from_millis((self.hub.now_ms() - received_ms).max(0).unsigned_abs());
                if !self.pace.is_held() && self.subscriptions.iter().all(|open| open.told_rate.is_none()) {
                    self.hub.meters.latency.record(latency.as_secs_f64());
                }
                self.rest_when_late(latency.min(overdue), now);
            }
            self.hub.meters.deltas.increment(1);
            self.send(frame).await?;
            frames += 1;
            if frames % 16 == 0 {
                // A long snapshot must not keep this session from hearing `unsubscribe`, or others from running.
                return Ok(Instant::now());
            }
        }
    }

    /// Where deltas are late, what is on the screen and not urgent waits a little for what comes next.
    fn rest_when_late(&mut self, late: Duration, now: Instant) {
        let config = &self.hub.config;
        if !self.lateness.note(late, config.late_after) {
            return;
        }
        let due = now + config.late_gap;
        let may_wait = |open: &&mut Open| open.subscription.lane() >= Lane::Views && !open.subscription.has_more();
        self.subscriptions.iter_mut().filter(may_wait).for_each(|open| open.due = open.due.max(due));
        self.hub.meters.held_late.increment(1);
    }

    /// The next frame of the first subscription that is due; and for how long it has been, if it was held until then.
    fn next_frame(&mut self, now: Instant) -> Option<(Vec<u8>, Duration)> {
        let held = self.hold(now);
        let config = &self.hub.config;
        let room = usize::try_from(self.flow.room()).unwrap_or(usize::MAX);
        'subscriptions: for index in 0..self.subscriptions.len() {
            let open = &mut self.subscriptions[index];
            let lane = open.subscription.lane();
            let is_alert = lane == Lane::Alerts;
            if !open.dirty || open.reading || open.due > now || (held.is_some() && !is_alert) {
                continue;
            }
            let bytes_max = if is_alert { config.frame_bytes_max } else { config.frame_bytes_max.min(room) };
            let mut out = Vec::with_capacity(128);
            let (frame, at) = loop {
                let (frame, at) = self.hub.read(|views| {
                    let frame = views.frame(&mut open.subscription, self.encoding, &mut out, bytes_max);
                    (frame, views.position())
                });
                let Frame::MustFollow = frame else { break (frame, at) };
                self.hub.write(|views| views.follow(&mut open.subscription));
                if open.subscription.must_follow() {
                    // A long list: it is still due, and others get between.
                    continue 'subscriptions;
                }
            };
            match frame {
                Frame::Nothing => open.dirty = false,
                Frame::WantsEvents { after, through } => {
                    open.reading = true;
                    let (id, max) = (open.subscription.id(), config.event_fill_max);
                    self.jobs.events((id, &mut open.questions), (after, through), max);
                }
                Frame::Written | Frame::MustFollow => {
                    let overdue = if open.held { now.saturating_duration_since(open.due) } else { Duration::MAX };
                    if !open.subscription.has_more() {
                        open.due = now + open.interval(config, self.max_rate);
                        // Whatever comes after `at` marks its lane: there is no need to look again.
                        open.dirty = open.subscription.at() != at;
                    }
                    return Some((out, overdue));
                }
            }
        }
        None
    }

    /// Why nothing but alerts may go out now.
    fn hold(&mut self, now: Instant) -> Option<Held> {
        let waiting = |open: &Open| open.dirty && open.subscription.lane() != Lane::Alerts;
        let any_waiting = self.subscriptions.iter().any(waiting);
        let byte_due = self.byte_limit.as_mut().map(|limit| limit.due(now));
        let held = if self.paused {
            Some(Held::Paused)
        } else if self.flow.room() == 0 {
            Some(if self.flow.is_unseen() { Held::Unseen } else { Held::SlowLink })
        } else if byte_due.is_some_and(|due| due > now) {
            Some(Held::ByteLimit)
        } else {
            None
        };
        let shown = held.filter(|held| any_waiting || *held == Held::Paused);
        if let Some(held) = shown.filter(|_| any_waiting) {
            self.pace.count(held, &self.hub.meters);
        }
        self.pace.note(shown, now);
        if held.is_none() {
            self.note_rates(now);
        }
        held
    }

    /// Which subscriptions are held back by the rate that the client asked for.
    fn note_rates(&mut self, now: Instant) {
        for open in &mut self.subscriptions {
            let asked = open.rate.or(self.max_rate).is_some();
            let is_held = asked && open.dirty && (open.due > now || open.held);
            open.met_rate = if is_held { open.rate_max(&self.hub.config, self.max_rate) } else { open.met_rate };
            open.met_rate = open.met_rate.filter(|_| asked);
        }
    }

    /// Tells what holds updates back, and what does no longer.
    async fn tell_pace(&mut self, now: Instant) -> Result<(), Gone> {
        if let Some((rate, reason)) = self.pace.told(now) {
            self.say(&ServerMessage::Pace { id: None, rate, reason }).await?;
        }
        for index in 0..self.subscriptions.len() {
            let open = &mut self.subscriptions[index];
            if open.met_rate == open.told_rate {
                continue;
            }
            open.told_rate = open.met_rate;
            let (id, rate) = (Some(open.subscription.id()), open.met_rate);
            if rate.is_some() {
                self.hub.meters.held_rate_limit.increment(1);
            }
            let reason = if rate.is_some() { "rate_limit" } else { "full" };
            self.say(&ServerMessage::Pace { id, rate, reason }).await?;
        }
        Ok(())
    }

    fn next_deadline(&mut self, now: Instant) -> Instant {
        let mut deadline = self.pulse_due;
        if let Some(due) = self.pace.due() {
            deadline = deadline.min(due);
        }
        if self.paused {
            return deadline;
        }
        // One that is not due is looked at then, whether something changes meanwhile or not: it is not woken before.
        let waiting = self.subscriptions.iter().filter(|open| (open.dirty || open.due > now) && !open.reading);
        if let Some(due) = waiting.map(|open| open.due).min() {
            let byte_due = self.byte_limit.as_mut().map_or(now, |limit| limit.due(now));
            if self.flow.room() > 0 {
                deadline = deadline.min(due.max(byte_due));
            }
        }
        deadline.max(now)
    }

    /// Lanes in which a change means that there is something to do at once.
    pub(super) fn lanes_to_wake_for(&mut self, now: Instant) -> Lanes {
        let blocked = self.paused || self.flow.room() == 0;
        let mut lanes = Lanes::default();
        for open in self.subscriptions.iter_mut().filter(|open| !open.dirty) {
            let lane = open.subscription.lane();
            open.asleep = open.due > now;
            if lane == Lane::Alerts || !(blocked || open.asleep) {
                lanes.add(lane);
            }
        }
        lanes
    }
}

impl Open {
    /// Deltas a second at most: the least of what the subscription asks for, the session, and what its kind has.
    pub(super) fn rate_max(&self, config: &LiveConfig, max_rate: Option<f64>) -> Option<f64> {
        let own = match self.subscription.lane() {
            Lane::Aggregates => config.group_interval,
            Lane::Views if self.subscription.is_fleet() => config.fleet_interval,
            Lane::Views | Lane::Commands => Duration::ZERO,
            Lane::Alerts => return None,
        };
        let own = (!own.is_zero()).then(|| 1.0 / own.as_secs_f64());
        let least = [own, self.rate, max_rate].into_iter().flatten().min_by(f64::total_cmp);
        least.map(|rate| rate.max(1.0 / LONGEST_INTERVAL.as_secs_f64()))
    }

    /// Least time between two deltas.
    fn interval(&self, config: &LiveConfig, max_rate: Option<f64>) -> Duration {
        let interval = |rate: f64| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(LONGEST_INTERVAL);
        self.rate_max(config, max_rate).map_or(Duration::ZERO, interval)
    }
}
