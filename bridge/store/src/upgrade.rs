//! From older formats of `head.db`.

use rusqlite::params;

use crate::bundle::Packer;
use crate::catalogue::SeriesId;
use crate::codec::{self, Damaged};
use crate::error::StoreError;
use crate::head::HeadWriter;
use crate::hour::Hour;
use crate::sqlite::Database;

/// Format 1 had a row for each series and part: they move into bundles, in one transaction.
pub(crate) fn bundle_chunks(head: &Database) -> Result<(), StoreError> {
    let connection = head.writer()?;
    let move_all = || -> rusqlite::Result<Result<(), Damaged>> {
        connection.execute_batch(
            "BEGIN IMMEDIATE;
            CREATE TABLE bundle (
                part INTEGER, hour INTEGER, first INTEGER, slice INTEGER, data BLOB NOT NULL,
                PRIMARY KEY (part, hour, first, slice)
            ) WITHOUT ROWID",
        )?;
        let mut parts = connection.prepare("SELECT part, hour FROM part")?;
        let parts = parts.query_map([], |row| Ok((row.get(0)?, Hour(row.get(1)?))))?;
        for part in parts.collect::<rusqlite::Result<Vec<_>>>()? {
            if let Err(damaged) = move_part(&HeadWriter { connection: &connection }, part)? {
                return Ok(Err(damaged));
            }
        }
        connection.execute_batch("DROP TABLE chunk; PRAGMA user_version = 2; COMMIT").map(Ok)
    };
    move_all().map_err(|error| head.error(error))?.map_err(|what| head.damaged(what))
}

fn move_part(writer: &HeadWriter<'_>, (part, hour): (u32, Hour)) -> rusqlite::Result<Result<(), Damaged>> {
    let sql = "SELECT series, data FROM chunk WHERE part = ? AND hour = ? ORDER BY series, slice";
    let mut statement = writer.connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![part, hour.0])?;
    let (mut packer, mut series, mut blocks) = (Packer::new(), SeriesId(0), Vec::new());
    let mut put = |bundle: &crate::bundle::Bundle<'_>| writer.bundle(part, hour, bundle);
    while let Some(row) = rows.next()? {
        let next = SeriesId(row.get(0)?);
        if next != series {
            packer.add(series, &std::mem::take(&mut blocks), &mut put)?;
            series = next;
        }
        match codec::checked(row.get_ref(1)?.as_blob()?) {
            Ok(block) => blocks.push(block.to_vec()),
            Err(damaged) => return Ok(Err(damaged)),
        }
    }
    packer.add(series, &blocks, &mut put)?;
    packer.finish(&mut put).map(Ok)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chunk;
    use crate::head::{Head, Part};
    use crate::point::{Point, Run, Sample};

    /// A head file as format 1 was, with `series` of some points in hour 5 of part 2.
    fn format_1(series: u32) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let connection = rusqlite::Connection::open(directory.path().join("head.db")).unwrap();
        let schema = "CREATE TABLE part (part INTEGER, hour INTEGER, points INTEGER NOT NULL, PRIMARY KEY (part, hour)) WITHOUT ROWID;
            CREATE TABLE chunk (part INTEGER, hour INTEGER, series INTEGER, slice INTEGER, data BLOB NOT NULL,
                PRIMARY KEY (part, hour, series, slice)) WITHOUT ROWID;
            INSERT INTO part VALUES (2, 5, 1);
            PRAGMA user_version = 1";
        connection.execute_batch(schema).unwrap();
        for series in 0..series {
            let run = run(series);
            for piece in chunk::pieces(&run.points) {
                let row = params![2, 5, series, piece.slice, chunk::row(&piece, &run)];
                connection.execute("INSERT INTO chunk VALUES (?, ?, ?, ?, ?)", row).unwrap();
            }
        }
        directory
    }

    /// Every seventh series has more points than fit a block.
    fn run(series: u32) -> Run {
        let count = if series % 7 == 3 { 2_500 } else { 16 };
        let point = |at: i64| Point {
            time_ms: Hour(5).start_ms() + at * 1_000,
            sample: Sample::number((i64::from(series) * 31 + at * at % 17) as f64 / 10.0),
        };
        Run { points: (0..count).map(point).collect(), texts: Vec::new() }
    }

    #[test]
    fn a_head_file_of_format_1_is_brought_up_to_date_with_every_point() {
        let directory = format_1(200);
        for _ in ["upgraded", "opened again"] {
            let head = Head::open(directory.path()).unwrap();
            for series in 0..200 {
                let mut found = Run::default();
                head.read_series(Hour(5), &[Part { part: 2, points: 1 }], SeriesId(series), &mut found).unwrap();
                assert_eq!(found, run(series), "series {series}");
            }
        }
    }

    #[test]
    fn a_damaged_row_stops_the_upgrade_and_changes_nothing() {
        let directory = format_1(20);
        let connection = rusqlite::Connection::open(directory.path().join("head.db")).unwrap();
        connection.execute("UPDATE chunk SET data = x'00112233' WHERE series = 9", []).unwrap();
        assert!(matches!(Head::open(directory.path()), Err(StoreError::Damaged { .. })));
        assert_eq!(connection.query_row("SELECT count(*) FROM chunk WHERE slice = 0", [], |row| row.get(0)), Ok(20));
    }
}
