//! What Home Assistant's recorder kept.

use std::path::Path;

use rusqlite::{Connection, params};
use tidegate_tests::now_ms;

use super::World;

/// The recorder's tables with the columns that are looked at, and some that are not (schema 48).
const SCHEMA: &str = "
    CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255));
    CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
    CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0),
        last_changed_ts FLOAT, last_reported_ts FLOAT, last_updated_ts FLOAT, attributes_id INTEGER, metadata_id INTEGER);
    CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
    CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id VARCHAR(255), source VARCHAR(32),
        unit_of_measurement VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255));
    CREATE TABLE statistics (id INTEGER PRIMARY KEY, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT, mean FLOAT,
        min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
    CREATE TABLE statistics_short_term (id INTEGER PRIMARY KEY, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT,
        mean FLOAT, min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
    INSERT INTO states_meta VALUES (1, 'sensor.kitchen'), (2, 'binary_sensor.door'), (3, 'sensor.mode'), (4, 'sensor.gone');
    INSERT INTO state_attributes VALUES
        (1, 0, '{\"device_class\":\"temperature\",\"unit_of_measurement\":\"\u{b0}C\"}'), (2, 0, '{}'), (3, 0, 'torn {');
    INSERT INTO statistics_meta VALUES (1, 'sensor.kitchen', 'recorder', '\u{b0}C', 1, 0, NULL),
        (2, 'power:meter', 'power', 'kWh', 0, 1, 'Meter');";

const HOUR_MS: i64 = 3_600_000;

/// A recorder that writes to its file.
struct Recorder(Connection);

impl Recorder {
    fn at(path: &Path) -> Recorder {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        Recorder(connection)
    }

    fn state(&self, entity: i64, attributes: Option<i64>, state: Option<&str>, time_ms: i64) {
        let question =
            "INSERT INTO states (state, last_updated_ts, attributes_id, metadata_id) VALUES (?1, ?2, ?3, ?4)";
        let time_s = time_ms as f64 / 1e3;
        self.0.execute(question, params![state, time_s, attributes, entity]).unwrap();
    }

    /// A row of statistics: mean, lowest, highest; or what a meter read.
    fn statistic(&self, table: &str, of: i64, start_ms: i64, mean: Option<f64>, meter: Option<f64>) {
        let question = format!(
            "INSERT INTO {table} (metadata_id, start_ts, mean, min, max, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        );
        let (low, high) = (mean.map(|mean| mean - 1.0), mean.map(|mean| mean + 1.0));
        self.0.execute(&question, params![of, start_ms as f64 / 1e3, mean, low, high, meter]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_what_statistics_say_of_the_time_before_come_while_it_is_written() {
    let world = World::new().await;
    let file = world.path("home-assistant_v2.db");
    let recorder = Recorder::at(&file);
    let from_ms = (now_ms() - 20 * 24 * HOUR_MS) / HOUR_MS * HOUR_MS;
    let raw_ms = from_ms + 240 * HOUR_MS;
    // Ten days by the hour; then the last of them by five minutes as well; then states, with statistics beside them.
    for hour in 0..300 {
        recorder.statistic("statistics", 1, from_ms + hour * HOUR_MS, Some(20.0 + hour as f64), None);
        recorder.statistic("statistics", 2, from_ms + hour * HOUR_MS, None, Some(1_000.0 + hour as f64));
    }
    for part in 0..600 {
        recorder.statistic("statistics_short_term", 1, raw_ms - 24 * HOUR_MS + part * 300_000, Some(part as f64), None);
    }
    for n in 0..5_000 {
        recorder.state(1, Some(1), Some(&format!("{}.5", n % 40)), raw_ms + n * 10_000 + 123);
        recorder.state(2, Some(2), Some(if n % 2 == 0 { "on" } else { "off" }), raw_ms + n * 10_000);
    }
    for (n, state) in
        [Some("=1+1"), Some("a \"b\",\nc"), Some("unknown"), Some("unavailable"), Some(""), None].iter().enumerate()
    {
        recorder.state(3, Some(3), *state, raw_ms + n as i64);
        recorder.state(1, Some(2), Some("unavailable"), raw_ms + 60_000_000 + n as i64);
    }
    let bytes = std::fs::read(&file).unwrap();
    let said = world.import_file(&file, &[]).await;
    assert_eq!(said.err, "");
    // 216 hours, 289 times five minutes and 5,000 states of the kitchen; 300 of the meter; 5,000 of the door; two texts.
    assert!(said.out.starts_with(&format!("{} points", 216 + 289 + 5_000 + 300 + 5_000 + 2)), "{}", said.out);
    assert!(said.out.contains("10 states were unknown, unavailable or removed"), "{}", said.out);
    assert!(said.out.contains("temperature is in \u{b0}C") && said.out.contains("state is in kWh"), "{}", said.out);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the file is only read");
    let out = world.export(&[]).await;
    let has = |line: String| assert!(out.contains(&line), "{line} is not in {}", &out[..500]);
    let kitchen = "sensor.kitchen,sensor,temperature";
    has(format!("{kitchen},{},number,235\r\n", from_ms + 215 * HOUR_MS));
    has(format!("{kitchen},{},number,0\r\n", from_ms + 216 * HOUR_MS));
    has(format!("{kitchen},{raw_ms},number,288\r\n{kitchen},{},number,0.5\r\n", raw_ms + 123));
    has(format!("power:meter,power,state,{},number,1000\r\n", from_ms + HOUR_MS));
    has(format!("binary_sensor.door,binary_sensor,state,{raw_ms},boolean,true\r\n"));
    has(format!("sensor.mode,sensor,state,{raw_ms},text,'=1+1\r\n"));
    has(format!("sensor.mode,sensor,state,{},text,\"a \"\"b\"\",\nc\"\r\n", raw_ms + 1));
    // It goes on, and what is new comes.
    recorder.state(1, Some(1), Some("7"), raw_ms + 70_000_000);
    world.import_file(&file, &["--statistics", "none"]).await;
    assert_eq!(world.export(&[]).await.lines().count(), out.lines().count() + 1);
    world.import_file(&file, &["--statistics", "extremes"]).await;
    let lowest = world.export(&["--metric", "temperature.min"]).await;
    assert_eq!(lowest.lines().count() - 1, 216 + 289);
    assert!(lowest.contains(&format!("sensor.kitchen,sensor,temperature.min,{from_ms},number,19\r\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_sqlite_and_one_of_an_old_version_are_refused_with_what_to_do() {
    let world = World::new().await;
    let file = world.path("old.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE states (entity_id TEXT, state TEXT, last_updated DATETIME)").unwrap();
    drop(connection);
    let said = world.run("import", &[file.to_str().unwrap()]).await;
    assert!(!said.is_success && said.err.contains("start a current Home Assistant on it"), "{}", said.err);
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 1, "nothing is left beside it");
}
