//! Leave InfluxDB 2 in one command.

use tidegate_tests::{InfluxDb, now_ms};

use super::World;

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
