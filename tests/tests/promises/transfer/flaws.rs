//! What is no reading is told with its line, and costs nothing else.

use tidegate_tests::{http, now_ms};

use super::{World, lines};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_flaws_between_good_lines_cost_themselves_alone() {
    let world = World::new().await;
    let from_ms = now_ms() - 86_400_000;
    let flaws = [
        "m,device=d v=abc 1700000000000000000",
        "m,device=d v=\"never closed 1700000000000000000",
        "m,device=d v=1 noon",
        "m,device=d v=1",
        ",device=d v=1 1700000000000000000",
        "m,device= v=1 1700000000000000000",
        "m v=1 1700000000000000000",
        "m,device=d 1700000000000000000",
        "m,device=d v=1 9000000000000000000",
        "m,device=d v=\u{1}1 1700000000000000000",
    ];
    let mut text = String::new();
    for n in 0..10_000 {
        text += &format!("m,device=d v={n} {}000000\n", from_ms + n);
        if n % 10 == 0 {
            text += flaws[(n / 10) as usize % flaws.len()];
            text.push('\n');
        }
    }
    let said = world.import(&text, &[]).await;
    assert!(said.out.starts_with("10000 points") && said.out.contains("1000 flaws"), "{}", said.out);
    let told: Vec<u64> = said.err.lines().map(|line| line[5..].split(':').next().unwrap().parse().unwrap()).collect();
    assert_eq!(told, (0..1_000).map(|n| n * 11 + 2).collect::<Vec<u64>>());
    assert!(said.err.lines().take(9).all(|line| line.contains(": ") && line.len() > 30), "{}", said.err);
    assert_eq!(world.export(&[]).await.lines().count(), 10_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_counted_and_told_with_its_key() {
    let mut world = World::new().await;
    // Nothing is refused for its age by a clock that is not confirmed.
    world.server.stop().await;
    world.server.restart_with(&["--trust-clock"]).await;
    let old_ms = now_ms() - 500 * 86_400_000;
    let said = world.import(&format!("m,device=d v=1 {old_ms}000000\nm,device=d v=2 {}000000\n", now_ms()), &[]).await;
    assert!(said.out.contains("1 points of before") && said.out.contains("store.retention_age_days"), "{}", said.out);
    assert!(said.out.starts_with("1 points of"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_name_no_device_are_told() {
    let world = World::new().await;
    let now_ms = now_ms();
    let text = format!("cpu,host=a,cpu=0 idle=1i {now_ms}\ncpu,host=a,cpu=1 idle=2i {now_ms}\n");
    let said = world.import(&text, &["--precision", "ms"]).await;
    assert!(
        said.err.contains("line 1: no tag [\"device\"]") && said.out.contains("2 flaws"),
        "{} {}",
        said.err,
        said.out
    );
    let said = world.import(&text, &["--precision", "ms", "--device-tag", "host"]).await;
    assert!(said.out.contains("the tags cpu are no part"), "{}", said.out);
    let said = world.import(&text, &["--precision", "ms", "--device-tag", "host,cpu"]).await;
    assert_eq!((said.err.as_str(), said.out.lines().count()), ("", 1), "{}", said.out);
    let out = world.export(&["--device", "a/1"]).await;
    assert_eq!(out.lines().last().unwrap(), format!("a/1,,cpu.idle,{now_ms},number,2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_of_an_import_are_those_of_the_configuration() {
    let bounds = "[http]\nimport_body_bytes_max = \"64 KiB\"\nimport_concurrency = 1\nimport_entry_points = 7\n\
                  import_entries_ahead = 2\nimport_text_bytes_max = \"5 B\"\nimport_flaws_told_max = 10\n\
                  import_ahead_max = \"2 h\"\n";
    let world = World::with(bounds).await;
    let text = lines(20_000, now_ms() - 86_400_000);
    let (file, other) = (world.path("one"), world.path("other"));
    std::fs::write(&file, &text).unwrap();
    std::fs::write(&other, text.replace("old/", "new/")).unwrap();
    // One waits for the other, body by body.
    let (one, other) = tokio::join!(world.import_file(&file, &[]), world.import_file(&other, &[]));
    assert!(one.out.starts_with("20000 points") && other.out.starts_with("20000 points"), "{} {}", one.out, other.out);
    assert_eq!(world.export(&[]).await.lines().count(), 40_001);
    let at_ns = |ahead_ms: i64| (now_ms() + ahead_ms) * 1_000_000;
    let text = format!("m,device=d t=\"12345\" {}\n", at_ns(3_600_000))
        + &format!("m,device=d t=\"123456\" {}\n", at_ns(0)).repeat(24)
        + &format!("m,device=d t=\"1\" {}\n", at_ns(3 * 3_600_000));
    let said = world.import(&text, &[]).await;
    assert!(said.out.starts_with("1 points") && said.out.contains("25 flaws"), "{}", said.out);
    assert_eq!(said.err.lines().count(), 10, "{}", said.err);
    assert!(
        said.err.contains("line 2: its text has 6 bytes, more than http.import_text_bytes_max (5)"),
        "{}",
        said.err
    );
    let metrics = http::get(world.server.http, "/metrics").await.body;
    assert!(metrics.contains("tidegate_import_points_total{outcome=\"flawed\"} 25\n"), "{metrics}");
}
