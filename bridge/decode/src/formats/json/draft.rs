//! A reading while it is read: what was found so far, and what was wrong with it.

use std::sync::Arc;

use jiff::tz::TimeZone;
use smallvec::SmallVec;
use tidegate_telemetry::{Reading, Reason, Rejection, Value};

use crate::config::DecodeConfig;
use crate::flaws::Flaws;
use crate::format::Input;
use crate::gather::Place;
use crate::names::{Metric, Names};
use crate::time;
use crate::words::{self, EXACT_MAX};

use super::scalar::Token;

/// A reading while it is read.
pub(crate) struct Draft<'a> {
    pub(crate) config: &'a DecodeConfig,
    names: &'a mut Names,
    flaws: &'a mut Flaws,
    /// Whether something in it was nested too deep.
    pub(crate) too_deep: bool,
    /// Metrics beyond the limit, which are skipped without recursion.
    left_out: usize,
    /// Whether a value was left out for a flaw, so that an empty reading needs no second one.
    flawed: bool,
    /// Whether keys at the top are metrics, whatever their names.
    all_metrics: bool,
    /// Name of the object or array being read, with a dot at its end; empty at the top.
    pub(crate) prefix: String,
    metrics: SmallVec<[(Arc<str>, Value); 6]>,
    without_value: Vec<Arc<str>>,
    device: Option<(usize, Arc<str>)>,
    group: Option<(usize, Arc<str>)>,
    time_ms: Option<(usize, i64)>,
    zone: Option<&'a TimeZone>,
    /// The keys that hold the time, where the format says so: then no other key is anything but a metric.
    time_keys: Option<&'static [&'static str]>,
    /// What was wrong with a time; of no weight when another key has a good one.
    time_flaw: Option<Rejection>,
    /// What was wrong with an identifier, likewise.
    device_flaw: Option<Rejection>,
}

/// What an object says, whosever it is.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) time_ms: Option<i64>,
    pub(crate) metrics: SmallVec<[(Arc<str>, Value); 6]>,
    pub(crate) without_value: Vec<Arc<str>>,
}

/// What a key at the top of a reading means; the number is its rank among those of its kind.
pub(crate) enum Meaning {
    Device(usize),
    Time(usize),
    Location(usize),
    Metric(Metric),
}

impl<'a> Draft<'a> {
    pub(crate) fn new(input: &'a mut Input<'_>, flaws: &'a mut Flaws) -> Self {
        input.names.begin_reading();
        Draft {
            config: input.config,
            names: &mut *input.names,
            zone: input.zone,
            flaws,
            too_deep: false,
            left_out: 0,
            flawed: false,
            all_metrics: false,
            prefix: String::new(),
            metrics: SmallVec::new(),
            without_value: Vec::new(),
            device: None,
            group: None,
            time_ms: None,
            time_keys: None,
            time_flaw: None,
            device_flaw: None,
        }
    }

    /// Reads an object of metrics alone: whose they are, and of when, stands elsewhere.
    pub(crate) fn of_metrics(input: &'a mut Input<'_>, flaws: &'a mut Flaws) -> Self {
        Draft { all_metrics: true, ..Draft::new(input, flaws) }
    }

    /// The reading of such an object, unless it has no metric.
    pub(crate) fn finish_at(mut self, place: &Place, time_ms: Option<i64>) -> Option<Reading> {
        self.tell_what_is_beyond_the_limits();
        self.compare_spellings();
        let Draft { metrics, without_value, .. } = self;
        if metrics.is_empty() && without_value.is_empty() {
            return None;
        }
        let (device, group) = (Arc::clone(&place.device), Arc::clone(&place.group));
        Some(Reading { device, group, time_ms, corrects: false, metrics, without_value })
    }

    /// A draft in which these keys at the top hold the time, and all others are metrics, whatever the configuration says.
    pub(crate) fn with_time_keys(
        input: &'a mut Input<'_>,
        time_keys: &'static [&'static str],
        flaws: &'a mut Flaws,
    ) -> Self {
        Draft { time_keys: Some(time_keys), ..Draft::new(input, flaws) }
    }

    /// What it says, for a format that knows whose it is. A time without an offset is no flaw: its sources send no other.
    pub(crate) fn into_found(mut self) -> Found {
        self.tell_what_is_beyond_the_limits();
        self.compare_spellings();
        let time_ms = self.time_ms.map(|(_, ms)| ms);
        let time_flaw = self.time_flaw.filter(|flaw| time_ms.is_none() && flaw.reason != Reason::TimeWithoutOffset);
        time_flaw.into_iter().for_each(|flaw| self.flaws.add(flaw));
        Found { time_ms, metrics: self.metrics, without_value: self.without_value }
    }

    /// The reading, unless it has no metric, or nobody knows whose it is.
    pub(crate) fn finish(mut self, topic: &str) -> Option<Reading> {
        self.tell_what_is_beyond_the_limits();
        self.compare_spellings();
        if self.metrics.is_empty() && self.without_value.is_empty() {
            if !self.flawed && self.flaws.is_empty() {
                self.flaws.add(Rejection::new(
                    Reason::NoMetrics,
                    "no number, boolean or short text in it: publish at least one metric",
                ));
            }
            return None;
        }
        match self.place(topic) {
            Ok((device, group)) => {
                let time_ms = self.time_ms.map(|(_, ms)| ms);
                if let Some(flaw) = self.time_flaw.filter(|_| time_ms.is_none()) {
                    self.flaws.add(flaw);
                }
                let Draft { metrics, without_value, .. } = self;
                Some(Reading { device, group, time_ms, corrects: false, metrics, without_value })
            }
            Err(rejection) => {
                self.flaws.add(rejection);
                None
            }
        }
    }

    /// Device and group: by the payload, else by the topic.
    fn place(&mut self, topic: &str) -> Result<(Arc<str>, Arc<str>), Rejection> {
        let named = self.device.take();
        let device = match (&named, self.device_flaw.take()) {
            (Some((_, id)), _) => id.clone(),
            // The topic may be another device's, or that of many: it does not stand in for a name that went wrong.
            (None, Some(flaw)) => return Err(flaw),
            (None, None) => self.names.name("topic", topic)?,
        };
        let group = match self.group.take() {
            Some((_, group)) => group,
            None => self.names.group_of_topic(topic, named.as_ref().map(|(_, id)| &**id))?,
        };
        Ok((device, group))
    }

    pub(crate) fn identify(&mut self, rank: usize, id: Token<'_>) {
        let whole = |number: f64| number.fract() == 0.0 && number.abs() < EXACT_MAX as f64;
        let name = match id {
            Token::Text(text) => self.names.name("device identifier", &text),
            Token::Integer(integer) => self.names.name("device identifier", &integer.to_string()),
            Token::Unsigned(integer) => self.names.name("device identifier", &integer.to_string()),
            Token::Float(number) if whole(number) => self.names.name("device identifier", &number.to_string()),
            // Another key may have the name.
            Token::Null | Token::Other => return,
            Token::Float(_) => Err(Rejection::new(
                Reason::InvalidName,
                "the device identifier is neither a text nor a whole number: send one of these",
            )),
        };
        match name {
            Ok(name) if self.device.as_ref().is_none_or(|(known, _)| rank <= *known) => {
                self.device = Some((rank, name));
            }
            Ok(_) => {}
            Err(rejection) => self.device_flaw = self.device_flaw.take().or(Some(rejection)),
        }
    }

    pub(crate) fn date(&mut self, rank: usize, at: Token<'_>) {
        let ms = match at {
            Token::Integer(integer) => time::from_integer(integer),
            Token::Float(number) => time::from_number(number),
            Token::Unsigned(integer) => time::from_number(integer as f64),
            Token::Text(text) => time::from_text(&text, self.zone),
            Token::Null => return,
            Token::Other => Err(time::neither_number_nor_text()),
        };
        match ms {
            Ok(ms) if self.time_ms.is_none_or(|(known, _)| rank <= known) => self.time_ms = Some((rank, ms)),
            Ok(_) => {}
            Err(rejection) => self.time_flaw = self.time_flaw.take().or(Some(rejection)),
        }
    }

    pub(crate) fn locate(&mut self, rank: usize, location: &str) {
        match self.names.group_of_location(location) {
            Ok(group) if self.group.as_ref().is_none_or(|(known, _)| rank <= *known) => {
                self.group = Some((rank, group));
            }
            Ok(_) => {}
            // Where a device stands is no reason to lose what it measured.
            Err(rejection) => self.leave_out(rejection),
        }
    }

    pub(crate) fn tell_that_location_is_no_text(&mut self) {
        let detail = "the location is not a text: send one such as \"Building A, Floor 3\"";
        self.leave_out(Rejection::new(Reason::InvalidName, detail));
    }

    /// What a key at the top means, unless it names a metric.
    pub(crate) fn meaning(&self, key: &str) -> Option<Meaning> {
        if self.all_metrics {
            return None;
        }
        if let Some(keys) = self.time_keys {
            return keys.iter().position(|known| *known == key).map(Meaning::Time);
        }
        let rank = |keys: &[String]| keys.iter().position(|known| known == key);
        if let Some(rank) = rank(&self.config.identifier_keys) {
            Some(Meaning::Device(rank))
        } else if let Some(rank) = rank(&self.config.time_keys) {
            Some(Meaning::Time(rank))
        } else {
            rank(&self.config.location_keys).map(Meaning::Location)
        }
    }

    /// The full name of a key; `None`, and a flaw, when it cannot be a name.
    pub(crate) fn metric_below(&mut self, key: &str) -> Option<Metric> {
        let outer = self.prefix.len();
        let named = if outer == 0 {
            self.names.metric(key)
        } else {
            self.prefix.push_str(key);
            self.names.metric(&self.prefix)
        };
        self.prefix.truncate(outer);
        named.map_err(|rejection| self.leave_out(rejection)).ok()
    }

    /// Takes a metric; of a name that comes twice, the later value (as most JSON parsers do).
    pub(crate) fn take(&mut self, metric: &Metric, value: Value) {
        let Metric { name, comes_again } = metric;
        let known = if *comes_again { self.metrics.iter_mut().find(|(known, _)| known == name) } else { None };
        match known {
            Some((_, known)) => {
                if *known != value {
                    let detail = format!("{name:?} has several values in one reading: the last counts; send it once");
                    self.flaws.add(Rejection::new(Reason::SeveralValues, detail));
                }
                *known = value;
            }
            None => self.metrics.push((name.clone(), value)),
        }
    }

    pub(crate) fn take_text(&mut self, metric: &Metric, text: &str) {
        if text.len() <= self.config.text_bytes_max {
            match words::read(&self.config.label_words, &metric.name, text) {
                Ok(words::Meaning::Number(number)) => self.take(metric, Value::Number(number)),
                Ok(words::Meaning::Switch(on)) => self.take(metric, Value::Bool(on)),
                Ok(words::Meaning::NoValue) => self.take_nothing(&metric.name),
                Ok(words::Meaning::Text(_) | words::Meaning::LongInteger(..)) => {
                    let text = self.names.text(text);
                    self.take(metric, Value::Text(text));
                }
                Err(rejection) => self.leave_out(rejection),
            }
        } else {
            let name = &metric.name;
            let detail = format!(
                "the text of {name:?} has {} bytes, more than decode.text_bytes_max ({}): shorten it, or leave it out",
                text.len(),
                self.config.text_bytes_max
            );
            self.leave_out(Rejection::new(Reason::PayloadTooLarge, detail));
        }
    }

    /// Takes an integer, and says so when binary64 loses some of its digits.
    pub(crate) fn take_integer(&mut self, metric: &Metric, integer: i128) {
        let number = integer as f64;
        // Programs write a large double as its shortest digits and zeros: nothing of that is lost.
        if integer.unsigned_abs() > u128::from(EXACT_MAX) && number.to_string() != integer.to_string() {
            self.flaws.add(words::not_exact(&metric.name, &integer.to_string(), number));
        }
        self.take(metric, Value::Number(number));
    }

    /// The device has no value for a metric just now.
    pub(crate) fn take_nothing(&mut self, name: &Arc<str>) {
        if self.without_value.len() < self.config.metrics_max {
            self.without_value.push(name.clone());
        }
    }

    /// Says so when one metric is spelled in two ways.
    fn compare_spellings(&mut self) {
        fn folded(name: &str) -> impl Iterator<Item = u8> {
            name.bytes().map(|byte| byte.to_ascii_lowercase())
        }
        if self.names.are_compared() {
            return;
        }
        let mut names: SmallVec<[&str; 16]> = self.metrics.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable_by(|a, b| folded(a).cmp(folded(b)));
        if let Some(pair) = names.windows(2).find(|pair| pair[0].eq_ignore_ascii_case(pair[1])) {
            let detail = format!(
                "{:?} and {:?} in one reading are two metrics: send one, always spelled the same",
                pair[0], pair[1]
            );
            self.flaws.add(Rejection::new(Reason::TwoSpellings, detail));
        } else {
            self.names.compared(self.metrics.len());
        }
    }

    fn leave_out(&mut self, rejection: Rejection) {
        self.flawed = true;
        self.flaws.add(rejection);
    }

    /// Whether the reading has as many metrics as it may; then one more is left out.
    pub(crate) fn is_full(&mut self) -> bool {
        let is_full = self.metrics.len() >= self.config.metrics_max;
        self.left_out += usize::from(is_full);
        is_full
    }

    fn tell_what_is_beyond_the_limits(&mut self) {
        let DecodeConfig { depth_max, metrics_max, .. } = self.config;
        if self.too_deep {
            let detail = format!(
                "what is nested deeper than decode.depth_max ({depth_max}) was left out: flatten it, or raise the limit"
            );
            self.leave_out(Rejection::new(Reason::TooDeep, detail));
        }
        if self.left_out > 0 {
            let detail = format!(
                "more than decode.metrics_max ({metrics_max}) metrics in one reading, {} were left out: split it, or raise the \
                 limit",
                self.left_out
            );
            self.leave_out(Rejection::new(Reason::TooManyMetrics, detail));
        }
    }
}
