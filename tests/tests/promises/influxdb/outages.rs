//! Either side ends at any time, and InfluxDB has each reading once.

use std::time::Duration;

use tidegate_tests::{Disk, InfluxDb, Proxy, Server, eventually};

use super::{LIMIT, World, config};

#[tokio::test]
async fn influxdb_is_stopped_under_load_and_killed_and_has_each_reading_once() {
    let mut world = World::new().await;
    world.publish(500).await;
    world.influxdb.stop().await;
    world.publish(1_000).await;
    world.has_problem("sink_behind", "cannot be reached").await;
    world.influxdb.restart().await;
    world.publish(500).await;
    world.has_each_once("it was stopped").await;
    world.publish(500).await;
    world.influxdb.kill().await;
    world.publish(500).await;
    world.influxdb.restart().await;
    world.has_each_once("it was killed").await;
}

#[tokio::test]
async fn influxdb_that_stands_still_is_given_up_in_time_and_holds_nobody_back() {
    let mut world = World::by(|at| at, "request_timeout = \"2 s\"\n").await;
    world.publish(100).await;
    world.has_each_once("at first").await;
    world.influxdb.freeze().await;
    world.publish(300).await;
    world.has_problem("sink_behind", "did not answer within").await;
    world.publish(300).await;
    world.influxdb.thaw().await;
    world.has_each_once("it goes on").await;
}

#[tokio::test]
async fn answers_that_are_cut_in_the_middle_double_nothing() {
    let influxdb = InfluxDb::start().await;
    let proxy = Proxy::before(influxdb.address).await;
    let mut world = World::with(influxdb, proxy.address, "").await;
    for answer_max in [0, 1, 12, 40, 100] {
        proxy.cut_after(answer_max);
        let cut = proxy.cut();
        world.publish(200).await;
        eventually("it is cut twice", LIMIT, || async { (proxy.cut() >= cut + 2).then_some(()) }).await;
    }
    proxy.cut_after(usize::MAX);
    world.has_each_once("the way is whole again").await;
}

#[tokio::test]
async fn tidegate_is_killed_again_and_again_while_it_writes() {
    let mut world = World::by(|at| at, "request_lines_max = 100\n").await;
    for round in 0..20 {
        world.publish(300).await;
        // Somewhere between the first of these and the last.
        tokio::time::sleep(Duration::from_millis(137 * (round % 4))).await;
        world.server.kill_and_restart().await;
    }
    world.publish(200).await;
    world.has_each_once("after twenty kills").await;
}

#[tokio::test]
async fn what_the_log_has_no_more_comes_from_history() {
    let influxdb = InfluxDb::start().await;
    let log = "[log]\nsegment_bytes = \"64 KiB\"\nreplay_bytes_max = \"128 KiB\"\n";
    let first = World::with(influxdb, "127.0.0.1:9".parse().unwrap(), log).await;
    let World { influxdb, mut server, token, folder, base_ms, published } = first;
    // Nothing followed while this came, and its log is gone.
    server.stop().await;
    let data = server.data();
    let server = Server::with_data(log, Some(data.clone())).await;
    let mut world = World { influxdb, server, token, folder, base_ms, published };
    world.publish(3_000).await;
    world.server.stop().await;
    let config = config(world.influxdb.address, &world.folder.path().join("token"), log);
    let server = Server::with_data(&config, Some(data)).await;
    world.server = server;
    world.publish(100).await;
    world.has_each_once("history has what the log has not").await;
    assert!(world.server.log().contains("history is told"), "{}", world.server.log());
}

#[tokio::test]
async fn influxdb_whose_disk_is_full_is_told_and_nothing_is_given_up() {
    let Some(disk) = Disk::new(64).await else { return };
    let influxdb = InfluxDb::start_in(&disk.path()).await;
    let at = influxdb.address;
    let mut world = World::with(influxdb, at, "").await;
    world.publish(200).await;
    world.has_each_once("there is room").await;
    disk.fill(64 << 10).await;
    world.publish(8_000).await;
    // Its write-ahead log has nowhere to go: it answers with an error of its own.
    world.has_problem("sink_behind", "InfluxDB cannot write now").await;
    assert_eq!(world.server.metric("tidegate_influxdb_set_aside_total").await, 0.0);
}
