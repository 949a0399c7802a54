use std::path::Path;

use rusqlite::Connection;
use tidegate_backup::{Access, Image};
use tidegate_telemetry::mention::{is_named_in, is_topic_of};

use super::columns::{message, will};
use super::config::SessionStoreError;

/// What a file of sessions has of a device, by topics and payloads: for people, a sentence each.
///
/// # Errors
/// When it cannot be read.
pub fn traces_in_sessions(file: &Path, access: Access, device: &str) -> Result<Vec<String>, SessionStoreError> {
    Ok(Image::open(file, access)?.ask(|connection| traces(connection, device))?)
}

fn traces(connection: &Connection, device: &str) -> rusqlite::Result<Vec<String>> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let is_its = |topic: &str, payload: &[u8]| is_topic_of(topic, device) || is_named_in(payload, device);
    let mut found = Vec::new();
    let mut statement = connection.prepare("SELECT body FROM retained")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let message = message(0, row, 0)?;
        if is_its(&message.topic, &message.payload) {
            let topic = &message.topic;
            found.push(format!(
                "the retained message of {topic:?}: clear it with an empty one (mosquitto_pub -r -n -t {topic:?})"
            ));
        }
    }
    let mut waiting = 0;
    let mut statement = connection.prepare("SELECT body FROM messages")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let message = message(0, row, 0)?;
        waiting += usize::from(is_its(&message.topic, &message.payload));
    }
    if waiting > 0 {
        found.push(format!(
            "{waiting} messages that wait for sleeping clients: they go when they are fetched, or at mailbox_age_max"
        ));
    }
    let mut statement = connection.prepare("SELECT body FROM wills")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let will = will(row, 0)?;
        if is_its(&will.topic, &will.payload) {
            let (client, topic) = (&will.client, &will.topic);
            found.push(format!("the will of client {client:?}, to {topic:?}: it goes with its session"));
        }
    }
    let clients = "SELECT count(*) FROM sessions WHERE client = ?";
    if connection.query_row(clients, [device], |row| row.get::<_, i64>(0))? > 0 {
        found.push(format!(
            "the session of an MQTT client of that name: DELETE /v1/clients/{device}?session=true ends it"
        ));
    }
    Ok(found)
}
