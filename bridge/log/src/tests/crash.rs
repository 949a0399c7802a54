//! What survives a process or a machine that ends without warning.

use super::*;
use crate::config::OpenError;
use crate::frame::Frame;

#[test]
fn all_that_was_durable_is_in_an_image_taken_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            for n in 0..3_000 {
                log.append(&mut vec![publication(n, 40)]).unwrap();
                if n % 50 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let mut images = 0;
        while !appender.is_finished() || images == 0 {
            let durable = *log.durable().borrow();
            let image = image(directory.path());
            let reopened = open(small(image.path()));
            assert!(reopened.appended() >= durable, "{durable} was durable, {} is there", reopened.appended());
            assert!(numbers(&reopened).into_iter().eq(0..reopened.appended().0));
            images += 1;
        }
    });
}

#[test]
fn a_commit_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let directory = killed(5);
    let segment = segments(directory.path()).remove(0);
    let (start, header) = *frames(&segment).last().unwrap();
    let original = std::fs::read(&segment).unwrap();
    for cut in start..start + header.frame_bytes() {
        let mut torn = original.clone();
        torn[cut..].fill(0);
        if torn == original {
            continue;
        }
        std::fs::write(&segment, torn).unwrap();
        let log = open(small(directory.path()));
        assert_eq!(log.appended(), Position(4), "cut at {cut}");
        commit(&log, [publication(77, 5)]);
        drop(log);
        let log = open(small(directory.path()));
        assert_eq!(numbers(&log), [0, 1, 2, 3, 77], "cut at {cut}");
    }
}

#[test]
fn a_commit_of_which_only_later_pages_were_written_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    commit(&log, [publication(0, 20)]);
    commit(&log, (1..4).map(|n| publication(n, 6_000)));
    let image = image(directory.path());
    let segment = segments(image.path()).remove(0);
    let (start, _) = *frames(&segment).last().unwrap();
    for page in [start..4096, 4096..8192] {
        change(&segment, |bytes| bytes[page].fill(0));
        assert_eq!(numbers(&open(small(image.path()))), [0]);
    }
}

#[test]
fn a_file_that_ends_early_is_a_torn_tail_too() {
    let directory = killed(5);
    let segment = segments(directory.path()).remove(0);
    let (start, _) = *frames(&segment).last().unwrap();
    change(&segment, |bytes| bytes.truncate(start + FRAME_HEADER + 3));
    let log = open(small(directory.path()));
    commit(&log, [publication(4, 20)]);
    assert_eq!(numbers(&log), [0, 1, 2, 3, 4]);
}

#[test]
fn a_frame_of_another_segment_behind_the_end_is_never_taken_for_an_entry() {
    let directory = killed(3);
    let segment = segments(directory.path()).remove(0);
    let (start, header) = *frames(&segment).last().unwrap();
    let end = start + header.frame_bytes();
    for distance in [0, 1, 500] {
        let mut stale = Frame::begin(Position(4), Last::none(0), Vec::new());
        stale.push(&publication(666, 20).into(), 8 << 10).unwrap();
        let stale = stale.seal(12_345).to_vec();
        change(&segment, |bytes| bytes[end + distance..][..stale.len()].copy_from_slice(&stale));
        let log = open(small(directory.path()));
        assert_eq!(numbers(&log), [0, 1, 2]);
    }
}

#[test]
fn a_segment_that_was_being_made_is_made_again() {
    let directory = killed(3);
    let unfinished = directory.path().join("00000000000000000004.log.new");
    std::fs::write(&unfinished, [0; 100]).unwrap();
    assert_eq!(numbers(&open(small(directory.path()))), [0, 1, 2]);
    assert!(!unfinished.exists());
}

#[test]
fn a_second_process_is_kept_out_until_the_first_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    let second = EmbeddedLog::open(small(directory.path())).err().unwrap();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    log.close();
    open(small(directory.path()));
}

#[test]
fn a_log_set_aside_begins_after_what_the_store_has() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { begin_after: Position(1_000), ..small(directory.path()) };
    let log = open(config.clone());
    assert_eq!(commit(&log, [publication(1, 1)]), Position(1_001));
    drop(log);
    assert_eq!(open(config).appended(), Position(1_001));
}
