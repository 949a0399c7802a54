//! What was acknowledged, one JSON object a line:
//! `{"device":"a3-014","metric":"temperature","time":1704723845000,"value":23.5,"qos":1}`.
//!
//! `time` is `null` when the payload carries none. A publication that was acknowledged twice (a duplicate, or one sent
//! again after a reconnect whose first acknowledgement was lost) may be listed once or twice; the key is the same.

use crate::{
    model::{Reading, payload::write_value},
    mqtt::Outgoing,
};
use parking_lot::Mutex;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// The file of acknowledged readings.
pub struct Report {
    file: Mutex<BufWriter<File>>,
}

impl Report {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write the report {}: {error}", path.display()))
        })?;
        Ok(Self { file: Mutex::new(BufWriter::with_capacity(64 * 1024, file)) })
    }

    /// Adds the readings of an acknowledged publication.
    pub fn acknowledged(&self, outgoing: &Outgoing) {
        let mut lines = Vec::with_capacity(512);
        for reading in &outgoing.readings {
            write_lines(&mut lines, &outgoing.device, outgoing.qos, reading);
        }
        if let Err(error) = self.file.lock().write_all(&lines) {
            tracing::error!(%error, "cannot write the report: free some space, the lines since are lost");
        }
    }

    /// Hands everything to the system.
    pub fn flush(&self) {
        if let Err(error) = self.file.lock().flush() {
            tracing::error!(%error, "cannot write the report: free some space, the lines since are lost");
        }
    }
}

fn write_lines(out: &mut Vec<u8>, device: &str, qos: u8, reading: &Reading) {
    for sample in &reading.samples {
        write!(out, "{{\"device\":\"{device}\",\"metric\":\"{}\",\"time\":", sample.metric)
            .expect("a Vec takes every byte");
        match reading.time_ms {
            Some(time_ms) => write!(out, "{time_ms}"),
            None => write!(out, "null"),
        }
        .expect("a Vec takes every byte");
        out.extend_from_slice(b",\"value\":");
        write_value(out, sample);
        writeln!(out, ",\"qos\":{qos}}}").expect("a Vec takes every byte");
    }
}
