//! What questions about the newest state are answered with: facts, which push shows as REST documents them. All times are
//! Unix milliseconds.

use std::sync::Arc;

use tidegate_telemetry::{
    AggregateChange, AlertChange, AlertState, DeviceFacts, DeviceState, InAlert, MetricFacts, SaidOfDevice, Severity,
    StateCounts, Value,
};

use crate::directory::Found;
pub use crate::directory::is_within;
use crate::groups::Aggregate;
use crate::rows::Row;
use crate::views::Views;

mod commands;

pub use commands::CommandsPage;

/// What a device name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup<T> {
    /// One device.
    Unique(T),
    /// Full identifiers of devices whose last level it is: some, where there are many.
    Ambiguous(Vec<Arc<str>>),
    /// No device.
    Unknown,
}

/// A device and its newest values.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Full identifier.
    pub id: Arc<str>,
    /// Group path.
    pub group: Arc<str>,
    /// Whether it is heard of as expected.
    pub state: DeviceState,
    /// Since when, Unix ms.
    pub since: i64,
    /// Worst active alert.
    pub alert: Option<Severity>,
    /// What is known of it besides values, as it or its gateway says.
    pub facts: Option<Arc<DeviceFacts>>,
    /// What people say of it.
    pub said: Option<Arc<SaidOfDevice>>,
    /// Newest values by metric, in the order the metrics appeared.
    pub metrics: Named<Metric>,
}

/// The newest value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Number, boolean or text; `null` before the first.
    pub value: Option<Value>,
    /// Event time, Unix ms; `null` before the first value.
    pub time: Option<i64>,
    /// Unit for people.
    pub unit: Option<Arc<str>>,
    /// Whether the unit is guessed from the metric's name: nobody has said it.
    pub unit_guessed: bool,
    /// Decimals to show.
    pub decimals: Option<u8>,
    /// What else is known of it.
    pub facts: Option<Arc<MetricFacts>>,
}

/// Named things in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T>(pub Vec<(Arc<str>, T)>);

/// One page of devices, in order of their identifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct DevicesPage {
    /// The devices.
    pub devices: Vec<Device>,
    /// Cursor of the next page: identifiers up to it were looked at. `null` at the end.
    pub next: Option<Arc<str>>,
}

/// Which devices.
#[derive(Debug, Clone, Default)]
pub struct DevicesQuery<'a> {
    /// Group path with everything below it; empty for all.
    pub group: &'a str,
    /// Part of the identifier, or of what is known of the device, in any case; empty for all.
    pub q: &'a str,
    /// Labels that the device has, all of them.
    pub labels: &'a [(&'a str, &'a str)],
    /// Whether those that people hid are meant.
    pub hidden: Hidden,
    /// `next` of the page before.
    pub cursor: Option<&'a str>,
    /// Largest number of devices.
    pub limit: usize,
    /// Largest number of devices that are looked at, whether they are wanted or not. `None`: all.
    pub looked_at_max: Option<usize>,
}

/// Whether devices that people hid are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hidden {
    /// Only the others.
    #[default]
    Not,
    /// They as well.
    Too,
    /// They alone.
    Only,
}

/// A group and its aggregates, over itself and everything below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Path; empty for the whole fleet.
    pub path: Arc<str>,
    /// Devices by state.
    pub devices: StateCounts,
    /// Those of them that have an alert, by the gravest.
    pub in_alert: InAlert,
    /// Figures by metric.
    pub metrics: Named<Figures>,
}

/// Aggregate of the newest values of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Devices in the figures.
    pub count: u32,
    /// Devices that have the metric.
    pub devices: u32,
    /// Arithmetic mean; `null` when `count` is 0, like the other figures.
    pub mean: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Event time (Unix ms) of the oldest value in the figures.
    pub oldest: Option<i64>,
    /// Full identifier of the device that has the smallest; of several one of them.
    pub min_device: Option<Arc<str>>,
    /// Full identifier of the device that has the largest.
    pub max_device: Option<Arc<str>>,
}

/// Which alerts.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlertsQuery<'a> {
    /// Group path with everything below it; empty for all.
    pub group: &'a str,
    /// Full identifier of the device.
    pub device: Option<&'a str>,
    /// Name of the rule.
    pub rule: Option<&'a str>,
    /// Identifier of a line that stands for many.
    pub burst: Option<&'a str>,
    /// Only those that no such line stands for.
    pub alone: bool,
    /// Also those that cleared.
    pub cleared: bool,
    /// Those raised before: Unix ms and identifier.
    pub before: Option<(i64, &'a str)>,
    /// Largest number of alerts.
    pub limit: usize,
    /// Largest number of alerts to look at.
    pub looked_at_max: usize,
}

/// Alerts that were found.
#[derive(Debug, Clone, Default)]
pub struct AlertsPart {
    /// They.
    pub alerts: Vec<Arc<AlertChange>>,
    /// What to ask for those `before` next; `None` at the end.
    pub next: Option<(i64, Arc<str>)>,
}

/// Metrics and their units.
pub type Units = Vec<(Arc<str>, Arc<str>)>;

impl Views {
    /// A device by full identifier, or by its last level while only one device has it.
    #[must_use]
    pub fn device(&self, name: &str) -> Lookup<Device> {
        match self.directory.find(name) {
            Found::Unique(row) => self.rows.get(row).map_or(Lookup::Unknown, |row| Lookup::Unique(Device::from(row))),
            Found::Ambiguous(rows) => Lookup::Ambiguous(self.identifiers(rows)),
            Found::Unknown => Lookup::Unknown,
        }
    }

    /// A page of devices.
    #[must_use]
    pub fn devices(&self, query: &DevicesQuery<'_>) -> DevicesPage {
        let needle = query.q.to_lowercase();
        let wanted = |row: &Row| fits(query, &needle, row);
        let branch = self.directory.branches.of(query.group);
        let members =
            branch.into_iter().flat_map(|branch| self.members(branch, (query.group, true), query.cursor, None));
        let looked_at_max = query.looked_at_max.unwrap_or(usize::MAX);
        let (mut devices, mut last) = (Vec::new(), None);
        for (looked_at, (id, row)) in members.enumerate() {
            if devices.len() >= query.limit || looked_at >= looked_at_max {
                return DevicesPage { devices, next: last.map(Arc::clone) };
            }
            devices.extend(self.rows.get(row).filter(|row| wanted(row)).map(Device::from));
            last = Some(id);
        }
        DevicesPage { devices, next: None }
    }

    /// The device of a full identifier, if a question fits it.
    #[must_use]
    pub fn device_that_fits(&self, id: &str, query: &DevicesQuery<'_>) -> Option<Device> {
        let row = self.directory.row_of(id).and_then(|row| self.rows.get(row))?;
        let is_on_page = query.cursor.is_none_or(|after| after < id) && is_within(&row.group, query.group);
        (is_on_page && fits(query, &query.q.to_lowercase(), row)).then(|| Device::from(row))
    }

    /// Number of devices.
    #[must_use]
    pub fn devices_count(&self) -> usize {
        self.directory.len()
    }

    /// The group path of a device.
    #[must_use]
    pub fn group_of(&self, id: &str) -> Option<&Arc<str>> {
        self.directory.row_of(id).and_then(|row| self.rows.get(row)).map(|row| &row.group)
    }

    /// Whether a device, by its full identifier, has a metric.
    #[must_use]
    pub fn has_metric(&self, id: &str, metric: &str) -> bool {
        self.directory.row_of(id).and_then(|row| self.rows.get(row)).is_some_and(|row| row.column(metric).is_some())
    }

    /// Metrics with a unit, and the units, of up to `limit` devices after an identifier, in order. Answers besides after
    /// which one to go on; `None` at the end.
    #[must_use]
    pub fn units(&self, after: Option<&str>, limit: usize) -> (Units, Option<Arc<str>>) {
        use std::ops::Bound::{Excluded, Unbounded};
        let members = &self.directory.branches.root().members;
        let (mut units, mut last) = (Vec::new(), None);
        for (id, row) in members.range::<str, _>((after.map_or(Unbounded, Excluded), Unbounded)).take(limit) {
            let columns = self.rows.get(*row).into_iter().flat_map(|row| &row.columns);
            let known = columns.filter_map(|column| Some((&column.name, column.unit.as_ref()?)));
            units.extend(known.map(|(metric, unit)| (Arc::clone(metric), Arc::clone(unit))));
            last = Some(id);
        }
        let is_more = |last: &&Arc<str>| members.last_key_value().is_some_and(|(end, _)| end > *last);
        (units, last.filter(is_more).map(Arc::clone))
    }

    /// Groups that have devices, by level and path, after that of a path: those among the next `limit` that are known, and
    /// where to go on. The first, with the empty path, is the whole fleet.
    #[must_use]
    pub fn groups(&self, after: Option<&str>, limit: usize) -> (Vec<Group>, Option<Arc<str>>) {
        let (mut groups, mut looked_at, mut last) = (Vec::new(), 0, None);
        for group in self.groups.after(after, limit) {
            groups.extend(Some(group).filter(|group| !group.is_gone()).map(Group::from));
            (looked_at, last) = (looked_at + 1, Some(&group.path));
        }
        (groups, last.filter(|_| looked_at == limit).map(Arc::clone))
    }

    /// One group.
    #[must_use]
    pub fn group(&self, path: &str) -> Option<Group> {
        self.groups.get(path).filter(|group| !group.is_gone()).map(Group::from)
    }

    /// Alerts that hold, and those that cleared lately; the last raised first.
    #[must_use]
    pub fn alerts(&self, query: &AlertsQuery<'_>) -> AlertsPart {
        let wanted = |change: &AlertChange, burst: Option<&Arc<str>>| {
            is_within(&change.group, query.group)
                && (query.cleared || change.state != AlertState::Cleared)
                && query.device.is_none_or(|device| *change.device_id == *device)
                && query.rule.is_none_or(|rule| *change.rule == *rule)
                && !(query.alone && burst.is_some())
                && query.burst.is_none_or(|wanted| burst.is_some_and(|burst| **burst == *wanted))
        };
        let key = |change: &AlertChange| (change.raised_ms, Arc::clone(&change.id));
        let before = |change: &AlertChange| {
            query.before.is_none_or(|(raised_ms, id)| (change.raised_ms, &*change.id) < (raised_ms, id))
        };
        let of_device = query.device.map(|device| self.alerts.of_device(device));
        let of_device = of_device.map(|alerts| alerts.into_iter().filter(|alert| before(&alert.change)));
        let any = of_device.is_none().then(|| self.alerts.before(query.before, query.burst));
        let (mut part, mut looked_at) = (AlertsPart::default(), 0);
        for alert in any.into_iter().flatten().chain(of_device.into_iter().flatten()) {
            if part.alerts.len() == query.limit || looked_at == query.looked_at_max {
                return part;
            }
            looked_at += 1;
            part.next = Some(key(&alert.change));
            part.alerts.extend(wanted(&alert.change, alert.burst.as_ref()).then(|| Arc::clone(&alert.change)));
        }
        part.next = None;
        part
    }

    /// How many alerts of a rule hold.
    #[must_use]
    pub fn active_alerts_of(&self, rule: &str) -> usize {
        self.alerts.active_of_rule(rule)
    }

    /// Whether there are alerts of a device by its full identifier, known or not.
    #[must_use]
    pub fn has_alerts_of(&self, device: &str) -> bool {
        !self.alerts.of_device(device).is_empty()
    }

    /// Cleared alerts that went because of their number, before their time.
    #[must_use]
    pub fn alerts_crowded_out(&self) -> u64 {
        self.alerts.crowded_out
    }

    /// One alert, while it holds and a while after.
    #[must_use]
    pub fn alert(&self, id: &str) -> Option<Arc<AlertChange>> {
        self.alerts.get(id).map(|alert| Arc::clone(&alert.change))
    }

    pub(crate) fn identifiers(&self, rows: &[u32]) -> Vec<Arc<str>> {
        let mut ids: Vec<_> = rows.iter().filter_map(|&row| Some(Arc::clone(&self.rows.get(row)?.id))).collect();
        ids.sort();
        ids
    }
}

/// Whether a device of the group is asked for; `needle` is what is searched for, in lower case.
fn fits(query: &DevicesQuery<'_>, needle: &str, row: &Row) -> bool {
    let is_meant = match query.hidden {
        Hidden::Not => !row.is_hidden(),
        Hidden::Too => true,
        Hidden::Only => row.is_hidden(),
    };
    let word = row.said.as_ref().map(|said| &said.word);
    let has = |(key, value): &(&str, &str)| word.is_some_and(|word| word.has_label(key, value));
    is_meant && query.labels.iter().all(has) && row.texts().any(|text| contains(text, needle))
}

/// Whether a text contains another one that is in lower case, whatever its own case.
fn contains(text: &str, needle: &str) -> bool {
    if needle.is_empty() {
        return true;
    }
    if !text.is_ascii() {
        return text.to_lowercase().contains(needle);
    }
    text.as_bytes().windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle.as_bytes()))
}

impl From<&Row> for Device {
    fn from(row: &Row) -> Self {
        let metrics = row.columns.iter().filter(|column| !column.name.is_empty());
        let metrics = metrics.map(|column| {
            let metric = Metric {
                value: column.value.clone(),
                time: column.own_time_ms(),
                unit: column.unit.clone(),
                unit_guessed: column.guessed,
                decimals: column.decimals,
                facts: column.facts.clone(),
            };
            (Arc::clone(&column.name), metric)
        });
        Device {
            id: Arc::clone(&row.id),
            group: Arc::clone(&row.group),
            state: row.state,
            since: row.since_ms,
            alert: row.worst_alert,
            facts: row.facts.clone(),
            said: row.said.clone(),
            metrics: Named(metrics.collect()),
        }
    }
}

impl From<&crate::groups::Group> for Group {
    fn from(group: &crate::groups::Group) -> Self {
        let metrics = group.metrics.iter().filter(|aggregate| !aggregate.is_gone());
        let metrics = metrics.map(|Aggregate { figures, .. }| (Arc::clone(&figures.metric), Figures::from(figures)));
        let (devices, in_alert) = (group.counts, group.in_alert);
        Group { path: Arc::clone(&group.path), devices, in_alert, metrics: Named(metrics.collect()) }
    }
}

impl From<&AggregateChange> for Figures {
    fn from(change: &AggregateChange) -> Self {
        let figure = |value: f64| (change.count > 0).then_some(value);
        Figures {
            count: change.count,
            devices: change.devices,
            mean: change.mean(),
            min: figure(change.min),
            max: figure(change.max),
            oldest: change.oldest_ms,
            min_device: change.min_device.clone(),
            max_device: change.max_device.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tidegate_telemetry::{Change, DeviceIndex, Position};

    use super::*;
    use crate::{Epoch, ViewsConfig};

    fn fleet(identifiers: impl Iterator<Item = String>) -> Views {
        let mut views = Views::new(Epoch { name: "e".into(), time_base_ms: 0 }, ViewsConfig::default());
        let device = |(number, id): (usize, String)| {
            let device = DeviceIndex(u32::try_from(number).unwrap());
            Change::Device { device, id: id.into(), group: "".into() }
        };
        let changes: Vec<Change> = identifiers.enumerate().map(device).collect();
        views.apply(Position(1), 0, &changes, &mut |_, _| ());
        views
    }

    #[test]
    fn a_search_looks_at_as_many_devices_at_a_time_as_it_may_and_goes_on_where_it_ended() {
        let views = fleet((0..10_000).map(|n| format!("site/dev{n:05}")));
        let (mut found, mut parts, mut cursor) = (Vec::new(), 0, None::<Arc<str>>);
        loop {
            let query = DevicesQuery {
                q: "V09999",
                cursor: cursor.as_deref(),
                limit: 10,
                looked_at_max: Some(100),
                ..DevicesQuery::default()
            };
            let part = views.devices(&query);
            (parts, cursor) = (parts + 1, part.next);
            found.extend(part.devices.into_iter().map(|device| device.id));
            match &cursor {
                Some(last) => assert_eq!(**last, *format!("site/dev{:05}", parts * 100 - 1)),
                None => break,
            }
        }
        assert_eq!((parts, found), (100, vec![Arc::from("site/dev09999")]));
    }

    #[test]
    fn a_search_finds_texts_whatever_their_case() {
        let views = fleet(["Halle/Ofen", "halle/ÖFEN", "x"].into_iter().map(str::to_owned));
        let found = |q| {
            let page = views.devices(&DevicesQuery { q, limit: 9, ..DevicesQuery::default() });
            page.devices.into_iter().map(|device| device.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found("OFEN"), ["Halle/Ofen"]);
        assert_eq!(found("öfen"), ["halle/ÖFEN"]);
        assert_eq!((found("").len(), found("HALLE/").len(), found("xx").len()), (3, 2, 0));
    }

    #[test]
    fn a_name_that_all_devices_share_names_a_few_of_them() {
        let views = fleet((0..10_000).map(|n| format!("site{n}/sensor")));
        let Lookup::Ambiguous(candidates) = views.device("sensor") else { panic!("it is the name of many") };
        assert_eq!(candidates.len(), 20);
    }
}
