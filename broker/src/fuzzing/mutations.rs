//! Every single-byte mutation and every truncation of the specimens.

use super::packets::Driver;
use super::specimens::{prepare, specimens};

/// Whatever one byte of a valid packet becomes, and wherever the packet breaks off: the machine ends or goes on, and
/// never panics, not even behind the guard that would catch it.
#[test]
fn no_mutation_of_one_byte_and_no_truncation_makes_the_machine_panic() {
    for v5 in [false, true] {
        // Whatever the packet's length becomes, something follows that may be taken for its end.
        let after = specimens(v5).concat();
        for specimen in specimens(v5) {
            for at in 0..specimen.len() {
                try_one(v5, &specimen[..at], &after);
                for value in 0..=255 {
                    let mut mutated = specimen.clone();
                    mutated[at] = value;
                    try_one(v5, &mutated, &after);
                }
            }
        }
    }
}

fn try_one(v5: bool, bytes: &[u8], after: &[u8]) {
    let outcome = std::panic::catch_unwind(|| {
        let mut driver = Driver::forgetful();
        if bytes.first() != Some(&0x10) {
            prepare(&mut driver, v5);
        }
        driver.receive(bytes);
        driver.settle();
        driver.receive(after);
        driver.end();
    });
    assert!(outcome.is_ok(), "version 5: {v5}, {bytes:x?}");
}
