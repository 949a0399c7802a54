//! From older formats of `head.db`.
//!
//! - Format 1: table `chunk`, a row for each block.
//! - Format 2: table `bundle`, rows of blocks that have times of their own: `(series - first series of the row: varint |
//!   bytes of the block: varint | block)… | checksum of two bytes`.
//! - Format 3: no block says whose its times are, which means the devices'.

use rusqlite::params;

use crate::bundle::{Key, Packer};
use crate::catalogue::SeriesId;
use crate::chunk;
use crate::codec::{self, Damaged};
use crate::error::StoreError;
use crate::head::HeadWriter;
use crate::hour::Hour;
use crate::point::Run;
use crate::sqlite::Database;

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Failed {
    Sqlite(#[from] rusqlite::Error),
    Damaged(#[from] Damaged),
}

/// Makes the present format of an older one.
pub(crate) fn bring_up_to_date(head: &Database, format: i64) -> Result<(), StoreError> {
    if format < 3 {
        return pack_again(head, format);
    }
    head.writer()?.execute_batch("PRAGMA user_version = 4").map_err(|error| head.error(error))
}

/// Makes the present rows of those there are, in one transaction.
fn pack_again(head: &Database, format: i64) -> Result<(), StoreError> {
    let connection = head.writer()?;
    let rename = match format {
        1 => "ALTER TABLE chunk RENAME TO old; ALTER TABLE old RENAME series TO first",
        _ => "ALTER TABLE bundle RENAME TO old",
    };
    let pack_all = || -> Result<(), Failed> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(rename)?;
        connection.execute_batch(
            "CREATE TABLE bundle (
                part INTEGER, hour INTEGER, first INTEGER, slice INTEGER, data BLOB NOT NULL,
                PRIMARY KEY (part, hour, first, slice)
            ) WITHOUT ROWID",
        )?;
        let mut parts = connection.prepare("SELECT part, hour FROM part")?;
        let parts = parts.query_map([], |row| Ok((row.get(0)?, Hour(row.get(1)?))))?;
        for part in parts.collect::<rusqlite::Result<Vec<_>>>()? {
            pack_part(&HeadWriter { connection: &connection }, part, format)?;
        }
        Ok(connection.execute_batch("DROP TABLE old; PRAGMA user_version = 4; COMMIT")?)
    };
    pack_all().map_err(|failed| match failed {
        Failed::Sqlite(error) => head.error(error),
        Failed::Damaged(what) => head.damaged(what),
    })
}

/// Files of before lack the column that says in whose share a problem counts.
pub(crate) fn give_problems_owners(head: &Database) -> Result<(), StoreError> {
    let connection = head.writer()?;
    let add = || -> rusqlite::Result<()> {
        let columns = "SELECT count(*), max(name = 'owner') FROM pragma_table_info('problem')";
        let (columns, has_it) = connection.query_row(columns, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if (columns, has_it) == (9_u32, Some(false)) {
            connection.execute_batch("ALTER TABLE problem ADD COLUMN owner TEXT")?;
        }
        Ok(())
    };
    add().map_err(|error| head.error(error))
}

fn pack_part(writer: &HeadWriter<'_>, (part, hour): (u32, Hour), format: i64) -> Result<(), Failed> {
    let sql = "SELECT first, data FROM old WHERE part = ? AND hour = ? ORDER BY first, slice";
    let mut statement = writer.connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![part, hour.0])?;
    let (mut packer, mut last, mut run) = (Packer::new(part, hour), SeriesId(0), Run::default());
    let mut put = |key: &Key, data: &[u8]| writer.bundle(key, data);
    while let Some(row) = rows.next()? {
        let (first, data) = (SeriesId(row.get(0)?), row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?);
        let mut rest = codec::checked(data)?;
        while !rest.is_empty() {
            let (series, block) = take_block(first, format, &mut rest)?;
            if series != last {
                packer.add(last, &run.points, &run.texts, &mut put)?;
                (last, run) = (series, Run::default());
            }
            chunk::append(block, hour, &mut run)?;
        }
    }
    packer.add(last, &run.points, &run.texts, &mut put)?;
    Ok(packer.finish(&mut put)?)
}

/// The next block of an old row, and its series.
fn take_block<'a>(first: SeriesId, format: i64, rest: &mut &'a [u8]) -> Result<(SeriesId, &'a [u8]), Damaged> {
    if format == 1 {
        return Ok((first, std::mem::take(rest)));
    }
    let too_early = Damaged("a row ends too early");
    let offset = codec::take_varint(rest)?;
    let series = u32::try_from(offset).ok().and_then(|offset| first.0.checked_add(offset));
    let bytes = usize::try_from(codec::take_varint(rest)?).map_err(|_| too_early)?;
    let (block, after) = rest.split_at_checked(bytes).ok_or(too_early)?;
    *rest = after;
    Ok((SeriesId(series.ok_or(Damaged("a row names an impossible series"))?), block))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::head::{Head, Part};
    use crate::point::{Point, Sample};

    const PART: Part = Part { part: 2, points: 1 };

    fn file(format: i64, table: &str) -> (tempfile::TempDir, rusqlite::Connection) {
        let directory = tempfile::tempdir().unwrap();
        let connection = rusqlite::Connection::open(directory.path().join("head.db")).unwrap();
        let schema = format!(
            "CREATE TABLE part (part INTEGER, hour INTEGER, points INTEGER NOT NULL, PRIMARY KEY (part, hour)) WITHOUT ROWID;
            CREATE TABLE {table} (part INTEGER, hour INTEGER, {}, slice INTEGER, data BLOB NOT NULL,
                PRIMARY KEY (part, hour, {0}, slice)) WITHOUT ROWID;
            INSERT INTO part VALUES (2, 5, 1);
            PRAGMA user_version = {format}",
            if format == 1 { "series" } else { "first" }
        );
        connection.execute_batch(&schema).unwrap();
        (directory, connection)
    }

    fn insert(connection: &rusqlite::Connection, table: &str, (first, slice): (u32, u32), mut row: Vec<u8>) {
        codec::put_checksum(&mut row);
        let sql = format!("INSERT INTO {table} VALUES (?, ?, ?, ?, ?)");
        connection.execute(&sql, params![2, 5, first, slice, row]).unwrap();
    }

    fn blocks(series: u32) -> Vec<Vec<u8>> {
        let run = run(series);
        let block = |piece: chunk::Piece<'_>| {
            let mut block = Vec::new();
            codec::encode(piece.points, &run.texts, piece.hour.start_ms(), &mut block);
            block
        };
        chunk::pieces(&run.points).map(block).collect()
    }

    /// A head file as format 1 was, with `series` of some points in hour 5 of part 2.
    fn format_1(series: u32) -> tempfile::TempDir {
        let (directory, connection) = file(1, "chunk");
        for series in 0..series {
            for (slice, block) in (0..).zip(blocks(series)) {
                insert(&connection, "chunk", (series, slice), block);
            }
        }
        directory
    }

    /// The same as format 2 was: rows of several series, a series of several blocks in slices of a row that it began.
    fn format_2(series: u32) -> tempfile::TempDir {
        let (directory, connection) = file(2, "bundle");
        let (mut first, mut slice, mut row) = (0, 0, Vec::new());
        for series in 0..series {
            let blocks = blocks(series);
            if !row.is_empty() && row.len() + blocks.iter().map(|block| 10 + block.len()).sum::<usize>() > 2_000 {
                insert(&connection, "bundle", (first, slice), std::mem::take(&mut row));
            }
            if row.is_empty() {
                (first, slice) = (series, 0);
            }
            for block in blocks {
                if !row.is_empty() && row.len() + 10 + block.len() > 2_000 {
                    insert(&connection, "bundle", (first, slice), std::mem::take(&mut row));
                    slice += 1;
                }
                codec::put_varint(u64::from(series - first), &mut row);
                codec::put_varint(block.len() as u64, &mut row);
                row.extend_from_slice(&block);
            }
        }
        insert(&connection, "bundle", (first, slice), row);
        directory
    }

    /// Every seventh series has more points than fit a block; of some neighbours the times are the same; there are texts.
    fn run(series: u32) -> Run {
        let count = if series % 7 == 3 { 2_500 } else { 16 };
        let point = |at: i64| {
            let sample = match series % 11 {
                4 => Sample::text((at % 2) as u32),
                _ => Sample::number((i64::from(series) * 31 + at * at % 17) as f64 / 10.0),
            };
            Point::of_device(Hour(5).start_ms() + at * 1_000 + i64::from(series / 3 % 5), sample)
        };
        let texts = if series % 11 == 4 { vec!["ON".into(), "OFF".into()] } else { Vec::new() };
        Run { points: (0..count).map(point).collect(), texts }
    }

    /// Blocks bring their texts each, so the same values may have other indices.
    fn values(run: &Run) -> Vec<(i64, String)> {
        run.points.iter().map(|point| (point.time_ms(), format!("{:?}", run.value(point.sample)))).collect()
    }

    #[test]
    fn a_head_file_of_an_older_format_is_brought_up_to_date_with_every_point() {
        for (directory, table) in [(format_1(200), "chunk"), (format_2(200), "bundle")] {
            let file = rusqlite::Connection::open(directory.path().join("head.db")).unwrap();
            let bytes = |table| file.query_row(&format!("SELECT sum(length(data)) FROM {table}"), [], |row| row.get(0));
            let before: i64 = bytes(table).unwrap();
            for _ in ["upgraded", "opened again"] {
                let head = Head::open(directory.path()).unwrap();
                assert_eq!(head.database.format().unwrap(), 4);
                let all = head.read_range(Hour(5), &[PART], (0, 200)).unwrap();
                for series in 0..200 {
                    let mut found = Run::default();
                    head.read_series(Hour(5), &[PART], SeriesId(series), &mut found).unwrap();
                    assert!(values(&found) == values(&run(series)), "series {series}");
                    assert!(values(&all[&SeriesId(series)]) == values(&run(series)), "series {series}");
                }
            }
            assert!(bytes("bundle").unwrap() < before, "times are shared");
            assert!(bytes("chunk").is_err() && bytes("old").is_err(), "nothing is kept twice");
        }
    }

    #[test]
    fn a_damaged_row_stops_the_upgrade_and_changes_nothing() {
        for (directory, table, first, format) in
            [(format_1(20), "chunk", "series", 1), (format_2(20), "bundle", "first", 2)]
        {
            let file = rusqlite::Connection::open(directory.path().join("head.db")).unwrap();
            let number = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            let rows = format!("SELECT count(*) FROM {table}");
            let before = number(&rows);
            let last = format!("SELECT max({first}) FROM {table}");
            let damage = format!("UPDATE {table} SET data = x'00112233' WHERE {first} = ({last}) AND slice = 0");
            assert_eq!(file.execute(&damage, []).unwrap(), 1);
            assert!(matches!(Head::open(directory.path()), Err(StoreError::Damaged { .. })));
            assert_eq!((number(&rows), number("PRAGMA user_version")), (before, format));
        }
    }
}
