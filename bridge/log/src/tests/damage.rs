//! What was durable and is not intact any more stops the start.

use super::*;
use crate::config::OpenError;
use crate::frame::Frame;
use crate::window::WINDOW_BYTES;

fn refusal(directory: &Path) -> OpenError {
    EmbeddedLog::open(small(directory)).err().expect("a damaged log does not open")
}

#[test]
fn a_flipped_bit_anywhere_in_a_middle_frame_stops_the_start_and_says_where() {
    let directory = killed(5);
    let segment = segments(directory.path()).remove(0);
    let (start, header) = frames(&segment)[2];
    let original = std::fs::read(&segment).unwrap();
    for byte in start..start + header.frame_bytes() {
        change(&segment, |bytes| bytes[byte] ^= 1 << (byte % 8));
        let error = refusal(directory.path());
        assert!(
            matches!(&error, OpenError::Damaged { path, offset, position }
                if *path == segment && *offset == start as u64 && *position == Position(3)),
            "byte {byte}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains(&segment.display().to_string()) && text.contains("restore"), "{text}");
        assert_ne!(std::fs::read(&segment).unwrap(), original, "nothing is mended");
        std::fs::write(&segment, &original).unwrap();
    }
    assert_eq!(numbers(&open(small(directory.path()))), [0, 1, 2, 3, 4]);
}

#[test]
fn a_middle_frame_of_zeros_stops_the_start() {
    let directory = killed(5);
    let segment = segments(directory.path()).remove(0);
    let (start, header) = frames(&segment)[2];
    change(&segment, |bytes| bytes[start..start + header.frame_bytes()].fill(0));
    assert!(matches!(refusal(directory.path()), OpenError::Damaged { position: Position(3), .. }));
}

#[test]
fn a_frame_behind_a_large_damaged_one_is_found_wherever_the_pieces_meet_that_are_read() {
    let config = |directory: &Path| LogConfig {
        segment_bytes: 4 << 20,
        record_bytes_max: 1 << 20,
        undurable_bytes_max: 4 << 20,
        ..small(directory)
    };
    for before_the_seam in [0, 1, 16, FRAME_HEADER - 1, FRAME_HEADER, FRAME_HEADER + 1] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(config(directory.path()));
        let wanted = WINDOW_BYTES - before_the_seam;
        let overhead =
            Frame::begin(Position(1), Last::none(0), Vec::new()).push(&publication(0, wanted).into(), 1 << 20).unwrap()
                - wanted;
        commit(&log, [publication(0, wanted - overhead - FRAME_HEADER)]);
        commit(&log, [publication(1, 20)]);
        log.close();
        let segment = segments(directory.path()).remove(0);
        assert_eq!(frames(&segment)[0].1.frame_bytes(), wanted);
        change(&segment, |bytes| bytes[SEGMENT_HEADER_BYTES + 100] ^= 1);
        let error = EmbeddedLog::open(config(directory.path())).err().expect("a damaged log does not open");
        assert!(matches!(error, OpenError::Damaged { position: Position(1), .. }), "{before_the_seam}: {error}");
    }
}

#[test]
fn after_an_orderly_end_even_the_last_entry_is_guarded() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(small(directory.path()));
    commit(&log, [publication(0, 20)]);
    commit(&log, [publication(1, 20)]);
    log.close();
    let segment = segments(directory.path()).remove(0);
    let (start, header) = frames(&segment)[1];
    change(&segment, |bytes| bytes[start + header.frame_bytes() - 1] ^= 1);
    assert!(matches!(refusal(directory.path()), OpenError::Damaged { position: Position(2), .. }));
}

#[test]
fn a_damaged_older_segment_or_a_missing_one_stops_the_start() {
    let directory = killed(600);
    let paths = segments(directory.path());
    assert!(paths.len() >= 3, "{paths:?}");
    let (start, _) = *frames(&paths[0]).last().unwrap();
    let original = std::fs::read(&paths[0]).unwrap();
    change(&paths[0], |bytes| bytes[start + FRAME_HEADER] ^= 1);
    assert!(matches!(refusal(directory.path()), OpenError::Damaged { path, .. } if path == paths[0]));
    std::fs::write(&paths[0], original).unwrap();
    std::fs::remove_file(&paths[1]).unwrap();
    let error = refusal(directory.path());
    assert!(matches!(&error, OpenError::Missing { path, .. } if *path == paths[2]), "{error}");
}

#[test]
fn a_foreign_or_newer_file_is_named() {
    let directory = killed(1);
    let segment = segments(directory.path()).remove(0);
    let original = std::fs::read(&segment).unwrap();
    change(&segment, |bytes| bytes[8] = 9);
    assert!(matches!(refusal(directory.path()), OpenError::UnknownVersion { version: 9, .. }));
    std::fs::write(&segment, &original).unwrap();
    for byte in (0..8).chain(12..SEGMENT_HEADER_BYTES) {
        change(&segment, |bytes| bytes[byte] ^= 4);
        assert!(matches!(refusal(directory.path()), OpenError::NotASegment { .. }), "byte {byte}");
        std::fs::write(&segment, &original).unwrap();
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_named() {
    let config = LogConfig { segment_bytes: 1, ..LogConfig::default() };
    let error = EmbeddedLog::open(config).err().unwrap();
    assert_eq!(error.to_string(), "log.segment_bytes is 1, it must be at least 4096");
}
