use std::collections::{HashMap, HashSet};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};
use tidegate_telemetry::Position;

use super::batch::SessionChange;
use super::columns::{delivery, number, signed};
use super::config::{SessionStoreConfig, SessionStoreError};
use super::schema::{ADDED, FILE_NAME, FORMAT, FORMAT_CLOCK_SET, SCHEMA};
use super::write::{MailboxSize, Write};
use crate::sessions::message::Delivery;

/// The SQLite file of the sessions. A batch is one transaction.
pub(super) struct Database {
    pub(super) connection: Connection,
    /// What is in the mailbox of each session that has any.
    sizes: HashMap<u64, MailboxSize>,
}

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
        changes: &[SessionChange],
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
        changes: &[SessionChange],
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
