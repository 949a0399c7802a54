//! From files to memory, trimming, and what is counted.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::seam::ReadError;

#[test]
fn a_reader_crosses_from_files_to_memory_without_gap_or_double() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { unread_bytes_max: u64::MAX, ..small(directory.path()) };
    let log = open(config);
    commit(&log, (0..2_000).map(|n| publication(n, 40)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 2_000..12_000 {
                log.append(&mut vec![publication(n, 40)]).unwrap();
                if n % 100 == 0 {
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
        });
        for start in [0, 1_999, 5] {
            let got = read_through(&log, Position(start), Position(12_000));
            assert!(got.iter().map(number).eq(start..12_000));
        }
    });
}

#[test]
fn trimming_deletes_whole_segments_and_names_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    for n in 0..300 {
        commit(&log, [publication(n, 100)]);
    }
    let before = segments(directory.path());
    log.trim(Position(200));
    let after = segments(directory.path());
    assert!(after.len() < before.len() && before.ends_with(&after), "{before:?} {after:?}");
    let refused = log.reader(Position(3)).err().unwrap();
    let ReadError::Trimmed { first_kept, .. } = refused else { panic!("{refused}") };
    assert!(first_kept <= Position(200));
    assert!(read_through(&log, first_kept, Position(300)).iter().map(number).eq(first_kept.0..300));
    assert_eq!(log.bytes_after(Position(3)), log.bytes_after(first_kept), "what is gone is not replayed");
    log.trim(Position(u64::MAX - 1));
    assert_eq!(segments(directory.path()).len(), 1, "the newest segment stays");
    drop(log);
    let log = open(small(directory.path()));
    assert_eq!(log.appended(), Position(300));
    assert_eq!(commit(&log, [Entry::Tick(0)]), Position(301));
    let tick = read_through(&log, Position(300), Position(301)).remove(0);
    assert_eq!(tick, Entry::Tick(299), "times stay monotone when the entries before are gone");
}

#[test]
fn what_is_set_apart_can_go_though_its_segment_is_not_full_and_the_rest_is_read_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    let last = commit(&log, (0..3).map(|n| publication(n, 20)));
    log.trim(last);
    assert_eq!(log.first(), Position(1), "the newest segment stays");
    log.set_apart();
    let mut next = 3;
    // Once the next segment stands ready.
    while segments(directory.path()).len() < 2 {
        commit(&log, [publication(next, 20)]);
        next += 1;
    }
    let begins = Position(next);
    log.trim(Position(next - 1));
    assert_eq!((log.first(), segments(directory.path()).len()), (begins, 1));
    commit(&log, [publication(next, 20)]);
    assert_eq!(segments(directory.path()).len(), 1, "once is once");
    drop(log);
    let log = open(small(directory.path()));
    assert_eq!(log.first(), begins);
    assert_eq!(read_through(&log, Position(begins.0 - 1), Position(next + 1)).len(), 2);
}

#[test]
fn a_segment_that_cannot_be_deleted_keeps_those_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    for n in 0..12 {
        commit(&log, [publication(n, 8_000)]);
    }
    let paths = segments(directory.path());
    assert!(paths.len() >= 3, "{paths:?}");
    let aside = directory.path().join("aside");
    std::fs::rename(&paths[0], &aside).unwrap();
    std::fs::create_dir(&paths[0]).unwrap();
    log.trim(log.appended());
    assert!(paths.iter().all(|path| path.exists()), "no gap");
    std::fs::remove_dir(&paths[0]).unwrap();
    std::fs::rename(&aside, &paths[0]).unwrap();
    log.trim(log.appended());
    assert_eq!(segments(directory.path()), paths[paths.len() - 1..]);
}

#[test]
fn an_entry_larger_than_a_segment_gets_one_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { record_bytes_max: 1 << 20, ..small(directory.path()) };
    let log = open(config.clone());
    for (n, size) in [(0, 500_000), (1, 10), (2, 500_000), (3, 10)] {
        commit(&log, [publication(n, size)]);
    }
    // The segment made for the first one has the name of the empty one it did not fit.
    log.trim(Position(1));
    assert_eq!(read_through(&log, Position(1), Position(4)).iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
    drop(log);
    let log = open(config);
    assert_eq!(read_through(&log, Position(1), Position(4)).iter().map(number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_restart_does_not_grow_a_log_that_nothing_was_added_to() {
    let directory = killed(3);
    drop(open(small(directory.path())));
    let once = frames(&segments(directory.path())[0]).len();
    drop(open(small(directory.path())));
    assert_eq!(frames(&segments(directory.path())[0]).len(), once);
    assert_eq!(once, 4, "three commits and the mark of an orderly end");
}

#[test]
fn an_entry_waits_for_the_disk_alone_unless_a_commit_was_just_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { commit_interval: Duration::from_secs(3_600), ..small(directory.path()) };
    let log = open(config);
    let first = commit(&log, [publication(0, 20)]);
    log.append(&mut vec![publication(1, 20)]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(*log.durable().borrow(), first, "what follows within the interval shares a commit");
    commit(&log, [publication(2, 5_000)]);
    assert_eq!(frames(&segments(directory.path())[0]).len(), 2, "the bytes started it");
}

/// Bytes that this thread has read from files so far.
fn read_bytes() -> u64 {
    let figures = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    figures.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn a_start_reads_what_was_written_and_not_the_room_that_was_preallocated() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { segment_bytes: 64 << 20, ..small(directory.path()) };
    let log = open(config.clone());
    commit(&log, (0..50).map(|n| publication(n, 4_000)));
    drop(log);
    let before = read_bytes();
    let log = open(config);
    let read = read_bytes() - before;
    assert_eq!(log.appended(), Position(50));
    assert!(read < 3 << 20, "{read} bytes were read for 200 KB in a segment of 64 MiB");
}

#[test]
fn commits_and_a_cut_tail_are_counted() {
    let directory = killed(5);
    let segment = segments(directory.path()).remove(0);
    let (start, _) = *frames(&segment).last().unwrap();
    change(&segment, |bytes| bytes[start + FRAME_HEADER + 10..].fill(0));
    let recorder = PrometheusBuilder::new().build_recorder();
    let log = metrics::with_local_recorder(&recorder, || EmbeddedLog::open(small(directory.path()))).unwrap();
    commit(&log, [publication(9, 20), publication(10, 20)]);
    log.close();
    let page = recorder.handle().render();
    for line in [
        "tidegate_log_entries_total 2",
        "tidegate_log_commits_total 1",
        "tidegate_log_written_bytes_total 4096",
        "tidegate_log_segments 1",
        "tidegate_log_torn_tails_total 1",
        "tidegate_log_torn_tail_bytes_total 42",
        "tidegate_log_commit_seconds_count 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    }
}

#[test]
fn who_only_follows_holds_nobody_back_and_reads_what_is_kept_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    let mut follower = log.follower(Position::START).unwrap();
    log.keep(Some(Position(600)));
    for n in 0..1_500 {
        commit(&log, [publication(n, 100)]);
        // The restart of the program needs nothing of it, and nobody else reads.
        log.trim(Position(n + 1));
        assert!(log.has_room(), "entry {n}");
    }
    let trimmed = follower.read(Duration::ZERO, &mut Vec::new());
    assert!(matches!(trimmed, Err(ReadError::Trimmed { .. })), "nothing was kept of the first entries: {trimmed:?}");
    let (mut kept, mut reader) = (Vec::new(), log.follower(Position(600)).unwrap());
    while kept.len() < 900 {
        assert!(reader.read(Duration::from_secs(5), &mut kept).unwrap());
    }
    assert!(kept.iter().map(|(_, entry)| number(&entry.entry)).eq(600..1_500));
    let before = segments(directory.path()).len();
    log.keep(None);
    log.trim(Position(1_500));
    assert!(segments(directory.path()).len() < before, "what is kept for nobody goes with the next trim");
}
