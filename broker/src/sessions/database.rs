use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tidegate_telemetry::{Holder, Position, Publication, Qos};

use super::SubscriptionOptions;
use super::batch::Change;
use super::store::{SessionStoreConfig, SessionStoreError};
use crate::engines::gate::outbox::{Delivery, Message};

/// The SQLite file of the sessions. A batch is one transaction.
pub(super) struct Database {
    pub(super) connection: Connection,
    /// What is in the mailbox of each session that has any.
    sizes: HashMap<u64, MailboxSize>,
}

/// What a mailbox holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MailboxSize {
    pub messages: u64,
    pub bytes: u64,
}

/// Times are Unix ms.
const FORMAT: i64 = 1;
/// Times are Unix ms less what the clock was set forward by.
const FORMAT_CLOCK_SET: i64 = 2;

/// `since` is 0: every subscription in the file began at or before `complete`.
const SCHEMA: &str = "
CREATE TABLE progress(complete INTEGER NOT NULL);
CREATE TABLE sessions(id INTEGER PRIMARY KEY, client TEXT NOT NULL UNIQUE, expiry_s INTEGER NOT NULL, expires_ms INTEGER);
CREATE TABLE subscriptions(session INTEGER, filter TEXT, options INTEGER NOT NULL, identifier INTEGER,
    since INTEGER NOT NULL, PRIMARY KEY(session, filter)) WITHOUT ROWID;
CREATE TABLE received(session INTEGER, packet_id INTEGER, PRIMARY KEY(session, packet_id)) WITHOUT ROWID;
CREATE TABLE messages(id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE mailbox(session INTEGER, number INTEGER, message INTEGER NOT NULL, qos INTEGER NOT NULL,
    retain INTEGER NOT NULL, identifiers BLOB NOT NULL, packet_id INTEGER NOT NULL, released INTEGER NOT NULL,
    bytes INTEGER NOT NULL, received_ms INTEGER NOT NULL, PRIMARY KEY(session, number)) WITHOUT ROWID;
CREATE INDEX mailbox_message ON mailbox(message);
CREATE TABLE retained(topic TEXT PRIMARY KEY, position INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE wills(session INTEGER PRIMARY KEY, delay_s INTEGER NOT NULL, due_ms INTEGER, body BLOB NOT NULL);
";

/// Name of the file in the sessions' directory.
pub(super) const FILE_NAME: &str = "sessions.sqlite";

/// Tables of their own, so that earlier versions still write the others.
const ADDED: &str = "
CREATE TABLE IF NOT EXISTS clock(set_forward_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS addresses(session INTEGER PRIMARY KEY, address TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS retainers(topic TEXT PRIMARY KEY, owner TEXT, client TEXT NOT NULL) WITHOUT ROWID;
";

/// What SQLite keeps of the file for itself.
const CACHE_KIB: i64 = 256;

impl Database {
    pub(super) fn open(config: &SessionStoreConfig) -> Result<Database, SessionStoreError> {
        let mut connection = match &config.directory {
            Some(directory) => {
                std::fs::create_dir_all(directory)?;
                Connection::open(directory.join(FILE_NAME))?
            }
            None => Connection::open_in_memory()?,
        };
        // A statement's plan is kept whatever its parameters are: to plan takes several times as long as to run.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // A transaction's pages are all kept until it is written; what is read again is in the system's cache.
        connection.pragma_update(None, "cache_spill", false)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(64);
        match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))? {
            0 => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
                transaction.commit()?;
            }
            FORMAT | FORMAT_CLOCK_SET => {}
            other => return Err(SessionStoreError::Format(other)),
        }
        connection.execute_batch(ADDED)?;
        let mut sizes = HashMap::new();
        {
            let mut statement =
                connection.prepare("SELECT session, COUNT(*), SUM(bytes) FROM mailbox GROUP BY session")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                sizes.insert(number(row, 0)?, MailboxSize { messages: number(row, 1)?, bytes: number(row, 2)? });
            }
        }
        Ok(Database { connection, sizes })
    }

    /// Up to where mailboxes are complete; `None` in a new file.
    pub(super) fn complete(&self) -> Result<Option<Position>, rusqlite::Error> {
        let complete = self.connection.query_row("SELECT complete FROM progress", [], |row| number(row, 0)).optional();
        Ok(complete?.map(Position))
    }

    /// What the clock was set forward by, up to [`Database::complete`].
    pub(super) fn set_forward_ms(&self) -> Result<i64, rusqlite::Error> {
        let set = self.connection.query_row("SELECT set_forward_ms FROM clock", [], |row| row.get(0)).optional();
        Ok(set?.unwrap_or(0))
    }

    pub(super) fn mailbox_bytes(&self) -> u64 {
        self.sizes.values().map(|size| size.bytes).sum()
    }

    /// What the mailbox of a session holds.
    pub(super) fn mailbox_size(&self, session: u64) -> MailboxSize {
        self.sizes.get(&session).copied().unwrap_or_default()
    }

    /// Writes changes and how far mailboxes are complete now, all or nothing; returns how many messages the limits
    /// of size cost.
    pub(super) fn apply(
        &mut self,
        changes: &[Change],
        complete: Position,
        config: &SessionStoreConfig,
    ) -> Result<u64, rusqlite::Error> {
        let before = self.sizes.clone();
        let applied = self.try_apply(changes, complete, config);
        if applied.is_err() {
            self.sizes = before;
        }
        applied
    }

    fn try_apply(
        &mut self,
        changes: &[Change],
        complete: Position,
        config: &SessionStoreConfig,
    ) -> Result<u64, rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let mut write = Write { transaction: &transaction, sizes: &mut self.sizes, grown: HashSet::new() };
        for change in changes {
            write.change(change)?;
        }
        let dropped = write.keep_within(config)?;
        let updated = transaction.execute("UPDATE progress SET complete = ?1", [signed(complete.0)])?;
        if updated == 0 {
            transaction.execute("INSERT INTO progress VALUES(?1)", [signed(complete.0)])?;
        }
        transaction.commit()?;
        Ok(dropped)
    }

    /// Drops messages that were received before `waiting_ms` and are not on their way; returns how many.
    pub(super) fn drop_received_before(&mut self, waiting_ms: i64) -> Result<u64, rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        let old: Vec<(u64, u64)> = {
            let mut statement = transaction
                .prepare_cached("SELECT session, number FROM mailbox WHERE received_ms < ?1 AND packet_id = 0")?;
            let rows = statement.query_map([waiting_ms], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut write = Write { transaction: &transaction, sizes: &mut self.sizes, grown: HashSet::new() };
        for (session, number) in &old {
            write.settle(*session, *number)?;
        }
        transaction.commit()?;
        Ok(old.len() as u64)
    }

    /// Deliveries of a session after number `after`, in order, up to about `bytes_max`, and whether these are all.
    pub(super) fn read(
        &self,
        session: u64,
        after: u64,
        bytes_max: usize,
    ) -> Result<(Vec<Delivery>, bool), rusqlite::Error> {
        let mut statement = self.connection.prepare_cached(
            "SELECT number, qos, retain, identifiers, packet_id, released, message, body FROM mailbox
             JOIN messages ON messages.id = mailbox.message WHERE session = ?1 AND number > ?2 ORDER BY number",
        )?;
        let mut rows = statement.query([signed(session), signed(after)])?;
        let (mut deliveries, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let delivery = delivery(row)?;
            bytes += delivery.message.bytes();
            deliveries.push(delivery);
            if bytes >= bytes_max {
                return Ok((deliveries, false));
            }
        }
        Ok((deliveries, true))
    }
}

/// One transaction.
struct Write<'a> {
    transaction: &'a Transaction<'a>,
    sizes: &'a mut HashMap<u64, MailboxSize>,
    /// Sessions whose mailbox grew.
    grown: HashSet<u64>,
}

impl Write<'_> {
    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, rusqlite::Error> {
        self.transaction.prepare_cached(sql)?.execute(parameters)
    }

    fn change(&mut self, change: &Change) -> Result<(), rusqlite::Error> {
        match *change {
            Change::Open { session, ref client, expiry_s, address } => {
                self.run(
                    "INSERT OR REPLACE INTO sessions VALUES(?1, ?2, ?3, NULL)",
                    params![signed(session), &**client, expiry_s],
                )?;
                self.comes_from(session, address)?;
            }
            Change::Resume { session, expiry_s, address } => {
                self.run(
                    "UPDATE sessions SET expires_ms = NULL, expiry_s = ?2 WHERE id = ?1",
                    params![signed(session), expiry_s],
                )?;
                self.comes_from(session, address)?;
            }
            Change::Park { session, expires_ms } => {
                self.run("UPDATE sessions SET expires_ms = ?2 WHERE id = ?1", params![signed(session), expires_ms])?;
            }
            Change::Close { session } => self.close(session)?,
            Change::Subscribe { session, ref filter, options } => {
                self.run(
                    "INSERT OR REPLACE INTO subscriptions VALUES(?1, ?2, ?3, ?4, 0)",
                    params![signed(session), &**filter, packed(options), options.identifier],
                )?;
            }
            Change::Unsubscribe { session, ref filter } => {
                self.run(
                    "DELETE FROM subscriptions WHERE session = ?1 AND filter = ?2",
                    params![signed(session), &**filter],
                )?;
            }
            Change::Receive { session, packet_id } => {
                self.run("INSERT OR IGNORE INTO received VALUES(?1, ?2)", params![signed(session), packet_id])?;
            }
            Change::Release { session, packet_id } => {
                self.run(
                    "DELETE FROM received WHERE session = ?1 AND packet_id = ?2",
                    params![signed(session), packet_id],
                )?;
            }
            Change::Owe { session, ref delivery } => self.owe(session, delivery)?,
            Change::Send { session, number, packet_id } => {
                self.run(
                    "UPDATE mailbox SET packet_id = ?3 WHERE session = ?1 AND number = ?2",
                    params![signed(session), signed(number), packet_id],
                )?;
            }
            Change::Take { session, number } => {
                self.run(
                    "UPDATE mailbox SET released = 1 WHERE session = ?1 AND number = ?2",
                    [signed(session), signed(number)],
                )?;
            }
            Change::Settle { session, number } => self.settle(session, number)?,
            Change::SettleMessage { session, message } => {
                let number = self
                    .transaction
                    .prepare_cached("SELECT number FROM mailbox WHERE session = ?1 AND message = ?2")?
                    .query_row([signed(session), signed(message)], |row| number(row, 0))
                    .optional()?;
                if let Some(number) = number {
                    self.settle(session, number)?;
                }
            }
            Change::Retain { position, ref message, ref of } => self.retain(position, message, of)?,
            Change::Will { ref will, delay_s, due_ms } => {
                self.run(
                    "INSERT OR REPLACE INTO wills VALUES(?1, ?2, ?3, ?4)",
                    params![signed(will.session), delay_s, due_ms, will_body(will)],
                )?;
            }
            Change::NoWill { session } => {
                self.run("DELETE FROM wills WHERE session = ?1", [signed(session)])?;
            }
            Change::ClockSet { by_ms } => {
                if self.run("UPDATE clock SET set_forward_ms = set_forward_ms + ?1", [by_ms])? == 0 {
                    self.run("INSERT INTO clock VALUES(?1)", [by_ms])?;
                    self.transaction.pragma_update(None, "user_version", FORMAT_CLOCK_SET)?;
                }
            }
        }
        Ok(())
    }

    /// In whose share the session counts, where its client proved nothing.
    fn comes_from(&self, session: u64, address: Option<IpAddr>) -> Result<(), rusqlite::Error> {
        let address = address.map(|address| address.to_string());
        match address {
            Some(address) => {
                self.run("INSERT OR REPLACE INTO addresses VALUES(?1, ?2)", params![signed(session), address])?
            }
            None => self.run("DELETE FROM addresses WHERE session = ?1", [signed(session)])?,
        };
        Ok(())
    }

    fn owe(&mut self, session: u64, delivery: &Delivery) -> Result<(), rusqlite::Error> {
        let message = &delivery.message;
        let known: Option<i64> = self
            .transaction
            .prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?
            .query_row([signed(message.id)], |row| row.get(0))
            .optional()?;
        if known.is_none() {
            self.run("INSERT INTO messages VALUES(?1, ?2)", params![signed(message.id), body(message)])?;
        }
        let identifiers: Vec<u8> = delivery.identifiers.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.run(
            "INSERT OR REPLACE INTO mailbox VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?8)",
            params![
                signed(session),
                signed(delivery.number),
                signed(message.id),
                delivery.qos.level(),
                delivery.retain,
                identifiers,
                signed(message.bytes() as u64),
                message.received_ms
            ],
        )?;
        let size = self.sizes.entry(session).or_default();
        size.messages += 1;
        size.bytes += message.bytes() as u64;
        self.grown.insert(session);
        Ok(())
    }

    fn settle(&mut self, session: u64, delivery: u64) -> Result<(), rusqlite::Error> {
        let gone = self
            .transaction
            .prepare_cached("DELETE FROM mailbox WHERE session = ?1 AND number = ?2 RETURNING message, bytes")?
            .query_row([signed(session), signed(delivery)], |row| Ok((row.get::<_, i64>(0)?, number(row, 1)?)))
            .optional()?;
        let Some((message, bytes)) = gone else { return Ok(()) };
        self.forget_message(message)?;
        if let Some(size) = self.sizes.get_mut(&session) {
            size.messages = size.messages.saturating_sub(1);
            size.bytes = size.bytes.saturating_sub(bytes);
            if size.messages == 0 {
                self.sizes.remove(&session);
            }
        }
        Ok(())
    }

    /// Removes a payload nobody is owed any more.
    fn forget_message(&self, message: i64) -> Result<(), rusqlite::Error> {
        self.run(
            "DELETE FROM messages WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM mailbox WHERE message = ?1)",
            [message],
        )?;
        Ok(())
    }

    fn close(&mut self, session: u64) -> Result<(), rusqlite::Error> {
        let id = signed(session);
        for sql in [
            "DELETE FROM sessions WHERE id = ?1",
            "DELETE FROM subscriptions WHERE session = ?1",
            "DELETE FROM received WHERE session = ?1",
            "DELETE FROM addresses WHERE session = ?1",
        ] {
            self.run(sql, [id])?;
        }
        let messages: Vec<i64> = self
            .transaction
            .prepare_cached("DELETE FROM mailbox WHERE session = ?1 RETURNING message")?
            .query_map([id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for message in messages {
            self.forget_message(message)?;
        }
        self.sizes.remove(&session);
        Ok(())
    }

    fn retain(&self, position: Position, message: &Message, of: &Holder) -> Result<(), rusqlite::Error> {
        if message.payload.is_empty() {
            self.run("DELETE FROM retained WHERE topic = ?1", [&*message.topic])?;
            self.run("DELETE FROM retainers WHERE topic = ?1", [&*message.topic])?;
        } else {
            self.run(
                "INSERT OR REPLACE INTO retained VALUES(?1, ?2, ?3)",
                params![&*message.topic, signed(position.0), body(message)],
            )?;
            self.run(
                "INSERT OR REPLACE INTO retainers VALUES(?1, ?2, ?3)",
                params![&*message.topic, of.0.to_text(), &*of.1],
            )?;
        }
        Ok(())
    }

    /// Policy "drop oldest": mailboxes that are too large lose what is oldest and not on its way.
    fn keep_within(&mut self, config: &SessionStoreConfig) -> Result<u64, rusqlite::Error> {
        let mut dropped = 0;
        for session in std::mem::take(&mut self.grown) {
            let size = self.sizes.get(&session).map_or(0, |size| size.bytes);
            if size > config.mailbox_bytes_max {
                dropped += self.drop_oldest(session, size - config.mailbox_bytes_max)?;
            }
        }
        loop {
            let total: u64 = self.sizes.values().map(|size| size.bytes).sum();
            let largest =
                self.sizes.iter().max_by_key(|(_, size)| size.bytes).map(|(session, size)| (*session, size.bytes));
            let Some((session, size)) = largest.filter(|_| total > config.mailbox_bytes_total_max) else { break };
            // A tenth more than needed, so that the largest is not looked for with every batch.
            let excess = total - config.mailbox_bytes_total_max + config.mailbox_bytes_total_max / 10;
            match self.drop_oldest(session, excess.min(size))? {
                0 => break,
                count => dropped += count,
            }
        }
        Ok(dropped)
    }

    fn drop_oldest(&mut self, session: u64, bytes: u64) -> Result<u64, rusqlite::Error> {
        let mut oldest = Vec::new();
        {
            let mut statement = self.transaction.prepare_cached(
                "SELECT number, bytes FROM mailbox WHERE session = ?1 AND packet_id = 0 ORDER BY number",
            )?;
            let mut rows = statement.query([signed(session)])?;
            let mut freed = 0;
            while freed < bytes
                && let Some(row) = rows.next()?
            {
                oldest.push(number(row, 0)?);
                freed += number(row, 1)?;
            }
        }
        for number in &oldest {
            self.settle(session, *number)?;
        }
        Ok(oldest.len() as u64)
    }
}

fn delivery(row: &Row<'_>) -> Result<Delivery, rusqlite::Error> {
    let identifiers: Vec<u8> = row.get(3)?;
    let message = message(number(row, 6)?, row, 7)?;
    Ok(Delivery {
        message: Arc::new(message),
        qos: qos(row.get(1)?),
        retain: row.get(2)?,
        after: Position::START,
        number: number(row, 0)?,
        identifiers: identifiers.chunks_exact(4).map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]])).collect(),
        packet_id: row.get(4)?,
        is_released: row.get(5)?,
    })
}

type Body = (String, bytes::Bytes, u8, bool, i64, Option<Box<tidegate_telemetry::PublishProperties>>);

fn body(message: &Message) -> Vec<u8> {
    encode(&(
        &*message.topic,
        &message.payload,
        message.qos.level(),
        message.retain,
        message.received_ms,
        &message.properties,
    ))
}

pub(super) fn message(id: u64, row: &Row<'_>, column: usize) -> Result<Message, rusqlite::Error> {
    let body = postcard::from_bytes(row.get_ref(column)?.as_blob()?);
    let (topic, payload, level, retain, received_ms, properties): Body =
        body.map_err(|error| undecodable(column, error))?;
    Ok(Message { id, topic: topic.into(), payload, qos: qos(level), retain, received_ms, properties })
}

fn will_body(will: &Publication) -> Vec<u8> {
    let mut body = encode(will);
    will.encode_scope_into(&mut body);
    body
}

pub(super) fn will(row: &Row<'_>, column: usize) -> Result<Publication, rusqlite::Error> {
    let body = postcard::take_from_bytes(row.get_ref(column)?.as_blob()?);
    let (mut will, scope): (Publication, _) = body.map_err(|error| undecodable(column, error))?;
    if !scope.is_empty() {
        will.decode_scope(scope).map_err(|error| undecodable(column, error))?;
    }
    Ok(will)
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain values in memory can be encoded")
}

fn undecodable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}

/// All of them but the identifier.
pub(super) fn packed(options: SubscriptionOptions) -> u8 {
    options.qos.level() | u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3
}

pub(super) fn unpacked(options: u8, identifier: Option<u32>) -> SubscriptionOptions {
    SubscriptionOptions {
        qos: qos(options & 3),
        no_local: options & 4 != 0,
        retain_as_published: options & 8 != 0,
        identifier,
    }
}

fn qos(level: u8) -> Qos {
    match level {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        _ => Qos::ExactlyOnce,
    }
}

/// SQLite's integers are signed; the bits are what counts.
pub(super) fn signed(value: u64) -> i64 {
    value.cast_signed()
}

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
