//! The files as they were at one moment, while the store goes on; and whether files are what was written.
#![allow(clippy::unwrap_used)]

mod fixture;

use std::path::{Path, PathBuf};

use fixture::{Fixture, maintain, number};
use tempfile::TempDir;
use tidegate_backup::{Access, Content};
use tidegate_store::{StoreConfig, StoreImages, check_store, store_files, store_formats};
use tidegate_telemetry::History;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-11-22, midnight.
const MIDNIGHT_MS: i64 = 20_779 * DAY_MS;

fn written(images: &StoreImages) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, image) in &images.files {
        let mut file = std::fs::File::create(folder.path().join(name)).unwrap();
        assert_eq!(std::io::copy(&mut image.read(), &mut file).unwrap(), image.bytes());
    }
    folder
}

fn readings(store: &mut Fixture, day: i64, hour: i64, count: i64) {
    for at in 0..count {
        store.reading(MIDNIGHT_MS + day * DAY_MS + hour * HOUR_MS + at * 7_000, number((at * at % 977) as f64 / 7.0));
    }
}

fn flaws(folder: &Path, access: Access) -> (u64, Vec<String>) {
    let (report, wrong) = check_store(&store_files(folder).unwrap(), access);
    (report.points, wrong.iter().map(ToString::to_string).collect())
}

#[test]
fn images_hold_what_was_flushed_when_they_were_taken_whatever_is_flushed_merged_or_deleted_after() {
    let mut store = Fixture::with(StoreConfig { retention_age_days: 3, ..StoreConfig::default() });
    let (mut moments, mut now_ms) = (Vec::new(), MIDNIGHT_MS);
    for day in 0..5 {
        for hour in [0, 1] {
            readings(&mut store, day, hour, 100);
            store.flush();
            now_ms = MIDNIGHT_MS + day * DAY_MS + (hour + 2) * HOUR_MS;
            maintain(&store, now_ms);
            // Late, so that a closed hour is merged once more. What is there already is a point until it is merged.
            readings(&mut store, day, 0, 3);
            store.flush();
            let images = store.store().images().unwrap();
            moments.push((images, store.flushed(), store.all(), store.store().stats().points));
            readings(&mut store, day, hour, 10);
            store.flush();
            maintain(&store, now_ms);
        }
    }
    assert!(store.store().maintain(now_ms + DAY_MS).unwrap().files_deleted > 0);
    for (images, flushed, points, count) in moments {
        assert_eq!((images.flushed, images.points), (flushed, count));
        let folder = written(&images);
        assert_eq!(flaws(folder.path(), Access::Stored), (count, Vec::new()));
        let config = StoreConfig { directory: folder.path().to_owned(), ..StoreConfig::default() };
        let restored = Fixture::on(config);
        assert_eq!(restored.flushed(), flushed);
        assert_eq!(restored.all(), points);
    }
}

#[test]
fn a_flush_waits_for_no_image_once_it_is_taken() {
    let mut store = Fixture::new();
    readings(&mut store, 0, 0, 200);
    store.flush();
    let _images = store.store().images().unwrap();
    let begun = std::time::Instant::now();
    readings(&mut store, 0, 1, 200);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 5 * HOUR_MS);
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn a_row_that_is_missing_or_wrong_is_found_by_its_hour_and_formats_are_told() {
    let mut store = Fixture::new();
    readings(&mut store, 0, 0, 300);
    store.flush();
    maintain(&store, MIDNIGHT_MS + 3 * HOUR_MS);
    readings(&mut store, 0, 5, 300);
    store.flush();
    let folder = written(&store.store().images().unwrap());
    let files = store_files(folder.path()).unwrap();
    let formats = store_formats(&files, Access::Stored).unwrap();
    assert!(formats.iter().all(|format| format.found == format.writes && !format.is_rewritten), "{formats:?}");
    assert_eq!(formats.len(), 3);
    let told = |name: &str, sql: &str| {
        let copy = written(&store.store().images().unwrap());
        let path: PathBuf = copy.path().join(name);
        let connection = rusqlite::Connection::open(&path).unwrap();
        assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
        drop(connection);
        let (_, flaws) = flaws(copy.path(), Access::Alone);
        assert_eq!(flaws.len(), 1, "{sql}: {flaws:?}");
        assert!(flaws[0].contains(name), "{}", flaws[0]);
        flaws[0].clone()
    };
    let day = "raw-2026-11-22.db";
    assert!(told(day, "DELETE FROM chunk WHERE slice = 0").contains("lacks"));
    assert!(told(day, "UPDATE closed SET points = points + 1").contains("hour 0 lacks 1 points"));
    assert!(told(day, "UPDATE chunk SET data = zeroblob(20)").contains("hour 0, series 0"));
    assert!(told("head.db", "DELETE FROM bundle").contains("lacks 300 points"));
    assert!(told("head.db", "UPDATE bundle SET part = part + 1000").contains("the checksum of a row"));
    assert!(told("rollup-2026-11.db", "UPDATE summary SET data = zeroblob(9)").contains("the summary of hour"));
}
