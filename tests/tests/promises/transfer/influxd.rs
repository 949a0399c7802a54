//! Leave InfluxDB 2 in one command.

use std::path::PathBuf;

use tidegate_tests::{InfluxDb, eventually, now_ms};

use super::{LIMIT, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_influxd_exports_is_imported_to_the_last_point() {
    let mut influxdb = InfluxDb::start().await;
    let from_ms = now_ms() - 86_400_000;
    let mut text = String::new();
    for n in 0..5_000 {
        let (host, time_ns) = (n % 7, (from_ms + n * 10) * 1_000_000 + 123);
        text += &format!("cpu,host=h\\ {host},rack=a\\,b idle={n}.25,procs={n}i,load=1e-7 {time_ns}\n");
        text +=
            &format!("state,host=h\\ {host} on={},mode=\"a \\\"{n}\\\" \\\\ b, c=d\",big={n}u {time_ns}\n", n % 2 == 0);
    }
    influxdb.write(&text).await;
    let exported = influxdb.exported_lines().await;
    let count = exported.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert!(count >= 30_000, "a line a field: {count}");
    let world = World::new().await;
    let said = world.import(&exported, &["--device-tag", "host", "--group-tag", "rack"]).await;
    assert_eq!(said.err, "", "nothing of it is a flaw");
    assert!(said.out.starts_with(&format!("{count} points")), "{}", said.out);
    let out = world.export(&[]).await;
    assert_eq!(out.lines().count() - 1, 30_000);
    let has = |line: &str| assert!(out.contains(line), "{line} is not in {}", &out[..500]);
    has(&format!("h 3,\"a,b\",cpu.idle,{},number,3.25\r\n", from_ms + 30));
    has(&format!("h 3,\"a,b\",cpu.procs,{},number,3\r\n", from_ms + 30));
    has(&format!("state,{},boolean,false\r\n", from_ms + 30));
    has(&format!("state.mode,{},text,\"a \"\"3\"\" \\ b, c=d\"\r\n", from_ms + 30));
}

/// A day of two hosts, a point each 20 s and field, with texts as rude as the line protocol lets them be.
async fn a_day(influxdb: &InfluxDb) -> i64 {
    let from_ms = now_ms() - 2 * 86_400_000;
    let mut text = String::new();
    for n in 0..4_320 {
        let (host, time_ns) = (n % 2, (from_ms + n * 20_000) * 1_000_000 + 123);
        text += &format!("cpu,host=h\\ {host},rack=a\\,b idle={n}.25,procs={n}i,big=18446744073709551615u {time_ns}\n");
        text += &format!("state,host=h\\ {host} on={},mode=\"a \\\"{n}\\\" \\\\ b,\n c=d\" {time_ns}\n", n % 4 == 0);
    }
    influxdb.write(&text).await;
    from_ms
}

/// Its name, and a file with a token that may read it.
async fn source(world: &World, influxdb: &InfluxDb) -> (String, PathBuf) {
    let (_, token) = influxdb.token_to("read").await;
    let file = world.path("token");
    std::fs::write(&file, token).unwrap();
    (format!("http://{}", influxdb.address), file)
}

fn arguments<'a>(url: &'a str, token: &'a std::path::Path) -> Vec<&'a str> {
    let token = token.to_str().unwrap();
    let names = ["--org", "plant", "--bucket", "readings", "--device-tag", "host", "--group-tag", "rack"];
    [&["--influxdb", url, "--token-file", token][..], &names].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_brings_a_bucket_of_a_running_influxdb_and_counts_both() {
    let (influxdb, world) = (InfluxDb::start().await, World::new().await);
    let (url, token) = source(&world, &influxdb).await;
    let arguments = arguments(&url, &token);
    let said = world.run("import", &arguments).await;
    assert!(said.is_success && said.out.contains("is empty"), "{} {}", said.out, said.err);
    let from_ms = a_day(&influxdb).await;
    let said = world.run("import", &[&arguments[..], &["--window", "5 h"]].concat()).await;
    assert!(said.is_success, "{} {}", said.out, said.err);
    assert!(said.out.starts_with("21600 points of"), "{}", said.out);
    assert!(said.out.contains("compared: 10 series with 21600 points there"), "{}", said.out);
    assert!(said.out.contains("none has fewer points here"), "{}", said.out);
    let out = world.export(&[]).await;
    let has = |line: &str| assert!(out.contains(line), "{line} is not in {}", &out[..500]);
    has(&format!("h 1,\"a,b\",cpu.idle,{},number,3.25\r\n", from_ms + 60_000));
    has(&format!("h 1,\"a,b\",cpu.big,{},number,18446744073709552000\r\n", from_ms + 60_000));
    has(&format!("state,{},boolean,false\r\n", from_ms + 60_000));
    has(&format!("state.mode,{},text,\"a \"\"3\"\" \\ b,\n c=d\"\r\n", from_ms + 60_000));
    world.run("import", &arguments).await;
    assert_eq!(world.export(&[]).await, out, "the same again changes nothing");
    // A text that is too long for history is told, and found again when both are counted.
    influxdb.write(&format!("state,host=h\\ 0 mode=\"{}\" {}000000\n", "x".repeat(5_000), now_ms() - 1_000)).await;
    let said = world.run("import", &arguments).await;
    assert!(!said.is_success && said.err.contains("5000 bytes"), "{} {}", said.out, said.err);
    assert!(said.err.contains("state.mode of h 0: 2161 there, 2160 here"), "{}", said.err);
    // A token that may not.
    std::fs::write(&token, influxdb.token().await.1).unwrap();
    let said = world.run("import", &arguments).await;
    assert!(!said.is_success && said.err.contains("InfluxDB"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_a_bucket_that_is_killed_goes_on_where_it_was() {
    let (influxdb, world) = (InfluxDb::start().await, World::new().await);
    let (url, token) = source(&world, &influxdb).await;
    let from_ms = a_day(&influxdb).await;
    let place = world.path("place");
    let more = ["--window", "10 min", "--resume", place.to_str().unwrap()];
    let arguments = [&arguments(&url, &token)[..], &more].concat();
    let mut child = world.start("import", &arguments);
    eventually("some of it is here", LIMIT, || async { place.exists().then_some(()) }).await;
    influxdb.freeze().await;
    child.kill().await.unwrap();
    influxdb.thaw().await;
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
    assert!(kept["next_ms"].as_i64().unwrap() > from_ms, "{kept}");
    for (option, given) in [("--bucket", "other"), ("--device-tag", "rack"), ("--group-tag", "host")] {
        let mut other = arguments.clone();
        let at = other.iter().position(|argument| *argument == option).unwrap();
        other[at + 1] = given;
        let said = world.run("import", &[&other[..], &["--from", "0"]].concat()).await;
        assert!(!said.is_success && said.err.contains("name another file"), "{option}: {} {}", said.out, said.err);
    }
    let said = world.run("import", &arguments).await;
    assert!(said.is_success, "{} {}", said.out, said.err);
    let points: u64 = said.out.split(' ').next().unwrap().parse().unwrap();
    assert!(points < 21_600, "what was there did not come again: {}", said.out);
    assert!(said.out.contains("21600 points there") && said.out.contains("none has fewer"), "{}", said.out);
    assert_eq!(world.export(&[]).await.lines().filter(|line| line.starts_with("h ")).count(), 21_600);
    assert!(!place.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_history_does_not_keep_is_not_compared_by_an_import_that_is_resumed_either() {
    let (influxdb, mut world) = (InfluxDb::start().await, World::new().await);
    world.server.stop().await;
    world.server.restart_with(&["--trust-clock"]).await;
    let (url, token) = source(&world, &influxdb).await;
    let (old_ms, now_ms) = (now_ms() - 500 * 86_400_000, now_ms() - 60_000);
    let long = "x".repeat(5_000);
    influxdb.write(&format!("cpu,host=a old=1 {old_ms}000000\ncpu,host=a mode=\"{long}\" {now_ms}000000\n")).await;
    let place = world.path("place");
    let more = ["--window", "300 d", "--resume", place.to_str().unwrap()];
    let arguments = [&arguments(&url, &token)[..], &more].concat();
    // One is too long for history, so something is missing at the end each time, and the file stays.
    for run in ["at first", "resumed"] {
        let said = world.run("import", &arguments).await;
        assert!(!said.is_success && said.err.contains("cpu.mode of a: 1 there, 0 here"), "{run}: {}", said.err);
        assert!(!said.err.contains("cpu.old") && place.exists(), "{run}: {}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_before_1970_comes_too_and_goes_out_again() {
    let (influxdb, world) = (InfluxDb::start().await, World::new().await);
    let (url, token) = source(&world, &influxdb).await;
    influxdb.write("cpu,host=a idle=1 -86400000000000\ncpu,host=a idle=2 86400000000000\n").await;
    let said = world.run("import", &[&arguments(&url, &token)[..], &["--window", "30000 d"]].concat()).await;
    assert!(said.is_success && said.out.contains("1 series with 2 points there"), "{} {}", said.out, said.err);
    let out = world.export(&[]).await;
    assert!(out.ends_with("a,,cpu.idle,-86400000,number,1\r\na,,cpu.idle,86400000,number,2\r\n"), "{out}");
}
