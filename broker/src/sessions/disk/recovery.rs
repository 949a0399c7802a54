use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use tidegate_telemetry::{Holder, Owner, Position, Publication};

use super::columns::{message, number, signed, will};
use super::config::SessionStoreError;
use super::database::Database;
use crate::sessions::message::{FIRST_COMMAND, Message};
use crate::sessions::subscriptions::SubscriptionOptions;

/// What the file held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Up to where mailboxes are complete; `None` in a new file.
    pub complete: Option<Position>,
    pub sessions: Vec<RecoveredSession>,
    pub retained: Vec<RecoveredRetained>,
    pub wills: Vec<RecoveredWill>,
    /// The next message's identifier.
    pub next_message: u64,
}

/// Its place in the log, and in whose share it counts.
pub(crate) type RecoveredRetained = (Position, Arc<Message>, Arc<Holder>);

#[derive(Debug)]
pub(crate) struct RecoveredSession {
    pub id: u64,
    pub client: String,
    /// Where the client was, if it proved nothing.
    pub address: Option<IpAddr>,
    pub expiry_s: u32,
    /// By the time that waiting counts in; `None` when the client was connected.
    pub expires_ms: Option<i64>,
    pub subscriptions: Vec<(Arc<str>, SubscriptionOptions)>,
    pub received: Vec<u16>,
    /// Number of the next delivery.
    pub next_number: u64,
}

#[derive(Debug)]
pub(crate) struct RecoveredWill {
    pub will: Publication,
    pub delay_s: u32,
    /// By the time that waiting counts in; `None` when the client was connected.
    pub due_ms: Option<i64>,
}

impl Database {
    pub(super) fn recover(&mut self) -> Result<Recovered, SessionStoreError> {
        let first_free = self.connection.query_row(
            "SELECT COALESCE(MAX(id), 0) + 1 FROM messages WHERE id < ?1",
            [signed(FIRST_COMMAND)],
            |row| number(row, 0),
        )?;
        let retained = self.retained(first_free)?;
        let next_message = first_free + retained.len() as u64;
        Ok(Recovered {
            complete: self.complete()?,
            sessions: self.sessions()?,
            retained,
            wills: self.wills()?,
            next_message,
        })
    }

    fn sessions(&self) -> Result<Vec<RecoveredSession>, rusqlite::Error> {
        let mut subscriptions: HashMap<u64, Vec<_>> = HashMap::new();
        let mut statement =
            self.connection.prepare("SELECT session, filter, options, identifier FROM subscriptions")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let options = SubscriptionOptions::unpacked(row.get(2)?, row.get(3)?);
            let one = (Arc::from(row.get::<_, String>(1)?), options);
            subscriptions.entry(number(row, 0)?).or_default().push(one);
        }
        let mut received: HashMap<u64, Vec<u16>> = HashMap::new();
        let mut statement = self.connection.prepare("SELECT session, packet_id FROM received")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            received.entry(number(row, 0)?).or_default().push(row.get(1)?);
        }
        let mut statement = self.connection.prepare(
            "SELECT id, client, expiry_s, expires_ms,
             (SELECT COALESCE(MAX(number), 0) + 1 FROM mailbox WHERE session = sessions.id),
             (SELECT address FROM addresses WHERE session = sessions.id) FROM sessions",
        )?;
        let sessions = statement.query_map([], |row| {
            let id = number(row, 0)?;
            Ok(RecoveredSession {
                id,
                client: row.get(1)?,
                address: row.get::<_, Option<String>>(5)?.and_then(|address| address.parse().ok()),
                expiry_s: row.get(2)?,
                expires_ms: row.get(3)?,
                subscriptions: subscriptions.remove(&id).unwrap_or_default(),
                received: received.remove(&id).unwrap_or_default(),
                next_number: number(row, 4)?,
            })
        })?;
        sessions.collect()
    }

    fn retained(&self, first_free: u64) -> Result<Vec<RecoveredRetained>, rusqlite::Error> {
        let mut statement = self.connection.prepare(
            "SELECT position, body, owner, client FROM retained LEFT JOIN retainers ON retainers.topic = retained.topic",
        )?;
        let mut rows = statement.query([])?;
        let mut retained = Vec::new();
        while let Some(row) = rows.next()? {
            // Numbered anew: what is owed to somebody stands among the messages a second time.
            let message = Arc::new(message(first_free + retained.len() as u64, row, 1)?);
            let owner = Owner::from_text(row.get::<_, Option<String>>(2)?.as_deref());
            let client = row.get::<_, Option<String>>(3)?.unwrap_or_default();
            retained.push((Position(number(row, 0)?), message, Arc::new((owner, client.into()))));
        }
        Ok(retained)
    }

    fn wills(&self) -> Result<Vec<RecoveredWill>, rusqlite::Error> {
        let mut statement = self.connection.prepare("SELECT delay_s, due_ms, body FROM wills")?;
        let wills = statement.query_map([], |row| {
            Ok(RecoveredWill { will: will(row, 2)?, delay_s: row.get(0)?, due_ms: row.get(1)? })
        })?;
        wills.collect()
    }
}
