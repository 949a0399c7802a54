//! What every [`Log`] must do, whatever it is made of.
//!
//! An implementation gives a [`Fixture`] and calls `tidegate_log::contract_tests!(MyFixture::new())` in a test module:
//! that makes a test of each clause. Clauses panic when they do not hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_telemetry::{Entry, LogEntry, Position, Publication, Qos};

use crate::{AppendError, Log, LogReader, ReadError};

/// How long a clause waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A place where a log is kept.
pub trait Fixture {
    /// Opens the log, or opens it again after it was closed: the same entries.
    fn open(&self) -> Box<dyn Log>;
    /// Largest encoded entry the log takes.
    fn record_bytes_max(&self) -> usize;
    /// Unread bytes past which the log has no room.
    fn unread_bytes_max(&self) -> u64;
    /// Bytes after the position trimmed last, past which there is no room.
    fn replay_bytes_max(&self) -> u64;
}

/// Makes a test of each clause of the contract, for a new fixture each.
#[macro_export]
macro_rules! contract_tests {
    ($fixture:expr) => {
        $crate::contract_tests!($fixture;
            entries_come_back_in_the_order_they_were_appended,
            each_reader_gets_every_entry_once_while_many_append,
            what_is_durable_is_there_after_opening_again,
            closing_makes_all_durable_and_readers_see_the_end,
            a_closed_log_takes_nothing,
            a_batch_with_a_too_large_entry_leaves_nothing,
            received_times_never_step_back_even_over_a_restart,
            a_clock_that_is_set_back_begins_anew_even_for_what_was_stamped_before_it,
            time_that_passes_is_counted_whatever_the_clock_is_set_to_and_over_a_restart,
            a_reader_starts_where_it_is_told_and_not_beyond_the_end,
            a_reader_waits_no_longer_than_told_and_is_woken_at_once,
            bytes_after_shrinks_towards_the_end,
            unread_bytes_take_the_room_and_reading_gives_it_back,
            untrimmed_bytes_take_the_room_and_trimming_gives_it_back,
            trimming_keeps_everything_after_the_position
        );
    };
    ($fixture:expr; $($clause:ident),*) => {
        $(
            #[test]
            fn $clause() {
                $crate::contract::$clause(&$fixture);
            }
        )*
    };
}

/// A publication that can be told from others by `n`.
#[must_use]
pub fn publication(n: u64, payload_bytes: usize) -> Entry {
    Entry::Publication(Publication {
        received_ms: i64::try_from(n).expect("test numbers are small"),
        client: "client".into(),
        principal: "anonymous".into(),
        session: n,
        packet_id: 1,
        topic: "site/b/floor1/dev7/temperature".into(),
        payload: Bytes::from(vec![b'x'; payload_bytes]),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: None,
        scope: None,
        address: None,
    })
}

/// What `n` was given to [`publication`].
///
/// # Panics
/// When the entry is none of these.
#[must_use]
pub fn number(entry: &Entry) -> u64 {
    match entry {
        Entry::Publication(publication) => publication.session,
        other => panic!("not an entry of the suite: {other:?}"),
    }
}

/// Waits until everything up to `position` is durable.
///
/// # Panics
/// When that takes too long.
pub fn wait_durable(log: &dyn Log, position: Position) {
    let durable = log.durable();
    wait_until(&format!("position {position} is durable"), || *durable.borrow() >= position);
}

/// Reads everything from `after` to `through`; positions must follow each other.
///
/// # Panics
/// When the reader fails, ends, leaves a gap, or takes too long.
#[must_use]
pub fn read_through(log: &dyn Log, after: Position, through: Position) -> Vec<Entry> {
    let mut reader = log.reader(after).expect("a reader");
    let entries = read_up_to(reader.as_mut(), after, through);
    entries.into_iter().map(|entry| entry.entry.clone()).collect()
}

/// A log appends in order, and a reader sees that order.
pub fn entries_come_back_in_the_order_they_were_appended(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let mut given = Vec::new();
    let mut last = before;
    for batch in 0..20_u64 {
        let mut entries: Vec<Entry> = (0..=batch).map(|n| publication(batch * 100 + n, 10)).collect();
        given.extend(entries.clone());
        last = append(log.as_ref(), &mut entries);
        assert!(entries.is_empty(), "append drains the batch");
        assert!(log.appended() >= last);
    }
    assert_eq!(last.0 - before.0, given.len() as u64, "every entry has a position");
    assert_eq!(read_through(log.as_ref(), before, last), given);
}

/// Appending threads and readers do not disturb each other.
pub fn each_reader_gets_every_entry_once_while_many_append(fixture: &dyn Fixture) {
    const WRITERS: u64 = 3;
    const BATCHES: u64 = 400;
    let log: Arc<dyn Log> = Arc::from(fixture.open());
    let start = log.appended();
    let through = Position(start.0 + WRITERS * BATCHES * 2);
    let received = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let log = &log;
            scope.spawn(move || {
                for batch in 0..BATCHES {
                    let n = (writer << 32) + batch * 2;
                    append(log.as_ref(), &mut vec![timeless(n), timeless(n + 1)]);
                }
            });
        }
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_through(log.as_ref(), start, through))).collect();
        readers.into_iter().map(|reader| reader.join().expect("the reader")).collect::<Vec<_>>()
    });
    assert_eq!(received[0], received[1], "all readers see one order");
    let mut next = HashMap::new();
    for entry in &received[0] {
        let (writer, n) = (number(entry) >> 32, number(entry) & 0xffff_ffff);
        let expected = next.entry(writer).or_insert(0);
        assert_eq!(n, *expected, "writer {writer} in its own order");
        *expected += 1;
    }
}

/// Durable means durable, without an orderly end.
pub fn what_is_durable_is_there_after_opening_again(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let mut entries: Vec<Entry> = (0..50).map(|n| publication(n, 30)).collect();
    let given = entries.clone();
    let last = append(log.as_ref(), &mut entries);
    wait_durable(log.as_ref(), last);
    drop(log);
    let log = fixture.open();
    assert_eq!(log.appended(), last);
    assert_eq!(*log.durable().borrow(), last);
    assert_eq!(read_through(log.as_ref(), before, last), given);
    assert_eq!(append(log.as_ref(), &mut vec![publication(99, 1)]), last.next());
}

/// Closing waits for the disk.
pub fn closing_makes_all_durable_and_readers_see_the_end(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let mut reader = log.reader(before).expect("a reader");
    let last = append(log.as_ref(), &mut (0..10).map(|n| publication(n, 10)).collect());
    log.close();
    assert_eq!(*log.durable().borrow(), last);
    assert_eq!(read_up_to(reader.as_mut(), before, last).len(), 10);
    let mut none = Vec::new();
    assert!(!reader.read(PATIENCE, &mut none).expect("an orderly end"), "the end");
    assert!(none.is_empty());
}

/// An error and an empty batch, not a hang.
pub fn a_closed_log_takes_nothing(fixture: &dyn Fixture) {
    let log = fixture.open();
    let last = log.appended();
    log.close();
    let mut entries = vec![publication(1, 1)];
    assert!(matches!(log.append(&mut entries), Err(AppendError::Closed)));
    assert!(entries.is_empty());
    assert_eq!(log.appended(), last);
    block_on(log.as_ref());
}

/// All or nothing.
pub fn a_batch_with_a_too_large_entry_leaves_nothing(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = append(log.as_ref(), &mut vec![publication(1, 1)]);
    let late = publication(1_000_000, 1);
    let error = log.append(&mut vec![late, publication(3, fixture.record_bytes_max() + 1)]);
    assert!(matches!(error, Err(AppendError::TooLarge { max, .. }) if max == fixture.record_bytes_max()), "{error:?}");
    assert_eq!(log.appended(), before);
    let last = append(log.as_ref(), &mut vec![publication(4, 1)]);
    assert_eq!(last, before.next());
    assert_eq!(read_through(log.as_ref(), before, last), [publication(4, 1)], "its time was not raised either");
}

/// Times are raised, not lowered.
pub fn received_times_never_step_back_even_over_a_restart(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    append(
        log.as_ref(),
        &mut vec![Entry::Tick(5_000), Entry::Tick(4_000), Entry::ClockSet { at_ms: 6_000, by_ms: 900 }],
    );
    log.close();
    drop(log);
    let log = fixture.open();
    let last = append(log.as_ref(), &mut vec![Entry::Tick(10), Entry::Tick(7_000)]);
    let times: Vec<i64> = read_through(log.as_ref(), before, last).iter().map(Entry::received_ms).collect();
    assert_eq!(times, [5_000, 5_000, 6_000, 6_000, 7_000]);
}

/// Who stamps and who sets the clock are not the same thread.
pub fn a_clock_that_is_set_back_begins_anew_even_for_what_was_stamped_before_it(fixture: &dyn Fixture) {
    const AHEAD_MS: i64 = 400 * 24 * 3_600_000;
    let log = fixture.open();
    let before = log.appended();
    append(log.as_ref(), &mut vec![Entry::Tick(AHEAD_MS + 5_000)]);
    append(log.as_ref(), &mut vec![Entry::ClockSet { at_ms: 6_000, by_ms: -AHEAD_MS }]);
    append(log.as_ref(), &mut vec![Entry::Tick(6_500), Entry::Tick(AHEAD_MS + 5_900), Entry::Tick(5_800)]);
    // And forward again, which is right at once.
    append(log.as_ref(), &mut vec![Entry::ClockSet { at_ms: AHEAD_MS, by_ms: AHEAD_MS }, Entry::Tick(AHEAD_MS + 7)]);
    append(log.as_ref(), &mut vec![Entry::ClockSet { at_ms: 6_600, by_ms: -AHEAD_MS }]);
    log.close();
    drop(log);
    let log = fixture.open();
    let last = append(log.as_ref(), &mut vec![Entry::Tick(10), Entry::Tick(7_000)]);
    let times: Vec<i64> = read_through(log.as_ref(), before, last).iter().map(Entry::received_ms).collect();
    let ahead = [AHEAD_MS, AHEAD_MS + 7];
    assert_eq!(times, [&[AHEAD_MS + 5_000, 6_000, 6_500, 6_500, 6_500], &ahead[..], &[6_600, 6_600, 7_000]].concat());
}

/// Ages are measured by it.
pub fn time_that_passes_is_counted_whatever_the_clock_is_set_to_and_over_a_restart(fixture: &dyn Fixture) {
    const HOUR_MS: i64 = 3_600_000;
    let log = fixture.open();
    let before = log.appended();
    let forward = Entry::ClockSet { at_ms: 6_000 + HOUR_MS, by_ms: HOUR_MS };
    append(log.as_ref(), &mut vec![Entry::Tick(5_000), Entry::Tick(4_900), forward, Entry::Tick(7_000 + HOUR_MS)]);
    let refused =
        log.append(&mut vec![Entry::ClockSet { at_ms: 1, by_ms: -9 }, publication(3, fixture.record_bytes_max() + 1)]);
    assert!(refused.is_err(), "and leaves no trace");
    append(log.as_ref(), &mut vec![Entry::ClockSet { at_ms: 7_500, by_ms: -HOUR_MS }]);
    append(
        log.as_ref(),
        &mut vec![Entry::Tick(7_000 + HOUR_MS), Entry::ClockSet { at_ms: 8_000 - HOUR_MS, by_ms: -HOUR_MS }],
    );
    log.close();
    drop(log);
    let log = fixture.open();
    let last = append(log.as_ref(), &mut vec![Entry::Tick(10_000 - HOUR_MS)]);
    let mut reader = log.reader(before).expect("a reader");
    let entries = read_up_to(reader.as_mut(), before, last);
    let elapsed: Vec<i64> = entries.iter().filter_map(|entry| entry.elapsed_ms).map(|ms| ms - 5_000).collect();
    assert_eq!(elapsed, [0, 0, 1_000, 2_000, 2_500, 2_500, 3_000, 5_000]);
}

/// Any position up to the last one is a start.
pub fn a_reader_starts_where_it_is_told_and_not_beyond_the_end(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let last = append(log.as_ref(), &mut (0..30).map(|n| publication(n, 10)).collect());
    for skip in [0, 1, 15, 29, 30] {
        let after = Position(before.0 + skip);
        let got = read_through(log.as_ref(), after, last);
        assert_eq!(got.iter().map(number).collect::<Vec<_>>(), (skip..30).collect::<Vec<_>>());
    }
    let beyond = log.reader(last.next());
    assert!(
        matches!(beyond.err(), Some(ReadError::Beyond { asked, last: end }) if asked == last.next() && end == last)
    );
}

/// No entry, no error, and no waiting past the time given.
pub fn a_reader_waits_no_longer_than_told_and_is_woken_at_once(fixture: &dyn Fixture) {
    let log = fixture.open();
    let mut reader = log.reader(log.appended()).expect("a reader");
    let mut out = Vec::new();
    let started = Instant::now();
    assert!(reader.read(Duration::from_millis(30), &mut out).expect("a quiet log"));
    assert!(out.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(30));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            append(log.as_ref(), &mut vec![publication(1, 1)]);
        });
        let started = Instant::now();
        assert!(reader.read(Duration::MAX, &mut out).expect("an entry"));
        assert!(started.elapsed() < PATIENCE);
        assert_eq!(out.len(), 1);
    });
}

/// What a restart would replay.
pub fn bytes_after_shrinks_towards_the_end(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let last = append(log.as_ref(), &mut (0..100).map(|n| publication(n, 1_000)).collect());
    assert_eq!(log.bytes_after(last), 0);
    assert!(log.bytes_after(before) >= 100 * 1_000);
    let all: Vec<u64> = (before.0..=last.0).map(|position| log.bytes_after(Position(position))).collect();
    assert!(all.is_sorted_by(|a, b| a >= b), "{all:?}");
}

/// The slowest reader decides.
pub fn unread_bytes_take_the_room_and_reading_gives_it_back(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let mut reader = log.reader(before).expect("a reader");
    let mut appended = 0;
    let mut last = before;
    while appended <= fixture.unread_bytes_max() {
        last = append(log.as_ref(), &mut vec![publication(1, 1_000)]);
        appended += 1_000;
    }
    wait_durable(log.as_ref(), last);
    assert!(!log.has_room(), "{appended} bytes are unread");
    std::thread::scope(|scope| {
        scope.spawn(|| read_up_to(reader.as_mut(), before, last));
        block_on(log.as_ref());
    });
    assert!(log.has_room());
    append(log.as_ref(), &mut vec![publication(1, 1_000); usize::try_from(appended / 1_000).expect("a few")]);
    drop(reader);
    block_on(log.as_ref());
}

/// What a restart would replay is bounded: writers wait until less is to be kept.
pub fn untrimmed_bytes_take_the_room_and_trimming_gives_it_back(fixture: &dyn Fixture) {
    for start in ["new", "opened again"] {
        let log = fixture.open();
        assert!(log.has_room(), "{start}");
        let (mut appended, mut last) = (0, log.appended());
        while appended <= fixture.replay_bytes_max() {
            last = append(log.as_ref(), &mut vec![publication(1, 1_000)]);
            appended += 1_000;
            wait_durable(log.as_ref(), last);
        }
        assert!(!log.has_room(), "{start}: {appended} bytes would be replayed");
        std::thread::scope(|scope| {
            scope.spawn(|| log.trim(Position(last.0 - 1)));
            block_on(log.as_ref());
        });
        assert!(log.has_room(), "{start}");
        append(log.as_ref(), &mut vec![publication(1, 1_000); usize::try_from(appended / 2_000).expect("a few")]);
    }
}

/// Trimming may delete less than it might, never more.
pub fn trimming_keeps_everything_after_the_position(fixture: &dyn Fixture) {
    let log = fixture.open();
    let before = log.appended();
    let mut last = before;
    for n in 0..300 {
        last = append(log.as_ref(), &mut vec![publication(n, 1_000)]);
        wait_durable(log.as_ref(), last);
    }
    let through = Position(before.0 + 200);
    log.trim(through);
    let kept = |log: &dyn Log| read_through(log, through, last).iter().map(number).collect::<Vec<_>>();
    assert_eq!(kept(log.as_ref()), (200..300).collect::<Vec<_>>());
    drop(log);
    let log = fixture.open();
    assert_eq!(kept(log.as_ref()), (200..300).collect::<Vec<_>>());
}

fn timeless(n: u64) -> Entry {
    let mut entry = publication(n, 20);
    if let Entry::Publication(publication) = &mut entry {
        publication.received_ms = 1;
    }
    entry
}

fn append(log: &dyn Log, entries: &mut Vec<Entry>) -> Position {
    log.append(entries).expect("an open log takes entries")
}

fn read_up_to(reader: &mut dyn LogReader, after: Position, through: Position) -> Vec<Arc<LogEntry>> {
    let started = Instant::now();
    let mut out = Vec::new();
    while out.last().map_or(after, |(position, _)| *position) < through {
        assert!(reader.read(Duration::from_millis(100), &mut out).expect("a sound log"), "the log ended early");
        assert!(started.elapsed() < PATIENCE, "position {through} was not read in time");
    }
    let positions = out.iter().map(|(position, _)| position.0);
    assert!(positions.eq(after.0 + 1..=after.0 + out.len() as u64), "no gap, none twice");
    out.into_iter().map(|(_, entry)| entry).collect()
}

fn block_on(log: &dyn Log) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, log.room()).await.expect("room in time") });
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(1));
    }
}
