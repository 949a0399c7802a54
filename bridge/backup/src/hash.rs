//! SHA-256 of what is copied.

use std::io::{self, Read, Write};

use ring::digest::{Context, SHA256};

/// Bytes copied at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Copies everything; gives the bytes and their SHA-256.
pub(crate) fn copy(from: &mut (impl Read + ?Sized), to: &mut impl Write) -> Result<(u64, String), Failed> {
    let (mut sum, mut bytes, mut piece) = (Context::new(&SHA256), 0, vec![0; PIECE_BYTES]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok((bytes, hex(sum.finish().as_ref()))),
            Ok(read) => {
                sum.update(&piece[..read]);
                to.write_all(&piece[..read]).map_err(Failed::Writing)?;
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::Reading(error)),
        }
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum Failed {
    Reading(io::Error),
    Writing(io::Error),
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
