//! Whatever is cut off goes on, and each point is there once.

use std::io::Write;

use tidegate_tests::{eventually, now_ms};

use super::{LIMIT, World, lines};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_killed_goes_on_and_has_each_point_once() {
    let world = World::new().await;
    world.import(&lines(120_000, now_ms() - 86_400_000), &[]).await;
    let (file, beside) = (world.path("out.csv"), world.path("out.csv.cursor"));
    let end = now_ms().to_string();
    let arguments = ["--to", end.as_str(), "--out", file.to_str().unwrap()];
    let mut child = world.start("export", &arguments);
    eventually("it has some", LIMIT, || async { file.metadata().ok().filter(|it| it.len() > 0).map(drop) }).await;
    world.server.freeze().await;
    child.kill().await.unwrap();
    world.server.thaw().await;
    assert!(beside.exists(), "it was not at its end");
    let said = world.run("export", &arguments).await;
    assert!(!said.is_success && said.err.contains("--resume"), "{}", said.err);
    let other = [&arguments[..], &["--resume", "--metric", "temperature"]].concat();
    let said = world.run("export", &other).await;
    assert!(!said.is_success && said.err.contains("something else"), "{}", said.err);
    // What stands beside it cannot be read: it is not taken for whole.
    let cursor = std::fs::read(&beside).unwrap();
    std::fs::write(&beside, "").unwrap();
    let said = world.run("export", &[&arguments[..], &["--resume"]].concat()).await;
    assert!(!said.is_success && said.err.contains("does not say how far"), "{} {}", said.out, said.err);
    std::fs::write(&beside, cursor).unwrap();
    // A line that was torn, and one of which nobody knows.
    std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"old/dev1,old,temp").unwrap();
    let said = world.run("export", &[&arguments[..], &["--resume"]].concat()).await;
    assert!(said.is_success && said.out.starts_with("120000 points"), "{} {}", said.out, said.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), world.export(&["--to", end.as_str()]).await);
    assert!(!beside.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_say_how_far_it_is_leaves_no_file_that_looks_whole() {
    let world = World::new().await;
    world.import(&lines(100, now_ms() - 86_400_000), &[]).await;
    let (file, beside) = (world.path("out.csv"), world.path("out.csv.cursor"));
    let arguments = ["--out", file.to_str().unwrap(), "--resume"];
    let in_the_way = world.path("out.csv.cursor.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let said = world.run("export", &arguments).await;
    assert!(!said.is_success && !file.exists(), "{} {}", said.out, said.err);
    std::fs::remove_dir(&in_the_way).unwrap();
    let said = world.run("export", &arguments).await;
    assert!(said.is_success && said.out.starts_with("100 points"), "{} {}", said.out, said.err);
    // Another file is left as it is, and nothing is said beside it.
    let said = world.run("export", &arguments[..2]).await;
    assert!(!said.is_success && !beside.exists(), "{} {}", said.out, said.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_when_the_program_is_killed_and_each_point_is_there_once() {
    let mut world = World::new().await;
    let file = world.path("in.lp");
    std::fs::write(&file, lines(150_000, now_ms() - 86_400_000)).unwrap();
    let child = world.start("import", &[file.to_str().unwrap()]);
    for _ in 0..3 {
        let before = world.server.metric("tidegate_process_values_imported_total").await;
        eventually("some more came", LIMIT, || async {
            let now = world.server.metric("tidegate_process_values_imported_total").await;
            (now > before).then_some(())
        })
        .await;
        world.server.kill_and_restart().await;
    }
    let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let out = world.export(&["--format", "line-protocol"]).await;
    world.import_file(&file, &[]).await;
    world.server.kill_and_restart().await;
    assert_eq!(world.export(&["--format", "line-protocol"]).await, out, "the same again changes nothing");
    assert_eq!(out.lines().count(), 150_000);
}
