//! The system's clock is set while the server runs, by libfaketime.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tidegate_tests::mqtt::Client;
use tidegate_tests::{Server, eventually, now_ms};

use super::load::publications;

const HOUR_MS: i64 = 3_600_000;
const LIMIT: Duration = Duration::from_secs(30);
/// How often the device reports.
const PACE: Duration = Duration::from_millis(50);
/// Nothing of this takes as long as the clock is set by.
const CONFIG: &str =
    "[mqtt]\nsession_expiry_max = \"10 min\"\n[[alert]]\nname = \"silent\"\nno_reading_for = \"5 min\"\n";

/// A system whose clock can be set.
pub(super) struct System {
    folder: tempfile::TempDir,
}

impl System {
    /// Its clock is so many seconds ahead.
    pub(super) fn ahead_by(seconds: &str) -> System {
        let system = System { folder: tempfile::tempdir().unwrap() };
        system.set(seconds);
        system
    }

    pub(super) fn set(&self, seconds: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{seconds}\n")).unwrap();
        std::fs::rename(new, self.folder.path().join("offset")).unwrap();
    }

    pub(super) async fn server(&self) -> Server {
        self.server_with(CONFIG).await
    }

    pub(super) async fn server_with(&self, config: &str) -> Server {
        let (library, offset) = (library(), self.folder.path().join("offset"));
        let environment = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Server::with_environment(config, &environment).await
    }
}

/// The library that stands between a program and its clock.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.exists()).expect("libfaketime is there: run tests/setup")
}

/// A device that reports, one that reported once, and a client that sleeps and is owed each report.
pub(super) struct Fleet {
    pub(super) device: Client,
    sleeper: Client,
    pub(super) published: u32,
}

impl Fleet {
    pub(super) async fn of(server: &Server) -> Fleet {
        let (mut device, mut sleeper) = (Client::v3("device"), Client::v3("sleeper"));
        device.connect(server.mqtt).await.unwrap();
        sleeper.connect(server.mqtt).await.unwrap();
        sleeper.subscribe("clock/d/#", 2).await.unwrap();
        sleeper.leave().await;
        device.publish("clock/quiet/n", "1", 1, false).await;
        device.step().await.unwrap();
        Fleet { device, sleeper, published: 0 }
    }

    /// Reports once; gives the time of the reading, which is the newest.
    pub(super) async fn report(&mut self, server: &Server) -> i64 {
        self.published += 1;
        self.device.publish("clock/d/n", &self.published.to_string(), 1, false).await;
        self.device.step().await.unwrap();
        eventually(&format!("report {} is the newest", self.published), LIMIT, || async {
            let newest = server.get("/v1/devices/d").await["metrics"]["n"].clone();
            newest["time"].as_i64().filter(|_| newest["value"] == f64::from(self.published))
        })
        .await
    }

    /// Reports until a second has passed by the times of its readings, and these are `wanted`; gives the newest.
    pub(super) async fn reports(&mut self, server: &Server, what: &str, wanted: impl Fn(i64) -> bool) -> i64 {
        let (begun, mut first_ms) = (Instant::now(), None);
        loop {
            let time_ms = self.report(server).await;
            if wanted(time_ms) && time_ms >= *first_ms.get_or_insert(time_ms) + 1000 {
                return time_ms;
            }
            assert!(begun.elapsed() < LIMIT, "{what}: the newest is of {time_ms}");
            tokio::time::sleep(PACE).await;
        }
    }

    /// The sleeper's session is there, with all that it is owed: a lost one would be seen on connecting.
    pub(super) async fn wakes(&mut self, server: &Server) {
        self.sleeper.connect(server.mqtt).await.unwrap();
        let all = usize::try_from(self.published).unwrap();
        self.sleeper.listen_until(LIMIT, |session| session.inbox.len() == all).await;
        assert_eq!(self.sleeper.session.inbox.len(), all);
        self.sleeper.leave().await;
    }
}

/// Nothing that waits for time took what the clock was set by for time that passed.
pub(super) async fn nothing_is_overdue(server: &Server) {
    let alerts = server.get("/v1/alerts").await;
    assert_eq!(alerts["alerts"].as_array().map(Vec::len), Some(0), "{alerts} {}", server.log());
    assert_eq!(server.get("/v1/devices/quiet").await["state"], "fresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_forward_and_back_ends_no_session_raises_nothing_freezes_nothing_and_no_time_goes_back() {
    let system = System::ahead_by("+0");
    let mut server = system.server().await;
    let mut fleet = Fleet::of(&server).await;
    let right_ms = fleet.reports(&server, "as it is", |_| true).await;
    system.set("+3600");
    let is_followed = |time_ms| (HOUR_MS..HOUR_MS + 60_000).contains(&(time_ms - right_ms));
    let forward_ms = fleet.reports(&server, "an hour forward", is_followed).await;
    nothing_is_overdue(&server).await;
    fleet.wakes(&server).await;
    system.set("+0");
    let back_ms = fleet.reports(&server, "and back", |_| true).await;
    assert!((0..60_000).contains(&(back_ms - forward_ms)), "back is not followed: {forward_ms}, {back_ms}");
    nothing_is_overdue(&server).await;
    fleet.wakes(&server).await;
    assert_eq!(server.metric("tidegate_clock_set_forward_total").await, 1.0);
    assert!(server.log().contains("the system's clock was set forward"), "{}", server.log());

    server.kill().await;
    let times: Vec<i64> = publications(&server.data()).iter().map(|publication| publication.received_ms).collect();
    assert!(times.is_sorted(), "time never goes back: {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_computer_that_learns_the_time_after_its_start_ends_no_session_and_raises_nothing() {
    const MONTH: &str = "-2592000";
    let system = System::ahead_by(MONTH);
    let mut server = system.server().await;
    let mut fleet = Fleet::of(&server).await;
    let is_right = |time_ms: i64| (now_ms() - time_ms).abs() < 60_000;
    assert!(!is_right(fleet.report(&server).await), "without a battery it starts with an old time");
    system.set("+0");
    fleet.reports(&server, "it learns the time", is_right).await;
    nothing_is_overdue(&server).await;
    fleet.wakes(&server).await;

    // Sessions and states that an earlier run kept are those of the earlier time, and no older by it.
    system.set(MONTH);
    server.kill_and_restart().await;
    fleet.device.connect(server.mqtt).await.unwrap();
    fleet.report(&server).await;
    system.set("+0");
    fleet.reports(&server, "once more", is_right).await;
    nothing_is_overdue(&server).await;
    fleet.wakes(&server).await;
}
