//! What stands in `sessions.sqlite`.

/// Times are Unix ms.
pub(super) const FORMAT: i64 = 1;
/// Times are Unix ms less what the clock was set forward by.
pub(super) const FORMAT_CLOCK_SET: i64 = 2;

/// `since` is 0: every subscription in the file began at or before `complete`.
pub(super) const SCHEMA: &str = "
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
pub(super) const ADDED: &str = "
CREATE TABLE IF NOT EXISTS clock(set_forward_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS addresses(session INTEGER PRIMARY KEY, address TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS retainers(topic TEXT PRIMARY KEY, owner TEXT, client TEXT NOT NULL) WITHOUT ROWID;
";
