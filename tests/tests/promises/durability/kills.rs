//! What is left after kill -9, for faithful clients of both qualities of service.

use std::time::Duration;

use tidegate_tests::Server;

use super::load::{Load, Outcome};

/// History is flushed all the time, and no part of the log is old enough to go.
const CONFIG: &str = "[flush]\ninterval = \"300 ms\"\n";

/// Puts load on a server and kills it; leaves it dead.
async fn outcome_of_kills(config: &str, kills: u64) -> (Outcome, Server) {
    let mut server = Server::with_config(config).await;
    let load = Load::start(server.mqtt).await;
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(300 + kill * 37 % 300)).await;
        server.kill_and_restart().await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let outcome = load.finish(server.mqtt).await;
    server.kill().await;
    (outcome, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_promised_to_publishers_and_sleepers_is_lost_or_doubled_by_twenty_kills() {
    let (outcome, server) = outcome_of_kills(CONFIG, 20).await;
    println!("{} publications acknowledged over 20 kills", outcome.acknowledged());
    assert!(outcome.acknowledged() > 1_000, "only {} were acknowledged: that is no load", outcome.acknowledged());
    outcome.check_log(&server.data());
    outcome.check_subscribers();
}

/// The control: it shows that the test above can fail.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_before_the_commit_breaks_promises_to_faithful_clients() {
    let careless =
        "[mqtt]\nacknowledge = \"appended\"\n[log]\ncommit_interval = \"500 ms\"\ncommit_bytes = \"16 MiB\"\n";
    let (outcome, server) = outcome_of_kills(&format!("{CONFIG}{careless}"), 4).await;
    let lost = outcome.lost(&server.data());
    println!("{lost} of {} acknowledged publications are lost", outcome.acknowledged());
    assert!(lost > 0);
}
