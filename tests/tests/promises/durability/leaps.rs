//! The system's clock is wrong by years, for a moment or at the start, by libfaketime: nothing is deleted, and nothing stops.

use std::time::Duration;

use tidegate_tests::{Server, eventually, http, now_ms};

use super::clock::{Fleet, System, nothing_is_overdue};

const LIMIT: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;
/// Readings that are there before anything is wrong.
const BEFORE: usize = 1_000;
/// What is deleted by age is looked for twice a second.
const CONFIG: &str = "[flush]\ninterval = \"500 ms\"\n[mqtt]\nsession_expiry_max = \"10 min\"\n\
    [process]\nforget_after = \"10 d\"\n[[alert]]\nname = \"silent\"\nno_reading_for = \"5 min\"\n";

/// Days, as seconds to set a clock ahead by.
fn days(days: i64) -> String {
    format!("{:+}", days * 86_400)
}

/// Sets a clock to this Unix time.
fn to(unix_s: i64) -> String {
    format!("{:+}", unix_s - now_ms() / 1000)
}

fn is_right(time_ms: i64) -> bool {
    (now_ms() - time_ms).abs() < 60_000
}

/// Readings of the last ten days, by the device's own right clock.
async fn fill(server: &Server, fleet: &mut Fleet) {
    let step_ms = 10 * DAY_MS / BEFORE as i64;
    let reading = |n: usize| format!(r#"{{"deviceId":"own","timestamp":{},"n":{n}}}"#, now_ms() - n as i64 * step_ms);
    let all = (1..=BEFORE).map(reading).collect::<Vec<_>>().join(",");
    fleet.device.publish("own/data", &format!("[{all}]"), 1, false).await;
    fleet.device.step().await.unwrap();
    all_are_there(server, "before", BEFORE).await;
}

/// The times of all that history has of a device.
async fn times(server: &Server, device: &str) -> Vec<i64> {
    let to = 4_000_000_000_000i64;
    let page = server.get(&format!("/v1/readings?device={device}&metric=n&from=0&to={to}&limit=10000")).await;
    page["points"].as_array().into_iter().flatten().filter_map(|point| point[0].as_i64()).collect()
}

async fn all_are_there(server: &Server, when: &str, count: usize) {
    eventually(&format!("all readings are there {when}"), LIMIT, || async {
        (times(server, "own").await.len() == count).then_some(())
    })
    .await;
}

/// Ten readings with times of their own, and ten without, get into history with right times.
async fn ten_more_are_right(server: &Server, fleet: &mut Fleet, when: &str) {
    let before = times(server, "own").await.len();
    let right = |times: Vec<i64>| times.into_iter().filter(|time_ms| is_right(*time_ms)).count();
    fleet.reports(server, when, is_right).await;
    let right_before = right(times(server, "d").await);
    for n in 0..10 {
        let reading = format!(r#"{{"deviceId":"own","timestamp":{},"n":{n}}}"#, now_ms());
        fleet.device.publish("own/data", &reading, 1, false).await;
        fleet.device.step().await.unwrap();
        assert!(is_right(fleet.report(server).await), "{when}");
    }
    all_are_there(server, when, before + 10).await;
    eventually(&format!("ten without a time are right {when}"), LIMIT, || async {
        (right(times(server, "d").await) >= right_before + 10).then_some(())
    })
    .await;
}

async fn clock_problems(server: &Server) -> Vec<String> {
    let problems = server.get("/v1/problems").await["problems"].clone();
    let of_clock = problems.as_array().into_iter().flatten().filter(|problem| problem["reason"] == "clock_set");
    of_clock.map(|problem| problem["detail"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_seconds_of_a_clock_that_is_years_ahead_delete_nothing_and_stop_nothing() {
    let system = System::ahead_by("+0");
    let mut server = system.server_with(CONFIG).await;
    let mut fleet = Fleet::of(&server).await;
    fill(&server, &mut fleet).await;
    fleet.reports(&server, "as it is", is_right).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut count = BEFORE;
    for wrong in [days(401), days(3650), days(-401)] {
        system.set(&wrong);
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            assert!(is_right(fleet.report(&server).await), "{wrong} is not followed");
        }
        let clock = server.get("/v1/stats").await["clock"].clone();
        assert_eq!(clock["doubted"], true, "{clock}");
        assert!(!clock_problems(&server).await.is_empty());
        system.set("+0");
        all_are_there(&server, &wrong, count).await;
        ten_more_are_right(&server, &mut fleet, &wrong).await;
        count += 10;
        nothing_is_overdue(&server).await;
        fleet.wakes(&server).await;
        server.kill_and_restart().await;
        all_are_there(&server, "after a restart", count).await;
        fleet.device.connect(server.mqtt).await.unwrap();
        ten_more_are_right(&server, &mut fleet, "after a restart").await;
        count += 10;
    }
    assert_eq!(server.metric("tidegate_store_deleted_files_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_followed_is_left_again_and_what_it_stamped_is_shown() {
    let system = System::ahead_by("+0");
    let mut server = system.server_with(CONFIG).await;
    let mut fleet = Fleet::of(&server).await;
    fill(&server, &mut fleet).await;
    system.set(&days(401));
    let is_ahead = |time_ms: i64| (time_ms - now_ms() - 401 * DAY_MS).abs() < 60_000;
    fleet.reports(&server, "nobody knows better yet", is_ahead).await;
    // Those that are stamped by nobody else are of days that were deleted, by that clock.
    fleet
        .device
        .publish("own/data", &format!(r#"{{"deviceId":"own","timestamp":{},"n":0}}"#, now_ms()), 1, false)
        .await;
    fleet.device.step().await.unwrap();
    all_are_there(&server, "by a wrong clock", BEFORE + 1).await;
    system.set("+0");
    ten_more_are_right(&server, &mut fleet, "back").await;
    all_are_there(&server, "back", BEFORE + 11).await;
    nothing_is_overdue(&server).await;
    fleet.wakes(&server).await;
    assert_eq!(server.metric("tidegate_clock_set_back_total").await, 1.0);
    let ahead = eventually("what is ahead is shown", LIMIT, || async {
        server.get("/v1/stats").await["clock"]["values_ahead"].as_u64().filter(|ahead| *ahead > 0)
    })
    .await;
    let in_history = times(&server, "d").await.into_iter().filter(|time_ms| is_ahead(*time_ms)).count();
    assert_eq!(ahead, in_history as u64);
    let problems = clock_problems(&server).await;
    assert!(problems.iter().any(|detail| detail.contains("stamped later than now")), "{problems:?}");
    server.kill_and_restart().await;
    all_are_there(&server, "after a restart", BEFORE + 11).await;
    fleet.device.connect(server.mqtt).await.unwrap();
    ten_more_are_right(&server, &mut fleet, "after a restart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_by_a_clock_that_is_years_ahead_delete_nothing_and_a_right_start_is_right_at_once() {
    let system = System::ahead_by("+0");
    let mut server = system.server_with(CONFIG).await;
    let mut fleet = Fleet::of(&server).await;
    fill(&server, &mut fleet).await;
    fleet.device.leave().await;
    server.stop().await;
    for wrong in [days(401), to(2_147_483_000)] {
        system.set(&wrong);
        for _ in ["a start", "and another, from what the first has stamped"] {
            server.restart().await;
            fleet.device.connect(server.mqtt).await.unwrap();
            assert!(!is_right(fleet.report(&server).await));
            nothing_is_overdue(&server).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            all_are_there(&server, "by a wrong clock", BEFORE).await;
            fleet.device.leave().await;
            server.stop().await;
        }
    }
    system.set("+0");
    server.restart().await;
    fleet.device.connect(server.mqtt).await.unwrap();
    assert!(is_right(fleet.report(&server).await), "the first one already");
    assert!(server.log().contains("the time was set back"), "{}", server.log());
    ten_more_are_right(&server, &mut fleet, "right again").await;
    all_are_there(&server, "right again", BEFORE + 10).await;
    nothing_is_overdue(&server).await;
    fleet.wakes(&server).await;
    assert!(!clock_problems(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_computer_without_a_battery_boots_in_1970_or_2038_learns_the_time_and_loses_nothing() {
    for wrong in [to(30), to(2_147_483_000)] {
        let system = System::ahead_by(&wrong);
        let mut server = system.server_with(CONFIG).await;
        let mut fleet = Fleet::of(&server).await;
        fill(&server, &mut fleet).await;
        let first_ms = fleet.report(&server).await;
        assert!(!is_right(first_ms), "its first boot");
        system.set("+0");
        ten_more_are_right(&server, &mut fleet, "learnt at the first boot").await;
        all_are_there(&server, "learnt at the first boot", BEFORE + 10).await;
        assert!(times(&server, "d").await.contains(&first_ms), "what came before is kept as it was stamped");
        nothing_is_overdue(&server).await;
        fleet.wakes(&server).await;

        system.set(&wrong);
        server.kill_and_restart().await;
        fleet.device.connect(server.mqtt).await.unwrap();
        fleet.report(&server).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        all_are_there(&server, "at the second boot", BEFORE + 10).await;
        system.set("+0");
        ten_more_are_right(&server, &mut fleet, "learnt at the second boot").await;
        all_are_there(&server, "learnt at the second boot", BEFORE + 20).await;
        nothing_is_overdue(&server).await;
        fleet.wakes(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_say_that_the_clock_is_right_and_then_what_is_old_is_deleted() {
    let system = System::ahead_by("+0");
    let mut server = system.server_with(CONFIG).await;
    let mut fleet = Fleet::of(&server).await;
    fill(&server, &mut fleet).await;
    server.stop().await;
    system.set(&days(420));
    server.restart_with(&["--trust-clock"]).await;
    fleet.device.connect(server.mqtt).await.unwrap();
    fleet.report(&server).await;
    all_are_there(&server, "once it is said", 0).await;
    assert_eq!(http::get(server.http, "/readyz").await.status, 200);
}
