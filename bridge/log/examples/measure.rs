//! Measures the embedded log: `cargo run --release -p tidegate-log --example measure [DIRECTORY]`.
//!
//! Prints appends/s with one appending thread (one entry a call, 200 bytes), commits/s, and the time from an append to
//! the reader having the entry at 2,000 and 10,000 appends/s.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tidegate_log::{EmbeddedLog, Log, LogConfig};
use tidegate_telemetry::{Entry, Position, Publication, Qos};

const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(parent).expect("a directory to measure in");
    throughput(directory.path(), 1_000_000);
    for rate in [2_000, 10_000] {
        latency(directory.path(), rate);
    }
    let started = Instant::now();
    let log = open(directory.path());
    println!("opened {} entries in {:?}", log.appended(), started.elapsed());
}

fn open(directory: &Path) -> EmbeddedLog {
    EmbeddedLog::open(LogConfig { directory: directory.to_owned(), ..LogConfig::default() }).expect("the log opens")
}

fn throughput(directory: &Path, count: u64) {
    let log = open(directory);
    let mut reader = log.reader(log.appended()).expect("a reader");
    let template = publication(0);
    let started = Instant::now();
    let (appending, commits) = std::thread::scope(|scope| {
        let mut durable = log.durable();
        let commits = scope.spawn(move || {
            let mut commits = 0_u64;
            while *durable.borrow() < Position(count) {
                if durable.has_changed().unwrap_or(false) {
                    durable.mark_unchanged();
                    commits += 1;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            commits
        });
        scope.spawn(move || {
            let (mut out, mut read) = (Vec::new(), 0);
            while read < count {
                reader.read(PATIENCE, &mut out).expect("a sound log");
                read += out.drain(..).len() as u64;
            }
        });
        let mut batch = Vec::new();
        for _ in 0..count {
            while !log.has_room() {
                std::thread::yield_now();
            }
            batch.push(template.clone());
            log.append(&mut batch).expect("an open log");
        }
        (started.elapsed(), commits.join().expect("the counter"))
    });
    let all = started.elapsed().as_secs_f64();
    println!("{count} appends in {appending:?}: {:.0}/s appended", count as f64 / appending.as_secs_f64());
    println!("{:.0}/s durable and read, {commits} commits seen ({:.0}/s)", count as f64 / all, commits as f64 / all);
}

fn latency(directory: &Path, rate: u32) {
    let log = open(directory);
    let mut reader = log.reader(log.appended()).expect("a reader");
    let count = rate as usize * 2;
    let mut delays = std::thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let (mut out, mut delays) = (Vec::new(), Vec::new());
            while delays.len() < count {
                reader.read(PATIENCE, &mut out).expect("a sound log");
                let now = now_ns();
                delays.extend(out.drain(..).map(|(_, entry)| now.saturating_sub(sent_ns(&entry.entry))));
            }
            delays
        });
        let started = Instant::now();
        for n in 0..u32::try_from(count).expect("a few") {
            std::thread::sleep((started + n * Duration::from_secs(1) / rate).saturating_duration_since(Instant::now()));
            log.append(&mut vec![publication(now_ns())]).expect("an open log");
        }
        receiver.join().expect("the reader")
    });
    delays.sort_unstable();
    let at = |part: f64| delays[(delays.len() as f64 * part) as usize] as f64 / 1000.0;
    println!("{rate}/s: append to reader p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us", at(0.5), at(0.99), at(0.999));
}

fn publication(session: u64) -> Entry {
    Entry::Publication(Publication {
        received_ms: 0,
        client: "sensor-0001".into(),
        principal: "anonymous".into(),
        session,
        packet_id: 1,
        topic: "site/b/floor1/dev7/temperature".into(),
        payload: Bytes::from_static(&[b'x'; 140]),
        qos: Qos::AtLeastOnce,
        retain: false,
        dup: false,
        properties: None,
        scope: None,
        address: None,
    })
}

fn sent_ns(entry: &Entry) -> u64 {
    match entry {
        Entry::Publication(publication) => publication.session,
        _ => unreachable!("only publications are appended here"),
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_nanos()).expect("until the year 2554")
}
