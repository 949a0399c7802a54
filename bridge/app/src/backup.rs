//! `tidegate backup`: a stream from a running program or a data folder, into a folder or to stdout.

use std::io::{self, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use tidegate_backup::{FileEntry, Folder, Manifest, Nowhere, Pace, pack, unpack};

use crate::cli::Backup;
use crate::http;
use crate::words::{size, utc};

/// How long the program may take to begin, while it writes to history, and be silent between.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// What is held is said in a body of so many bytes, which every program takes: `http.body_bytes_max` is 128 KiB by default.
const HELD_BYTES_MAX: usize = 120 << 10;
/// By how much it gives way to other programs (nice(2)).
const GIVE_WAY: i32 = 10;
/// How often a terminal is told how far it is.
const TELL_INTERVAL: Duration = Duration::from_millis(500);

/// Takes a backup.
///
/// # Errors
/// What kept it from being taken. A backup that was there before is whole then.
pub fn run(arguments: &Backup) -> Result<()> {
    // It has time: who shares the machine with it, a program that serves devices for one, goes first.
    if let Err(error) = rustix::process::nice(GIVE_WAY) {
        eprintln!("tidegate: the backup does not give way to other programs: {error}");
    }
    if arguments.destination == Path::new("-") { to_stdout(arguments) } else { to_folder(arguments) }
}

fn to_folder(arguments: &Backup) -> Result<()> {
    let mut folder = Folder::open(&arguments.destination)?;
    let is_whole = Folder::read(&arguments.destination).is_ok();
    let taken = take(arguments, folder.held(), |stream| {
        let mut stream = Counted::new(stream);
        let manifest = unpack(&mut stream, &mut folder).map_err(|error| anyhow!(error));
        stream.done();
        manifest.map(|manifest| (manifest, stream.bytes))
    });
    let whole = if is_whole { ". The backup of before is whole" } else { "" };
    let (manifest, came) = taken.map_err(|error| anyhow!("{error:#}{whole}"))?;
    let removed = folder.finish(&manifest)?;
    println!("{}", summary(&manifest, &arguments.destination.display().to_string()));
    println!("{} of it came now; {removed} files of before were removed", size(came));
    Ok(())
}

/// What passes is checked as it passes, so that a stream that was broken off does not end well.
fn to_stdout(arguments: &Backup) -> Result<()> {
    let manifest = take(arguments, Vec::new(), |stream| {
        let mut tee = Tee { stream, out: io::stdout().lock() };
        let manifest = unpack(&mut tee, &mut Nowhere)?;
        // What follows the last file belongs to the archive.
        io::copy(&mut tee, &mut io::sink())?;
        tee.out.flush().context("stdout")?;
        Ok(manifest)
    })?;
    eprintln!("{}", summary(&manifest, "the stream"));
    Ok(())
}

fn summary(manifest: &Manifest, place: &str) -> String {
    let standing = &manifest.standing;
    format!(
        "backup of {} up to entry {} in {place}: {} files, {}, {} points of history",
        utc(standing.taken_ms),
        standing.position,
        manifest.files.len(),
        size(manifest.bytes()),
        standing.counts.points,
    )
}

/// Has the stream of a backup come, without what is held.
fn take<T>(arguments: &Backup, held: Vec<FileEntry>, receive: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    match &arguments.data {
        Some(data) => of_folder(data, held, arguments.rate, receive),
        None => {
            let server = arguments.http.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
            let rate = arguments.rate.map_or(String::new(), |rate| format!("?bytes_per_second={rate}"));
            let body = json!({ "held": fitting(held) }).to_string();
            receive(&mut http::ask(server, &format!("/v1/backup{rate}"), Some(body.as_bytes()), SILENCE_MAX)?)
        }
    }
}

/// As many of the files as a request may name. The others come again.
fn fitting(held: Vec<FileEntry>) -> Vec<FileEntry> {
    let mut bytes = 0;
    let fits = |file: &FileEntry| {
        bytes += json!(file).to_string().len() + 1;
        bytes < HELD_BYTES_MAX
    };
    held.into_iter().take_while(fits).collect()
}

/// A thread reads the data folder; this one takes what it gives.
fn of_folder<T>(
    data: &Path,
    held: Vec<FileEntry>,
    rate: Option<u64>,
    receive: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let gathered = tidegate_node::gather_stopped(data, i64::try_from(now.as_millis()).unwrap_or(i64::MAX))?;
    if gathered.torn_bytes > 0 {
        eprintln!(
            "{} bytes of a commit that a crash has torn are left out: they were never acknowledged",
            gathered.torn_bytes
        );
    }
    let (mut reader, writer) = io::pipe().context("a pipe")?;
    let packing = thread::spawn(move || {
        let (standing, pieces, mut pace) = (gathered.standing, gathered.pieces, Pace::new(rate));
        pack(env!("CARGO_PKG_VERSION"), standing, pieces, held, &mut pace, io::BufWriter::new(writer))
    });
    let received = receive(&mut reader);
    drop(reader);
    let packed = packing.join().map_err(|_| anyhow!("the thread that reads the data folder panicked"))?;
    match (received, packed) {
        // Why the stream ended is what matters, unless it is that nobody took it.
        (Err(_), Err(error @ tidegate_backup::PackError::Reading { .. })) => Err(anyhow!(error)),
        (received, _) => received,
    }
}

/// Counts what passes, and tells a terminal.
struct Counted<'a> {
    stream: &'a mut dyn Read,
    bytes: u64,
    tells: bool,
    told: Instant,
}

impl<'a> Counted<'a> {
    fn new(stream: &'a mut dyn Read) -> Self {
        Counted { stream, bytes: 0, tells: io::stderr().is_terminal(), told: Instant::now() }
    }

    fn done(&self) {
        if self.tells {
            eprint!("\r\x1b[K");
        }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(out)?;
        self.bytes += read as u64;
        if self.tells && self.told.elapsed() >= TELL_INTERVAL {
            self.told = Instant::now();
            eprint!("\r\x1b[K{}", size(self.bytes));
        }
        Ok(read)
    }
}

/// Hands on what it gives.
struct Tee<'a, W> {
    stream: &'a mut dyn Read,
    out: W,
}

impl<W: Write> Read for Tee<'_, W> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(out)?;
        self.out.write_all(&out[..read])?;
        Ok(read)
    }
}
