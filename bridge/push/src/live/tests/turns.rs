//! Nobody's chart waits for what another asks of history, or asked.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};
use tidegate_telemetry::history::{SeriesAnswer, SeriesQuery, Wanted};
use tidegate_telemetry::{Change, DeviceIndex, History, HistoryError, MetricIndex, Position};
use tidegate_views::ViewsConfig;

use super::link::Link;
use super::{BASE_MS, Past};
use crate::archive::Asker;
use crate::live::LiveConfig;
use crate::live::hub::Hub;

/// More than the readers there are, since they may overtake each other; far less than what is asked for.
const FEW: usize = 100;

/// A history that answers nothing before it is told to, and gives up what nobody wants.
#[derive(Default)]
struct Slow {
    /// Devices whose charts were read, in this order.
    begun: Mutex<Vec<Arc<str>>>,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Slow {
    fn read(&self, query: &SeriesQuery, wanted: Wanted<'_>) -> Result<SeriesAnswer, HistoryError> {
        self.begun.lock().push(Arc::clone(&query.device));
        let mut is_open = self.is_open.lock();
        while !*is_open {
            if !wanted() {
                return Err(HistoryError::Withdrawn);
            }
            self.opened.wait_for(&mut is_open, Duration::from_millis(1));
        }
        Ok(SeriesAnswer { buckets: Vec::new(), through: Position(1) })
    }
}

struct Site {
    hub: Arc<Hub>,
    past: Arc<Slow>,
}

impl Site {
    fn new() -> Site {
        let hub = Arc::new(Hub::new(ViewsConfig::default(), LiveConfig::default(), || BASE_MS));
        let named = ["greedy", "modest"].into_iter().enumerate();
        let changes = named.flat_map(|(number, id)| {
            let (device, metric) = (DeviceIndex(u32::try_from(number).unwrap()), MetricIndex(0));
            [
                Change::Device { device, id: id.into(), group: "".into() },
                Change::Metric { device, metric, name: "t".into(), unit: None, guessed: false, decimals: None },
            ]
        });
        hub.apply(Position(1), BASE_MS, &changes.collect::<Vec<_>>());
        Site { hub, past: Arc::new(Slow::default()) }
    }

    async fn enter(&self) -> Link {
        let read = Arc::clone(&self.past);
        let history: Arc<dyn History> = Arc::new(Past::of_charts(move |query, wanted| read.read(query, wanted)));
        let mut link = Link::open(&self.hub, &history);
        link.say(&json!({"type":"hello","protocol":2,"encoding":"json"}));
        until(&mut link, |message| message["type"] == "welcome").await;
        link
    }

    fn waiting(&self, session: u64) -> usize {
        self.hub.turns.waiting_of(Asker::Session(session))
    }

    fn modest_begun(&self) -> Option<usize> {
        self.past.begun.lock().iter().position(|device| **device == *"modest")
    }

    /// Readings that were begun before the modest one's, from when it asked.
    async fn begun_before_the_modest(&self) -> usize {
        let mut modest = self.enter().await;
        modest.say(&chart(1, "modest", 1));
        modest.say(&json!({"type":"ping","n":1}));
        until(&mut modest, |message| message["type"] == "pong").await;
        let has_asked = || self.waiting(2) > 0 || self.modest_begun().is_some();
        eventually("the modest question waits", has_asked).await;
        let begun = self.past.begun.lock().len();
        *self.past.is_open.lock() = true;
        self.past.opened.notify_all();
        until(&mut modest, |message| message["type"] == "snapshot").await;
        self.modest_begun().unwrap().saturating_sub(begun)
    }
}

fn chart(id: u32, device: &str, lines: usize) -> Value {
    let series = vec![json!({"device":device,"metric":"t"}); lines];
    json!({"type":"subscribe","id":id,"view":{"kind":"series","series":series,"last":600_000,"width":60}})
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain: {what}");
}

async fn until(link: &mut Link, is_it: impl Fn(&Value) -> bool) {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), link.hear()).await.expect("an answer").unwrap();
        if is_it(&serde_json::from_slice(&message).unwrap()) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charts_that_were_closed_again_are_not_read_and_nobody_waits_for_them() {
    let site = Site::new();
    let mut greedy = site.enter().await;
    for _ in 0..20_000 {
        greedy.say(&chart(1, "greedy", 1));
        greedy.say(&json!({"type":"unsubscribe","id":1}));
    }
    greedy.say(&json!({"type":"ping","n":1}));
    until(&mut greedy, |message| message["type"] == "pong").await;
    eventually("what was closed is withdrawn", || site.waiting(1) <= FEW).await;
    let before = site.begun_before_the_modest().await;
    assert!(before <= FEW, "{before} foreign readings first");
    eventually("no question is left", || site.waiting(1) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_thousands_of_lines_open_keeps_nobody_waiting_for_more_than_a_turn() {
    let site = Site::new();
    let mut greedy = site.enter().await;
    for id in 0..64 {
        greedy.say(&chart(id, "greedy", 32));
    }
    greedy.say(&json!({"type":"ping","n":1}));
    until(&mut greedy, |message| message["type"] == "pong").await;
    let before = site.begun_before_the_modest().await;
    assert!(before <= FEW, "{before} foreign readings first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_whose_window_changes_again_and_again_has_one_question() {
    let site = Site::new();
    let mut greedy = site.enter().await;
    greedy.say(&chart(1, "greedy", 8));
    for last in 1..5_000 {
        greedy.say(&json!({"type":"update","id":1,"last":600_000 + last * 60_000}));
    }
    greedy.say(&json!({"type":"ping","n":1}));
    until(&mut greedy, |message| message["type"] == "pong").await;
    eventually("each line has one question at most", || site.waiting(1) <= 8).await;
}
