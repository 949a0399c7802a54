use std::collections::HashMap;
use std::fmt;

use tidegate_log::Log;
use tidegate_telemetry::Position;

use super::hand_log::HandLog;
use crate::topics::matches;

/// A message of this world: who published it, with which quality of service, and its number among those, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub from: usize,
    pub qos: u8,
    pub number: u32,
}

/// A promise that was broken, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken(pub String);

/// The model: what the log holds of each publisher, what each subscriber was given of it, and whether both are as MQTT
/// promises (MQTT 5.0 sections 4.3 and 4.6).
///
/// - An acknowledgement says that the message is durable.
/// - The log holds a message of QoS 2 once, one of QoS 1 at least once, in the order published; a publisher may begin
///   again at what was not acknowledged.
/// - A subscriber is given each entry since its SUBACK: with QoS 2 once, when it is durable, and in the log's order;
///   with QoS 1 at least once, without a gap, and a connection may begin again at what was given before; with QoS 0 in
///   order, and all of it where nothing is lost or full.
#[derive(Default)]
pub(super) struct Promises {
    read: Position,
    streams: HashMap<(usize, u8), Stream>,
    /// By subscriber.
    tracks: Vec<HashMap<(usize, u8), Track>>,
}

/// Numbers of one publisher's messages of one quality of service, as they stand in the log.
#[derive(Default)]
struct Stream {
    logged: Vec<(u32, Position)>,
}

/// How far one subscriber is in a stream.
struct Track {
    /// The next entry is one of these.
    low: usize,
    high: usize,
    /// Where this connection may be: entries whose number is the one given last.
    run: Vec<usize>,
    last: u32,
}

impl Track {
    const NEW: Track = Track { low: 0, high: usize::MAX, run: Vec::new(), last: 0 };
}

impl Message {
    pub(super) fn topic(&self) -> String {
        format!("t/{}", self.from)
    }

    /// Longer now and then, so that queues fill and mailboxes are read in pieces.
    pub(super) fn payload(&self) -> String {
        let filler = if self.number % 7 == 3 { 150 } else { 0 };
        format!("{}.{}.{}", self.qos, self.number, "x".repeat(filler))
    }

    pub(super) fn parse(topic: &str, payload: &str) -> Result<Message, Broken> {
        let parse = || {
            let from = topic.strip_prefix("t/")?.parse().ok()?;
            let (qos, rest) = payload.split_once('.')?;
            let message = Message { from, qos: qos.parse().ok()?, number: rest.split_once('.')?.0.parse().ok()? };
            (message.payload() == payload).then_some(message)
        };
        parse().ok_or_else(|| Broken(format!("{payload:?} on {topic:?} is nothing anybody published")))
    }
}

impl Promises {
    pub(super) fn of(clients: usize) -> Promises {
        Promises { tracks: (0..clients).map(|_| HashMap::new()).collect(), ..Promises::default() }
    }

    /// Looks at what the log holds since the last time.
    pub(super) fn read(&mut self, log: &HandLog) -> Result<(), Broken> {
        let mut first = Ok(());
        log.for_each_after(self.read, |position, publication| {
            let text = String::from_utf8_lossy(&publication.payload);
            let checked = Message::parse(&publication.topic, &text).and_then(|message| {
                self.streams.entry((message.from, message.qos)).or_default().add(message, position)
            });
            if first.is_ok() {
                first = checked;
            }
        });
        self.read = log.appended();
        first
    }

    /// A crash took what was not durable.
    pub(super) fn crash(&mut self, left: &HandLog) -> Result<(), Broken> {
        self.read(left)?;
        let end = left.appended();
        for stream in self.streams.values_mut() {
            stream.logged.retain(|(_, position)| *position <= end);
        }
        for (key, track) in self.tracks.iter_mut().flatten() {
            let logged = self.streams.get(key).map_or(&[][..], |stream| &stream.logged);
            if track.high != usize::MAX {
                track.high = track.high.min(logged.len());
            }
            // QoS 0 and 1 go out before the log is durable: what was given may be published, and given, again.
            track.last = track.last.min(logged.last().map_or(0, |(number, _)| *number));
        }
        Ok(())
    }

    /// The publisher was told that its message is taken.
    pub(super) fn acknowledged(&mut self, message: Message, log: &HandLog) -> Result<(), Broken> {
        self.read(log)?;
        let mut logged = self.streams.get(&(message.from, message.qos)).into_iter().flat_map(|stream| &stream.logged);
        match logged.any(|(number, position)| *number == message.number && log.is_durable(*position)) {
            true => Ok(()),
            false => broken(message, "was acknowledged and is not durable"),
        }
    }

    /// The subscriber has a new connection: it may be given again what it was given before.
    pub(super) fn reconnected(&mut self, subscriber: usize) {
        self.tracks[subscriber].values_mut().for_each(|track| track.run.clear());
    }

    /// The subscriber knows that its subscriptions stand.
    pub(super) fn subscribed(&mut self, subscriber: usize, filters: &[(String, u8)]) {
        for from in (0..self.tracks.len()).filter(|from| granted(filters, *from).is_some()) {
            for qos in 0..=2 {
                let logged = self.streams.get(&(from, qos)).map_or(0, |stream| stream.logged.len());
                self.tracks[subscriber].entry((from, qos)).or_insert(Track::NEW).high = logged;
            }
        }
    }

    /// The subscriber's application is given a message, with a quality of service.
    pub(super) fn delivered(
        &mut self,
        subscriber: usize,
        message: Message,
        qos: u8,
        log: &HandLog,
    ) -> Result<(), Broken> {
        self.read(log)?;
        let key = (message.from, message.qos);
        let Some(stream) = self.streams.get(&key) else { return broken(message, "was given and never taken") };
        let track = self.tracks[subscriber].entry(key).or_insert(Track::NEW);
        match qos {
            0 => track.at_most_once(message),
            1 => track.at_least_once(message, stream),
            _ => track.exactly_once(message, stream, log),
        }
    }

    /// Whether the subscriber was given all there is.
    pub(super) fn has_all(&self, subscriber: usize, filters: &[(String, u8)]) -> Result<(), Broken> {
        for ((from, qos), track) in &self.tracks[subscriber] {
            let logged = self.streams.get(&(*from, *qos)).map_or(0, |stream| stream.logged.len());
            let given = granted(filters, *from).unwrap_or(0).min(*qos);
            if given > 0 && track.high < logged {
                return Err(Broken(format!(
                    "subscriber {subscriber} was given {} of {logged} of publisher {from} with QoS {qos}, and no more comes",
                    track.high
                )));
            }
        }
        Ok(())
    }

    /// Whether the subscriber was given the newest that the publisher sent with QoS 0 while nothing was lost or full.
    pub(super) fn has_newest(
        &self,
        subscriber: usize,
        filters: &[(String, u8)],
        from: usize,
        newest: u32,
    ) -> Result<(), Broken> {
        let given = self.tracks[subscriber].get(&(from, 0)).map_or(0, |track| track.last);
        match granted(filters, from).is_none() || given == newest {
            true => Ok(()),
            false => Err(Broken(format!(
                "subscriber {subscriber} was given {given} of {newest} of publisher {from} with QoS 0, and no more comes"
            ))),
        }
    }

    /// Whether the log holds all the publisher sent.
    pub(super) fn holds(&self, from: usize, qos: u8, count: u32) -> Result<(), Broken> {
        let logged =
            self.streams.get(&(from, qos)).and_then(|stream| stream.logged.iter().map(|(number, _)| *number).max());
        match logged.unwrap_or(0) == count {
            true => Ok(()),
            false => Err(Broken(format!("publisher {from} sent {count} with QoS {qos}, the log holds {logged:?}"))),
        }
    }
}

/// The quality of service with which filters ask for a publisher's topic.
pub(super) fn granted(filters: &[(String, u8)], from: usize) -> Option<u8> {
    let topic = format!("t/{from}");
    filters.iter().filter(|(filter, _)| matches(filter, &topic)).map(|(_, qos)| *qos).max()
}

impl Stream {
    fn add(&mut self, message: Message, position: Position) -> Result<(), Broken> {
        let last = self.logged.last().map_or(0, |(number, _)| *number);
        let is_right = match message.qos {
            0 => message.number > last,
            1 => message.number == last + 1 || message.number <= last,
            _ => message.number == last + 1,
        };
        self.logged.push((message.number, position));
        match is_right {
            true => Ok(()),
            false => broken(message, &format!("stands in the log at {position} after number {last}")),
        }
    }
}

impl Track {
    fn at_most_once(&mut self, message: Message) -> Result<(), Broken> {
        // One of QoS 1 may stand in the log twice.
        if message.number <= self.last && message.qos != 1 {
            return broken(message, &format!("was given with QoS 0 after number {}", self.last));
        }
        self.last = message.number;
        Ok(())
    }

    fn at_least_once(&mut self, message: Message, stream: &Stream) -> Result<(), Broken> {
        let is_it = |at: &usize| stream.logged.get(*at).is_some_and(|(number, _)| *number == message.number);
        let run: Vec<usize> = match self.run.is_empty() {
            true => (0..stream.logged.len()).filter(|at| *at <= self.high).filter(is_it).collect(),
            false => self.run.iter().map(|at| at + 1).filter(is_it).collect(),
        };
        let Some(last) = run.last() else {
            let numbers: Vec<u32> = stream.logged.iter().map(|(number, _)| *number).collect();
            return broken(message, &format!("was given after {:?} (at most {}) of {numbers:?}", self.run, self.high));
        };
        if self.high != usize::MAX {
            self.high = self.high.max(last + 1);
        }
        self.run = run;
        Ok(())
    }

    fn exactly_once(&mut self, message: Message, stream: &Stream, log: &HandLog) -> Result<(), Broken> {
        // The log holds each once, in order: checked there.
        let at = message.number as usize - 1;
        if at < self.low || at > self.high {
            return broken(message, &format!("was given with QoS 2, due were {} to {}", self.low + 1, self.high));
        }
        if !stream.logged.get(at).is_some_and(|(_, position)| log.is_durable(*position)) {
            return broken(message, "was given with QoS 2 and is not durable");
        }
        let is_promised = self.high != usize::MAX;
        self.low = at + 1;
        if is_promised {
            self.high = self.low;
        }
        Ok(())
    }
}

fn broken(message: Message, what: &str) -> Result<(), Broken> {
    Err(Broken(format!("{message:?} {what}")))
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
