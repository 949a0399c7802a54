//! A log's files at one position, while it is written and trimmed.

use super::*;
use crate::{OpenFiles, check, held_alone};

fn copied(files: crate::LogFiles) -> TempDir {
    use std::os::unix::fs::FileExt;
    let folder = tempfile::tempdir().unwrap();
    for file in files.files {
        let mut bytes = vec![0; file.bytes as usize];
        file.file.read_exact_at(&mut bytes, 0).unwrap();
        std::fs::write(folder.path().join(file.name), bytes).unwrap();
    }
    folder
}

#[test]
fn files_at_a_position_open_with_all_entries_up_to_it_and_none_after_whatever_is_trimmed_and_appended() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    let mut positions = Vec::new();
    for number in 0..400 {
        positions.push(commit(&log, [publication(number, 500)]));
    }
    for at in [positions[3], positions[150], *positions.last().unwrap()] {
        let held = OpenFiles::open(directory.path()).unwrap();
        for number in 400..500 {
            commit(&log, [publication(number, 500)]);
        }
        let files = held.through(Some(at)).unwrap();
        assert_eq!((files.last, files.entries()), (at, at.0 + 1 - files.first.0));
        let copy = copied(files);
        let again = open(small(copy.path()));
        assert_eq!(again.appended(), at);
        assert_eq!(numbers(&again), (0..at.0).collect::<Vec<_>>());
        assert_eq!(commit(&again, [publication(9, 10)]), at.next(), "it goes on");
    }
    let held = OpenFiles::open(directory.path()).unwrap();
    log.trim(positions[300]);
    assert!(segments(directory.path()).len() < 10, "some were deleted");
    let files = held.through(Some(positions[310])).unwrap();
    assert_eq!((files.first, files.last), (Position(1), positions[310]));
    let trimmed = OpenFiles::open(directory.path()).unwrap().through(Some(positions[310])).unwrap();
    assert!(trimmed.first > Position(1) && trimmed.first <= positions[300].next());
}

#[test]
fn an_empty_log_has_a_file_from_which_it_goes_on_at_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(LogConfig { begin_after: Position(70), ..small(directory.path()) });
    let files = OpenFiles::open(directory.path()).unwrap().through(Some(Position(70))).unwrap();
    assert_eq!((files.first, files.last, files.entries()), (Position(71), Position(70), 0));
    drop(log);
    let copy = copied(files);
    let again = open(small(copy.path()));
    assert_eq!(commit(&again, [publication(1, 10)]), Position(71));
}

#[test]
fn a_check_reads_all_entries_of_a_log_that_nobody_writes_and_names_the_segment_with_a_wrong_byte() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    for number in 0..200 {
        commit(&log, [publication(number, 500)]);
    }
    assert!(held_alone(directory.path()).is_err());
    drop(log);
    assert!(held_alone(directory.path()).unwrap().is_some());
    let files = segments(directory.path());
    let report = check(&files).unwrap();
    assert_eq!((report.first, report.last, report.entries, report.without_head), (Position(1), Position(200), 200, 0));
    assert_eq!(OpenFiles::open(directory.path()).unwrap().through(None).unwrap().last, Position(200));
    for (at, path) in files.iter().enumerate() {
        let (offset, _) = frames(path)[1];
        let sound = std::fs::read(path).unwrap();
        change(path, |bytes| bytes[offset + HEADER_BYTES + 40] ^= 1);
        let said = check(&files).unwrap_err().to_string();
        assert!(said.contains(path.to_str().unwrap()), "{at}: {said}");
        std::fs::write(path, sound).unwrap();
    }
}
