//! A small fleet with a history.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tidegate_buckets::Bucket;
use tidegate_telemetry::history::{
    AlertEvent, ProblemGroup, ReadingsCursor, ReadingsPage, ReadingsQuery, SeriesAnswer, SeriesQuery, StoreStats,
    Wanted,
};
use tidegate_telemetry::{
    AggregateChange, AlertChange, AlertState, AppliedCell, AppliedReading, Change, Command, CommandId, CommandRequest,
    CommandState, Condition, DeliveryClass, DeviceIndex, DeviceState, History, HistoryError, InAlert, MetricIndex,
    Position, Qos, Reason, Rule, Severity, StateCounts, TimeOrigin, Value,
};

/// The reference reading's own time.
pub const NOW_MS: i64 = 1_704_723_845_000;

pub const COLD: &str = "a-7-0";
pub const WARM: &str = "a-7-1";
pub const OVER: &str = "a-8-0";

const DEVICES: [(u32, &str, &str); 4] =
    [(0, "site/a/dev7", "site/a"), (1, "site/b/dev7", "site/b"), (2, "/odd näme", ""), (3, "site/b/quiet", "site/b")];

pub fn index_of(id: &str) -> DeviceIndex {
    DEVICES.iter().find(|(_, known, _)| *known == id).map(|(number, ..)| DeviceIndex(*number)).unwrap()
}

/// Three devices: two of them called `dev7`, one named `/odd name`.
pub fn changes() -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, id, group) in DEVICES {
        let device = DeviceIndex(number);
        changes.push(Change::Device { device, id: id.into(), group: group.into() });
        let unit = Some("°C".into());
        let temperature = Change::Metric {
            device,
            metric: MetricIndex(0),
            name: "temperature".into(),
            unit,
            guessed: false,
            decimals: Some(1),
        };
        let door = Change::Metric {
            device,
            metric: MetricIndex(1),
            name: "door.state".into(),
            unit: None,
            guessed: false,
            decimals: None,
        };
        changes.extend([temperature, door]);
        changes.push(Change::State { device, state: DeviceState::Fresh, since_ms: NOW_MS });
        if number != 3 {
            changes.push(Change::Reading(reading(device, 23.5)));
        }
    }
    let counts = StateCounts { fresh: 4, ..StateCounts::default() };
    for group in ["", "site/b"] {
        let in_alert = InAlert { critical: 1, ..InAlert::default() };
        changes.push(Change::States { group: group.into(), counts, in_alert });
        changes.push(Change::Aggregate(aggregate(group, 3)));
    }
    changes.push(Change::States { group: "site/a".into(), counts, in_alert: InAlert::default() });
    changes.push(Change::Aggregate(aggregate("site/a", 0)));
    changes.extend([COLD, WARM].map(|id| Change::Alert(alert(id, AlertState::Raised))));
    changes.push(Change::Alert(alert(OVER, AlertState::Cleared)));
    let request = CommandRequest {
        device: "site/b/dev7".into(),
        topic: "site/b/dev7/command".into(),
        payload: Bytes::from_static(b"\xff"),
        content_type: None,
        qos: Qos::ExactlyOnce,
        response_topic: "site/b/dev7/response".into(),
        expires_in_s: 60,
        key: None,
    };
    changes.push(command(Position(4711), "Ann", request));
    changes
}

fn reading(device: DeviceIndex, value: f64) -> AppliedReading {
    let cell = |metric, value| AppliedCell { metric: MetricIndex(metric), value, latest: true, is_new: true };
    AppliedReading {
        device,
        time_ms: NOW_MS,
        origin: TimeOrigin::Device,
        received_ms: NOW_MS,
        class: DeliveryClass::Envelope,
        cells: [cell(0, Value::Number(value)), cell(1, Value::Text("open".into()))].into_iter().collect(),
    }
}

fn aggregate(group: &str, count: u32) -> AggregateChange {
    AggregateChange {
        group: group.into(),
        metric: "temperature".into(),
        count,
        devices: 3,
        sum: 70.5,
        min: 23.0,
        max: 24.0,
        oldest_ms: (count > 0).then_some(NOW_MS),
        min_device: (count > 0).then(|| "site/a/dev7".into()),
        max_device: None,
    }
}

pub fn alert(id: &str, state: AlertState) -> AlertChange {
    AlertChange {
        id: id.into(),
        rule: "too-warm".into(),
        severity: Severity::Critical,
        device_id: "site/b/dev7".into(),
        group: "site/b".into(),
        metric: Some("temperature".into()),
        condition: Some(Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 }),
        unit: Some("°C".into()),
        decimals: Some(1),
        words: "".into(),
        state,
        value: Some(9.5),
        raised_ms: NOW_MS,
        acknowledged: (state == AlertState::Acknowledged).then(|| (NOW_MS, "anonymous".into())),
        cleared_ms: (state == AlertState::Cleared).then_some(NOW_MS),
        raised_value: None,
        peak: None,
        comment: None,
        unacknowledged: None,
    }
}

/// A command, just accepted.
pub fn command(position: Position, by: &str, request: CommandRequest) -> Change {
    Change::Command(Arc::new(Command {
        id: CommandId(position),
        by: by.into(),
        deadline_ms: NOW_MS + i64::from(request.expires_in_s) * 1_000,
        steps: [(CommandState::Accepted, NOW_MS)].into_iter().collect(),
        client: None,
        refusal: None,
        answer: None,
        request,
    }))
}

/// Rules about all of the fleet, about `site/b` alone, and about silence.
pub fn rules() -> Vec<Rule> {
    let rule = |name: &str, group: Option<&str>, condition: Condition| Rule {
        id: Rule::configured_id(name),
        name: name.into(),
        severity: Severity::Critical,
        metric: Some("temperature".to_owned()).filter(|_| condition.threshold().is_some()),
        device: None,
        group: group.map(str::to_owned),
        condition,
    };
    vec![
        rule("too-warm", Some("site/*"), Condition::Above { threshold: 8.0, hysteresis: 0.5, for_ms: 30_000 }),
        rule("only-b", Some("site/b*"), Condition::Below { threshold: -1.0, hysteresis: 0.0, for_ms: 0 }),
        rule("silent", None, Condition::NoReading { for_ms: 600_000 }),
    ]
}

/// A history in memory: a point each 10 s of the hour before [`NOW_MS`], and forty alerts of long ago.
#[derive(Default)]
pub struct FakeHistory {
    /// Questions about the metric `door.state` wait for a word from here.
    pub gate: Mutex<Option<Receiver<()>>>,
    /// Devices that readings and charts were asked of, in this order; with ` withdrawn` where nobody waited any more.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// Pages of readings never end.
    pub is_endless: bool,
    /// Every question fails.
    pub is_damaged: bool,
}

impl FakeHistory {
    fn points(from_ms: i64, to_ms: i64) -> impl Iterator<Item = (i64, f64)> {
        let all = (0..360i32).map(|n| (NOW_MS - 3_600_000 + i64::from(n) * 10_000, 20.0 + f64::from(n) / 10.0));
        all.filter(move |(time_ms, _)| (from_ms..to_ms).contains(time_ms))
    }

    fn check(&self, metric: &str, wanted: Wanted<'_>) -> Result<(), HistoryError> {
        if metric == "door.state"
            && let Some(gate) = &*self.gate.lock().unwrap()
        {
            while let Err(closed) = gate.recv_timeout(Duration::from_millis(1)) {
                assert_eq!(closed, RecvTimeoutError::Timeout, "the test opens the gate");
                if !wanted() {
                    return Err(HistoryError::Withdrawn);
                }
            }
        }
        if self.is_damaged {
            return Err(HistoryError::Corrupt { file: "2024-01-08.db".into(), what: "a checksum".into() });
        }
        Ok(())
    }
}

impl History for FakeHistory {
    fn readings(&self, query: &ReadingsQuery, wanted: Wanted<'_>) -> Result<ReadingsPage, HistoryError> {
        self.asked.lock().unwrap().push(query.device.to_string());
        self.check(&query.metric, wanted).inspect_err(|error| {
            if matches!(error, HistoryError::Withdrawn) {
                self.asked.lock().unwrap().push(format!("{} withdrawn", query.device));
            }
        })?;
        if self.is_endless {
            let points = (0..1_000).map(|n| (query.from.time_ms + n, Value::Number(20.5))).collect();
            return Ok(ReadingsPage { points, next: Some((query.from.time_ms + 1_000).into()) });
        }
        let value = |number| match &*query.metric {
            "temperature" => Value::Number(number),
            _ => Value::Text("open, \"wide\"".into()),
        };
        // The door opens and closes within a millisecond.
        let of_one_time = if &*query.metric == "door.state" { 2 } else { 1 };
        let points = Self::points(query.from.time_ms, query.to_ms);
        let mut points = points.flat_map(|point| (0..of_one_time).map(move |skip| (point, skip))).skip(query.from.skip);
        let page = points.by_ref().take(query.limit).map(|((time_ms, number), _)| (time_ms, value(number))).collect();
        let next = points.next().map(|((time_ms, _), skip)| ReadingsCursor { time_ms, skip });
        Ok(ReadingsPage { points: page, next })
    }

    fn series(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
        self.asked.lock().unwrap().push(query.device.to_string());
        self.check(&query.metric, wanted).inspect_err(|error| {
            if matches!(error, HistoryError::Withdrawn) {
                self.asked.lock().unwrap().push(format!("{} withdrawn", query.device));
            }
        })?;
        let mut buckets: Vec<(i64, Bucket)> = Vec::new();
        for (time_ms, value) in Self::points(query.from_ms, query.to_ms) {
            match buckets.last_mut() {
                Some((start, bucket)) if *start == query.rung.start_ms(time_ms) => bucket.add(time_ms, value),
                _ => buckets.push((query.rung.start_ms(time_ms), Bucket::of(time_ms, value))),
            }
        }
        Ok(SeriesAnswer { buckets, through: Position(9) })
    }

    /// Forty alerts: each raised by an entry of its own (positions 101 to 140), all cleared four at a time.
    fn alert_events(&self, before: Option<Position>, limit: usize) -> Result<Vec<AlertEvent>, HistoryError> {
        self.check("", &|| true)?;
        let event = |position, id: String, state| AlertEvent {
            position: Position(position),
            at_ms: NOW_MS,
            alert: alert(&id, state),
        };
        let cleared = (0..40).rev().map(|n: u64| event(201 + n / 4, format!("a-{}-0", 101 + n), AlertState::Cleared));
        let raised = (0..40).rev().map(|n| event(101 + n, format!("a-{}-0", 101 + n), AlertState::Raised));
        let before = before.unwrap_or(Position(u64::MAX));
        Ok(cleared.chain(raised).filter(|event| event.position < before).take(limit).collect())
    }

    fn has_device(&self, _: &str) -> bool {
        false
    }

    fn names(&self, before: usize, limit: usize) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        let metrics = ["temperature", "soil moisture"].map(Arc::from).to_vec();
        let devices = ["site/b/dev7", "gone/dev9"].map(|id| (Arc::from(id), metrics.clone()));
        devices.into_iter().skip(before).take(limit).collect()
    }

    fn problems(&self, limit: usize) -> (Vec<ProblemGroup>, u64) {
        let group = ProblemGroup {
            reason: Reason::NotUtf8,
            topic: "site/a/dev7".into(),
            client: "c1".into(),
            detail: "the payload is not UTF-8: publish JSON".into(),
            count: 3,
            first_ms: NOW_MS - 1,
            last_ms: NOW_MS,
            sample: Bytes::from_static(b"ab\xff"),
        };
        (vec![group].into_iter().take(limit).collect(), 17)
    }

    fn stats(&self) -> StoreStats {
        StoreStats { series: 8, points: 360, oldest_ms: Some(NOW_MS - 3_600_000), ..StoreStats::default() }
    }
}

pub fn names(of: &serde_json::Value, field: &str) -> Vec<String> {
    of.as_array().unwrap().iter().map(|entry| entry[field].as_str().unwrap().to_owned()).collect()
}
