use std::collections::{HashMap, HashSet, VecDeque};

use super::hand_log::HandLog;
use super::line::Line;
use super::packets::{self, Packet, Publish};
use super::promises::{Broken, Message, Promises};

/// A client that follows the standard, with a session that outlives its connections: it publishes, subscribes, and
/// keeps on its side what MQTT asks it to keep (MQTT 5.0 section 4.1).
pub(super) struct Client {
    pub index: usize,
    pub filters: Vec<(String, u8)>,
    v5: bool,
    receive_max: u8,
    alias_max: u8,
    /// How many it has published of each quality of service.
    pub published: [u32; 3],
    /// What it published and the server has not completed, in order.
    outbound: VecDeque<Outgoing>,
    last_id: u16,
    /// QoS 2 deliveries that are not released.
    inbound: HashMap<u16, Message>,
    /// A CONNACK came: the server has a session.
    has_session: bool,
    is_subscribed: bool,
    /// An older connection of its own may still reach the server, and take this one's place.
    has_ghosts: bool,
    connection: Option<Connection>,
}

struct Outgoing {
    id: u16,
    message: Message,
    is_released: bool,
}

struct Connection {
    line: Line,
    /// Written, and not yet at the server.
    outgoing: VecDeque<u8>,
    incoming: Vec<u8>,
    is_in: bool,
    /// Answers it takes its time with.
    answers: VecDeque<(u8, u16)>,
    /// Deliveries of this connection it has not completed.
    open: HashSet<u16>,
    aliases: HashMap<u16, String>,
}

/// A connection its client has given up, which the server knows nothing of yet.
pub(super) struct Ghost {
    pub line: Line,
    pub outgoing: VecDeque<u8>,
}

/// Publications a client has on their way at most; it uses few packet identifiers, so that each comes again soon.
const WINDOW: usize = 5;
const PACKET_IDS: u16 = 7;

impl Client {
    pub(super) fn new(index: usize, filters: Vec<(String, u8)>) -> Client {
        Client {
            index,
            filters,
            v5: index % 2 == 1,
            receive_max: [3, 20][index / 2 % 2],
            alias_max: [0, 1, 3][index % 3],
            published: [0; 3],
            outbound: VecDeque::new(),
            last_id: 0,
            inbound: HashMap::new(),
            has_session: false,
            is_subscribed: false,
            has_ghosts: false,
            connection: None,
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.connection.is_none()
    }

    /// Whether everything it began is done.
    pub(super) fn is_at_rest(&self) -> Result<(), Broken> {
        let is_in = self.connection.as_ref().is_some_and(|connection| connection.is_in);
        match is_in && self.is_subscribed && self.outbound.is_empty() && self.inbound.is_empty() {
            true => Ok(()),
            false => Err(Broken(format!(
                "client {} waits: in {is_in}, subscribed {}, {} publications not done, {} deliveries not released",
                self.index,
                self.is_subscribed,
                self.outbound.len(),
                self.inbound.len()
            ))),
        }
    }

    pub(super) fn connect(&mut self, line: Line) {
        let connect = packets::connect(&format!("c{}", self.index), self.v5, self.receive_max, self.alias_max);
        self.connection = Some(Connection {
            line,
            outgoing: connect.into(),
            incoming: Vec::new(),
            is_in: false,
            answers: VecDeque::new(),
            open: HashSet::new(),
            aliases: HashMap::new(),
        });
    }

    /// Publishes its next message of that quality of service, if it may now.
    pub(super) fn publish(&mut self, qos: u8) {
        let is_in = self.connection.as_ref().is_some_and(|connection| connection.is_in);
        if !is_in || self.outbound.len() >= WINDOW {
            return;
        }
        self.published[usize::from(qos)] += 1;
        let message = Message { from: self.index, qos, number: self.published[usize::from(qos)] };
        let mut id = 0;
        if qos > 0 {
            id = self.free_id();
            self.outbound.push_back(Outgoing { id, message, is_released: false });
        }
        self.send_publish(message, id, false);
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id % PACKET_IDS + 1;
            if self.outbound.iter().all(|outgoing| outgoing.id != self.last_id) {
                return self.last_id;
            }
        }
    }

    fn send_publish(&mut self, message: Message, id: u16, dup: bool) {
        let (topic, payload) = (message.topic(), message.payload());
        let publish = Publish { qos: message.qos, dup, id, topic, alias: None, payload };
        self.send(&packets::publish(&publish, self.v5));
    }

    fn send(&mut self, bytes: &[u8]) {
        if let Some(connection) = &mut self.connection {
            connection.outgoing.extend(bytes);
        }
    }

    /// Gives one of the answers it owes; returns whether there was one.
    pub(super) fn answer(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let Some((first, id)) = connection.answers.pop_front() else { return false };
        if first != 0x50 {
            connection.open.remove(&id);
        }
        self.send(&packets::answer(first, id));
        true
    }

    /// The network brings up to `count` of its bytes to the server; returns how many there were.
    pub(super) fn bring(&mut self, count: usize) -> usize {
        let Some(connection) = &mut self.connection else { return 0 };
        let count = count.min(connection.outgoing.len());
        connection.line.bring(connection.outgoing.drain(..count));
        count
    }

    /// The network brings up to `count` bytes of the server's; returns how many there were.
    pub(super) fn hear(&mut self, count: usize, promises: &mut Promises, log: &HandLog) -> Result<usize, Broken> {
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let heard = connection.line.take(count);
        connection.incoming.extend_from_slice(&heard);
        while let Some(connection) = &mut self.connection
            && let Some(packet) = packets::take(&mut connection.incoming, self.v5)
        {
            self.packet(packet, promises, log)?;
        }
        if self.connection.as_ref().is_some_and(|connection| connection.line.is_over()) {
            self.cut(0, true);
            if !self.has_ghosts {
                return Err(Broken(format!("the server closed the connection of client {}", self.index)));
            }
        }
        Ok(heard.len())
    }

    /// The connection breaks after the server got up to `brings` bytes more; with `loses` it has not read them.
    pub(super) fn cut(&mut self, brings: usize, loses: bool) {
        self.bring(brings);
        // What it has not read may be a CONNECT.
        self.has_ghosts |= !loses;
        if let Some(connection) = self.connection.take() {
            connection.line.cut(loses);
        }
    }

    /// The client gives its connection up and nobody tells the server.
    pub(super) fn abandon(&mut self) -> Option<Ghost> {
        self.has_ghosts = true;
        self.connection.take().map(|connection| Ghost { line: connection.line, outgoing: connection.outgoing })
    }

    /// The network begins anew, with nothing on its way.
    pub(super) fn begin_anew(&mut self) {
        self.cut(0, true);
        self.has_ghosts = false;
    }

    fn packet(&mut self, packet: Packet, promises: &mut Promises, log: &HandLog) -> Result<(), Broken> {
        match packet {
            Packet::Connack { session_present, code: 0 } => self.let_in(session_present, promises),
            Packet::Publish(publish) => self.delivered(publish, promises, log),
            Packet::Puback { id, code: 0 } => {
                let message = self.complete(id, 1, false)?;
                promises.acknowledged(message, log)
            }
            Packet::Pubrec { id, code: 0 } => {
                let outgoing = self.outbound.iter_mut().find(|outgoing| outgoing.id == id && outgoing.message.qos == 2);
                let Some(outgoing) = outgoing else {
                    return self.broken(&format!("PUBREC of {id}, which it does not use"));
                };
                outgoing.is_released = true;
                let message = outgoing.message;
                self.send(&packets::answer(0x62, id));
                promises.acknowledged(message, log)
            }
            Packet::Pubcomp { id } => self.complete(id, 2, true).map(|_| ()),
            Packet::Pubrel { id } => {
                self.inbound.remove(&id);
                self.owe(0x70, id);
                Ok(())
            }
            Packet::Suback { codes } => {
                let asked: Vec<u8> = self.filters.iter().map(|(_, qos)| *qos).collect();
                if codes != asked {
                    return self.broken(&format!("SUBACK {codes:?} for {asked:?}"));
                }
                self.is_subscribed = true;
                promises.read(log)?;
                promises.subscribed(self.index, &self.filters);
                Ok(())
            }
            // Its place was taken by an older connection of its own that came later.
            Packet::Disconnect { code: 0x8e } if self.has_ghosts => {
                self.cut(0, true);
                Ok(())
            }
            other => self.broken(&format!("{other:?}")),
        }
    }

    fn let_in(&mut self, session_present: bool, promises: &mut Promises) -> Result<(), Broken> {
        if self.has_session && !session_present {
            return self.broken("a CONNACK without its session");
        }
        self.has_session = true;
        promises.reconnected(self.index);
        if let Some(connection) = &mut self.connection {
            connection.is_in = true;
        }
        if !self.is_subscribed {
            self.send(&packets::subscribe(9999, &self.filters, self.v5));
        }
        let again: Vec<_> = self.outbound.iter().map(|o| (o.message, o.id, o.is_released)).collect();
        for (message, id, is_released) in again {
            match is_released {
                true => self.send(&packets::answer(0x62, id)),
                false => self.send_publish(message, id, true),
            }
        }
        Ok(())
    }

    /// The server is done with a publication.
    fn complete(&mut self, id: u16, qos: u8, is_released: bool) -> Result<Message, Broken> {
        let is_it = |o: &Outgoing| o.id == id && o.message.qos == qos && o.is_released == is_released;
        match self.outbound.iter().position(is_it).and_then(|at| self.outbound.remove(at)) {
            Some(outgoing) => Ok(outgoing.message),
            None => self.broken(&format!("an end of {id}, QoS {qos}, which is not due")),
        }
    }

    fn delivered(&mut self, mut publish: Publish, promises: &mut Promises, log: &HandLog) -> Result<(), Broken> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if let Some(alias) = publish.alias {
            if alias == 0 || alias > self.alias_max.into() {
                return self.broken(&format!("alias {alias} of {}", self.alias_max));
            }
            match publish.topic.as_str() {
                "" => publish.topic = connection.aliases.get(&alias).cloned().unwrap_or_default(),
                topic => drop(connection.aliases.insert(alias, topic.to_owned())),
            }
        }
        let message = Message::parse(&publish.topic, &publish.payload)?;
        if publish.qos > 0 {
            connection.open.insert(publish.id);
            if self.v5 && connection.open.len() > self.receive_max.into() {
                return self.broken(&format!("more than {} deliveries at a time", self.receive_max));
            }
        }
        match publish.qos {
            0 => {}
            1 => self.owe(0x40, publish.id),
            _ => {
                self.owe(0x50, publish.id);
                match self.inbound.insert(publish.id, message) {
                    None => {}
                    Some(before) if before == message && publish.dup => return Ok(()),
                    Some(before) => return self.broken(&format!("{publish:?} instead of {before:?}, not released")),
                }
            }
        }
        promises.delivered(self.index, message, publish.qos, log)
    }

    fn owe(&mut self, first: u8, id: u16) {
        if let Some(connection) = &mut self.connection {
            connection.answers.push_back((first, id));
        }
    }

    fn broken<T>(&self, what: &str) -> Result<T, Broken> {
        Err(Broken(format!("client {} got {what}", self.index)))
    }
}
