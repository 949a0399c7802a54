//! Who follows to the outside gets everything, once, and holds nobody back: a node as the program runs it, with a sink of
//! a few dozen lines.
#![allow(missing_docs, clippy::unwrap_used)]

mod line_protocol;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use line_protocol::LineProtocol;
use tempfile::TempDir;
use tidegate_node::{Metrics, Node, NodeConfig, Sinks};
use tidegate_tests::mqtt::publish_numbers;
use tidegate_tests::now_ms;
use tokio::runtime::{Handle, Runtime};

const LIMIT: Duration = Duration::from_secs(60);

/// A folder, and what was published into it so far.
struct World {
    folder: TempDir,
    config: NodeConfig,
    base_ms: i64,
    published: u32,
    is_down: Arc<AtomicBool>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::new(folder.path().join("data"));
        config.push.listen = "127.0.0.1:0".parse().unwrap();
        config.broker.listen = "127.0.0.1:0".parse().unwrap();
        config.log.disk_reserve_bytes = 0;
        World { folder, config, base_ms: now_ms() - 1_000_000, published: 0, is_down: Arc::default() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn sink(&self) -> LineProtocol {
        LineProtocol::open(self.path(), Arc::clone(&self.is_down))
    }

    async fn start(&self, sinks: Sinks) -> Node {
        Node::start(self.config.clone(), &Handle::current(), Metrics::none(), sinks).await.unwrap()
    }

    /// Publishes readings, each of a time and value of its own, and has each acknowledged.
    async fn publish(&mut self, node: &Node, count: u32) {
        publish_numbers(node.mqtt().parse().unwrap(), self.base_ms, self.published..self.published + count).await;
        self.published += count;
    }

    /// How often each value is in the file.
    fn lines(&self) -> BTreeMap<u32, u32> {
        let text = std::fs::read_to_string(self.path().join("lines")).unwrap_or_default();
        let mut values = BTreeMap::new();
        for line in text.lines() {
            let value: u32 = line.split("value=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(line.starts_with("t,device=") && line.contains(&format!("dev{} ", value % 7)), "{line}");
            assert!(line.ends_with(&format!(" {}", self.base_ms + i64::from(value))), "{line}");
            *values.entry(value).or_default() += 1;
        }
        values
    }

    async fn has_all(&self, what: &str) {
        let until = Instant::now() + LIMIT;
        while self.lines().len() < self.published as usize {
            assert!(Instant::now() < until, "{what}: {} of {} after {LIMIT:?}", self.lines().len(), self.published);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn has_each_once(&self, what: &str) {
        self.has_all(what).await;
        let often: Vec<_> = self.lines().into_iter().filter(|(_, times)| *times != 1).collect();
        assert!(often.is_empty(), "{what}: {often:?}");
    }
}

fn run(test: impl Future<Output = ()>) {
    Runtime::new().unwrap().block_on(test);
}

#[test]
fn a_follower_that_comes_late_and_is_stopped_and_is_away_gets_every_reading_once() {
    run(async {
        let mut world = World::new();
        let node = world.start(Sinks::default()).await;
        world.publish(&node, 150).await;
        node.stop().await.unwrap();

        let node = world.start(Sinks::default().with("lines", world.sink())).await;
        world.publish(&node, 150).await;
        world.has_each_once("it began behind").await;
        node.stop().await.unwrap();

        let node = world.start(Sinks::default().with("lines", world.sink())).await;
        world.publish(&node, 100).await;
        world.has_each_once("it goes on at its own position").await;
        world.is_down.store(true, Ordering::Relaxed);
        world.publish(&node, 100).await;
        node.stop().await.unwrap();
        assert!(world.lines().len() < world.published as usize, "it was away");

        world.is_down.store(false, Ordering::Relaxed);
        let node = world.start(Sinks::default().with("lines", world.sink())).await;
        world.has_each_once("what it lacked is behind the checkpoint, and was kept").await;
        node.stop().await.unwrap();
    });
}

#[test]
fn a_follower_that_is_away_holds_nobody_back_and_catches_up_from_the_log() {
    run(async {
        let mut world = World::new();
        // If it counted for anything, publishers would wait for it from here on.
        world.config.log.unread_bytes_max = 16 << 10;
        world.config.log.replay_bytes_max = 32 << 10;
        world.config.log.segment_bytes = 64 << 10;
        world.config.log.tail_bytes_max = 4 << 10;
        world.is_down.store(true, Ordering::Relaxed);
        let sinks = Sinks::default().with("lines", world.sink()).queueing_changes(50);
        let node = world.start(sinks).await;
        world.publish(&node, 3_000).await;
        assert!(world.lines().is_empty(), "it is away");
        world.is_down.store(false, Ordering::Relaxed);
        world.has_each_once("it is back").await;
        world.publish(&node, 500).await;
        world.has_each_once("it keeps up again").await;
        node.stop().await.unwrap();
    });
}

#[test]
fn what_the_log_has_no_more_comes_from_history() {
    run(async {
        let mut world = World::new();
        world.config.log.segment_bytes = 8 << 10;
        world.config.log.replay_bytes_max = 16 << 10;
        let sinks = |world: &World| Sinks::default().with("lines", world.sink()).keeping_log_bytes(0);
        world.is_down.store(true, Ordering::Relaxed);
        let node = world.start(sinks(&world)).await;
        world.publish(&node, 1_000).await;
        node.stop().await.unwrap();
        world.is_down.store(false, Ordering::Relaxed);
        let node = world.start(sinks(&world)).await;
        world.publish(&node, 200).await;
        world.has_all("history has what the log has not").await;
        node.stop().await.unwrap();
    });
}
