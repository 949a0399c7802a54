//! Publishers count, and backups are taken meanwhile.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tidegate_log::{EmbeddedLog, Log, LogConfig};
use tidegate_telemetry::{Entry, Position};
use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, now_ms};
use tokio::task::JoinHandle;

use super::*;

const PUBLISHERS: usize = 3;
/// Publications of a publisher under way.
const WINDOW: usize = 16;
/// Every publisher has had so many acknowledged before the first backup is asked for, and between two of them.
const BETWEEN: usize = 400;

struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Vec<Arc<AtomicUsize>>,
    publishers: Vec<JoinHandle<()>>,
}

fn topic(publisher: usize) -> String {
    format!("load/p{publisher}/count")
}

impl Load {
    /// Publishers of 0, 1, 2, … with QoS 1, the last retained.
    async fn start(server: SocketAddr) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged: Vec<Arc<AtomicUsize>> = (0..PUBLISHERS).map(|_| Arc::default()).collect();
        let mut publishers = Vec::new();
        for (number, acknowledged) in acknowledged.iter().enumerate() {
            let mut client = Client::v5(&format!("p{number}"));
            client.connect(server).await.unwrap();
            publishers.push(tokio::spawn(count(client, number, Arc::clone(&stop), Arc::clone(acknowledged))));
        }
        Load { stop, acknowledged, publishers }
    }

    fn acknowledged(&self) -> Vec<usize> {
        self.acknowledged.iter().map(|count| count.load(Ordering::Acquire)).collect()
    }

    /// Waits until each has so many more.
    async fn goes_on(&self, more: usize) {
        let before = self.acknowledged();
        eventually("publications are acknowledged", LIMIT, || async {
            self.acknowledged().iter().zip(&before).all(|(now, before)| *now >= before + more).then_some(())
        })
        .await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Release);
        for publisher in self.publishers {
            publisher.await.unwrap();
        }
    }
}

async fn count(mut client: Client, publisher: usize, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicUsize>) {
    let (topic, mut next) = (topic(publisher), 0);
    while !stop.load(Ordering::Acquire) || client.session.in_flight() > 0 {
        if client.session.in_flight() < WINDOW && !stop.load(Ordering::Acquire) {
            client.publish(&topic, &next.to_string(), 1, publisher + 1 == PUBLISHERS).await;
            next += 1;
        } else {
            client.step().await.unwrap();
        }
        acknowledged.store(client.session.acknowledged.len(), Ordering::Release);
    }
}

/// How many publications of each publisher the log of a server that has ended holds up to a position.
fn logged(data: &Path, through: Position) -> Vec<usize> {
    let log = EmbeddedLog::open(LogConfig { directory: data.join("log"), ..LogConfig::default() }).unwrap();
    let mut reader = log.reader(Position::START).unwrap();
    let (mut entries, mut counts, mut at) = (Vec::new(), vec![0; PUBLISHERS], Position::START);
    while at < through {
        reader.read(Duration::from_secs(1), &mut entries).unwrap();
        for (position, entry) in entries.drain(..) {
            at = position;
            if let Entry::Publication(publication) = &entry.entry
                && let Some(publisher) = (0..PUBLISHERS).find(|number| topic(*number) == *publication.topic)
                && position <= through
            {
                counts[publisher] += 1;
            }
        }
    }
    counts
}

/// The values that a publisher has in history.
async fn stored(server: &Server, publisher: usize) -> Vec<f64> {
    let first =
        format!("/v1/readings?device=load/p{publisher}&metric=count&from=0&to={}&limit=5000", now_ms() + 60_000);
    let (mut path, mut all) = (first.clone(), Vec::new());
    loop {
        let page = server.get(&path).await;
        all.extend(page["points"].as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()));
        match page["next"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return all,
        }
    }
}

/// Restores a backup and starts on it; gives how many publications of each publisher are there: 0, 1, … each once, in history, as
/// the newest value, in the mailbox of who sleeps, and as what is retained.
async fn counted_in(folder: &Path, config: &str) -> Vec<usize> {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    well(&["verify", text(folder)]).await;
    let said = well(&["restore", text(folder), "--data", text(&data)]).await;
    let position = manifest(folder)["position"].as_u64().unwrap();
    assert!(said.contains(&format!("every entry up to {position}, and none after it")), "{said}");
    well(&["verify", text(&data)]).await;
    let server = Server::with_data(config, Some(data)).await;
    let mut counts = Vec::new();
    for publisher in 0..PUBLISHERS {
        let values = stored(&server, publisher).await;
        let expected: Vec<f64> = (0..values.len()).map(|number| number as f64).collect();
        assert_eq!(values, expected, "publisher {publisher}");
        let newest = server.value(&format!("load/p{publisher}"), "count").await;
        assert_eq!(newest, values.last().map(|last| (*last).into()));
        counts.push(values.len());
    }
    let mut sleeper = Client::v3("sleeper");
    sleeper.connect(server.mqtt).await.unwrap();
    let all: usize = counts.iter().sum();
    sleeper.listen_until(LIMIT, |session| session.inbox.len() >= all).await;
    sleeper.ping().await.unwrap();
    for (publisher, count) in counts.iter().enumerate() {
        let inbox = sleeper.session.inbox.iter().filter(|message| message.topic == topic(publisher));
        let heard: Vec<usize> = inbox.map(|message| message.payload.parse().unwrap()).collect();
        assert_eq!(heard, (0..*count).collect::<Vec<_>>(), "what waits for who sleeps, of publisher {publisher}");
    }
    let mut newcomer = Client::v3("newcomer");
    newcomer.connect(server.mqtt).await.unwrap();
    newcomer.subscribe(&topic(PUBLISHERS - 1), 1).await.unwrap();
    newcomer.listen_until(LIMIT, |session| !session.inbox.is_empty()).await;
    assert_eq!(newcomer.session.inbox[0].payload, (counts[PUBLISHERS - 1] - 1).to_string());
    counts
}

async fn with_a_sleeper(config: &str) -> Server {
    let server = Server::with_config(config).await;
    let mut sleeper = Client::v3("sleeper");
    sleeper.connect(server.mqtt).await.unwrap();
    sleeper.subscribe("load/#", 1).await.unwrap();
    sleeper.leave().await;
    server
}

/// Backups under load: each with the folder, and how many were acknowledged before it was asked for and after it was taken.
async fn taken_under_load(server: &Server, folders: &[PathBuf]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let load = Load::start(server.mqtt).await;
    let mut taken = Vec::new();
    for folder in folders {
        load.goes_on(BETWEEN).await;
        let before = load.acknowledged();
        backup(server, folder).await;
        taken.push((before, load.acknowledged()));
    }
    load.goes_on(10).await;
    load.end().await;
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_restores_to_exactly_the_entries_up_to_its_position() {
    let config = "[flush]\ninterval = \"300 ms\"\n";
    let mut server = with_a_sleeper(config).await;
    let place = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = (0..3).map(|number| place.path().join(number.to_string())).collect();
    let taken = taken_under_load(&server, &folders).await;
    server.stop().await;
    for (folder, (before, after)) in folders.iter().zip(taken) {
        let position = Position(manifest(folder)["position"].as_u64().unwrap());
        let exactly = logged(&server.data(), position);
        assert_eq!(counted_in(folder, config).await, exactly);
        println!("{before:?} acknowledged before a backup, {exactly:?} in it at {position}, {after:?} after it");
        for publisher in 0..PUBLISHERS {
            assert!(before[publisher] <= exactly[publisher], "what was acknowledged before it was asked for is in it");
        }
        let all = |counts: &[usize]| counts.iter().sum::<usize>();
        assert!(all(&exactly) <= all(&after) + PUBLISHERS * WINDOW);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_one_upon_the_other_under_load_are_whole_while_the_log_is_trimmed() {
    let config = "[log]\nsegment_bytes = \"64 KiB\"\n[flush]\ninterval = \"200 ms\"\n";
    let server = with_a_sleeper(config).await;
    let place = tempfile::tempdir().unwrap();
    let (folder, copies) = (place.path().join("backup"), place.path().join("copies"));
    let load = Load::start(server.mqtt).await;
    let mut taken = Vec::new();
    for number in 0..4 {
        load.goes_on(BETWEEN).await;
        let before = load.acknowledged();
        backup(&server, &folder).await;
        let copy = copies.join(number.to_string());
        std::fs::create_dir_all(&copy).unwrap();
        tool::run("cp", &["-r", &format!("{}/.", text(&folder)), text(&copy)]).await;
        taken.push((copy, before));
    }
    load.end().await;
    assert!(manifest(&taken[3].0)["log_first"].as_u64().unwrap() > 1, "nothing was trimmed");
    for (copy, before) in taken {
        let counts = counted_in(&copy, config).await;
        assert!(before.iter().zip(&counts).all(|(before, count)| before <= count), "{before:?} of {counts:?}");
    }
}
