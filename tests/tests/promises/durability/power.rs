//! What is left after a power cut: the disk's device as it is at one moment, without the page cache.

use std::time::Duration;

use tidegate_tests::{Disk, Server};

use super::load::{Load, Outcome};

/// Small segments, so that the log goes on in new ones; history is not flushed, so that all of it stays.
const CONFIG: &str =
    "[log]\nsegment_bytes = \"128 KiB\"\ndisk_reserve_bytes = \"4 MiB\"\n[flush]\ninterval = \"1 h\"\n";

/// Puts load on a server and cuts the power of its disk; leaves it dead.
async fn outcome_of_cuts(config: &str, cuts: u64) -> Option<(Outcome, Server, Disk)> {
    let mut disk = Disk::new(96).await?;
    let mut server = Server::with_data(config, Some(disk.path().join("data"))).await;
    let load = Load::start(server.mqtt).await;
    let mut cuts_of_a_cache = 0;
    for cut in 0..cuts {
        tokio::time::sleep(Duration::from_millis(700 + cut * 137 % 500)).await;
        server.freeze().await;
        // Proof that the page cache is left behind: nobody has synced this.
        std::fs::write(disk.path().join("unsynced"), [7; 100_000]).unwrap();
        let after = disk.after_power_cut().await;
        server.kill().await;
        let unsynced = std::fs::read(after.path().join("unsynced")).unwrap_or_default();
        // The kernel may have written it out by itself in the meantime; not every time.
        cuts_of_a_cache += u32::from(unsynced.is_empty());
        disk = after;
        server.restart_on(disk.path().join("data")).await;
    }
    assert!(cuts_of_a_cache > 0, "the copies hold what was never written to the device");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let outcome = load.finish(server.mqtt).await;
    server.kill().await;
    Some((outcome, server, disk))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_promised_is_lost_or_doubled_by_five_power_cuts() {
    let Some((outcome, server, _disk)) = outcome_of_cuts(CONFIG, 5).await else { return };
    println!("{} publications acknowledged over 5 power cuts", outcome.acknowledged());
    assert!(outcome.acknowledged() > 300, "only {} were acknowledged: that is no load", outcome.acknowledged());
    outcome.check_log(&server.data());
    outcome.check_subscribers();
}

/// The control: it shows that the test above can fail.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_before_the_commit_loses_by_power_cuts() {
    let careless =
        CONFIG.replace("[log]\n", "[mqtt]\nacknowledge = \"appended\"\n[log]\ncommit_interval = \"500 ms\"\n");
    let Some((outcome, server, _disk)) = outcome_of_cuts(&careless, 2).await else { return };
    let lost = outcome.lost(&server.data());
    println!("{lost} of {} acknowledged publications are lost", outcome.acknowledged());
    assert!(lost > 0);
}
