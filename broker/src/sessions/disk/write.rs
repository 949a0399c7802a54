use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use rusqlite::{OptionalExtension, Transaction, params};
use tidegate_telemetry::{Holder, Position};

use super::batch::SessionChange;
use super::columns::{body, number, signed, will_body};
use super::config::SessionStoreConfig;
use super::schema::FORMAT_CLOCK_SET;
use crate::sessions::message::{Delivery, Message};

/// What a mailbox holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MailboxSize {
    pub messages: u64,
    pub bytes: u64,
}

/// One transaction.
pub(super) struct Write<'a> {
    pub transaction: &'a Transaction<'a>,
    pub sizes: &'a mut HashMap<u64, MailboxSize>,
    /// Sessions whose mailbox grew.
    pub grown: HashSet<u64>,
}

impl Write<'_> {
    pub(super) fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, rusqlite::Error> {
        self.transaction.prepare_cached(sql)?.execute(parameters)
    }

    pub(super) fn change(&mut self, change: &SessionChange) -> Result<(), rusqlite::Error> {
        match *change {
            SessionChange::Open { session, ref client, expiry_s, address } => {
                self.run(
                    "INSERT OR REPLACE INTO sessions VALUES(?1, ?2, ?3, NULL)",
                    params![signed(session), &**client, expiry_s],
                )?;
                self.comes_from(session, address)?;
            }
            SessionChange::Resume { session, expiry_s, address } => {
                self.run(
                    "UPDATE sessions SET expires_ms = NULL, expiry_s = ?2 WHERE id = ?1",
                    params![signed(session), expiry_s],
                )?;
                self.comes_from(session, address)?;
            }
            SessionChange::Park { session, expires_ms } => {
                self.run("UPDATE sessions SET expires_ms = ?2 WHERE id = ?1", params![signed(session), expires_ms])?;
            }
            SessionChange::Close { session } => self.close(session)?,
            SessionChange::Subscribe { session, ref filter, options } => {
                self.run(
                    "INSERT OR REPLACE INTO subscriptions VALUES(?1, ?2, ?3, ?4, 0)",
                    params![signed(session), &**filter, options.packed(), options.identifier],
                )?;
            }
            SessionChange::Unsubscribe { session, ref filter } => {
                self.run(
                    "DELETE FROM subscriptions WHERE session = ?1 AND filter = ?2",
                    params![signed(session), &**filter],
                )?;
            }
            SessionChange::Receive { session, packet_id } => {
                self.run("INSERT OR IGNORE INTO received VALUES(?1, ?2)", params![signed(session), packet_id])?;
            }
            SessionChange::Release { session, packet_id } => {
                self.run(
                    "DELETE FROM received WHERE session = ?1 AND packet_id = ?2",
                    params![signed(session), packet_id],
                )?;
            }
            SessionChange::Owe { session, ref delivery } => self.owe(session, delivery)?,
            SessionChange::Send { session, number, packet_id } => {
                self.run(
                    "UPDATE mailbox SET packet_id = ?3 WHERE session = ?1 AND number = ?2",
                    params![signed(session), signed(number), packet_id],
                )?;
            }
            SessionChange::Take { session, number } => {
                self.run(
                    "UPDATE mailbox SET released = 1 WHERE session = ?1 AND number = ?2",
                    [signed(session), signed(number)],
                )?;
            }
            SessionChange::Settle { session, number } => self.settle(session, number)?,
            SessionChange::SettleMessage { session, message } => {
                let number = self
                    .transaction
                    .prepare_cached("SELECT number FROM mailbox WHERE session = ?1 AND message = ?2")?
                    .query_row([signed(session), signed(message)], |row| number(row, 0))
                    .optional()?;
                if let Some(number) = number {
                    self.settle(session, number)?;
                }
            }
            SessionChange::Retain { position, ref message, ref of } => self.retain(position, message, of)?,
            SessionChange::Will { ref will, delay_s, due_ms } => {
                self.run(
                    "INSERT OR REPLACE INTO wills VALUES(?1, ?2, ?3, ?4)",
                    params![signed(will.session), delay_s, due_ms, will_body(will)],
                )?;
            }
            SessionChange::NoWill { session } => {
                self.run("DELETE FROM wills WHERE session = ?1", [signed(session)])?;
            }
            SessionChange::ClockSet { by_ms } => {
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

    pub(super) fn settle(&mut self, session: u64, delivery: u64) -> Result<(), rusqlite::Error> {
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
    pub(super) fn keep_within(&mut self, config: &SessionStoreConfig) -> Result<u64, rusqlite::Error> {
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
