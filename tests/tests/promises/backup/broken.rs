//! What comes between.

use tidegate_tests::{Disk, http};

use super::*;

/// As slow as may be asked for.
const SLOWLY: [&str; 2] = ["--rate", "1MiB/s"];

/// Begins a backup that takes seconds, and waits until it writes.
async fn begun(server: &Server, folder: &Path) -> Child {
    let http = server.http.to_string();
    let child = begin(&[&["backup", "--http", &http], &SLOWLY[..], &[text(folder)]].concat());
    eventually("it is being taken", LIMIT, || async {
        (server.metric("tidegate_backup_running").await == 1.0 && folder.join("files/log").is_dir()).then_some(())
    })
    .await;
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_leaves_the_one_before_whole_and_another_goes_on() {
    let server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let place = tempfile::tempdir().unwrap();
    let (folder, data) = (place.path().join("backup"), place.path().join("data"));
    backup(&server, &folder).await;
    let before = manifest(&folder);
    fill_log(&server, 12 << 20).await;

    let mut child = begun(&server, &folder).await;
    let other = place.path().join("other");
    let second = refused(&["backup", "--http", &server.http.to_string(), text(&other)]).await;
    assert!(second.contains("being taken already") && second.contains("wait for its end"), "{second}");
    let same = refused(&["backup", "--http", &server.http.to_string(), text(&folder)]).await;
    assert!(same.contains("is in use"), "{same}");
    child.kill().await.unwrap();
    assert_eq!(manifest(&folder), before);
    well(&["verify", text(&folder)]).await;
    well(&["restore", text(&folder), "--data", text(&data)]).await;
    eventually("the program has seen it", LIMIT, || async {
        (server.metric("tidegate_backup_running").await == 0.0).then_some(())
    })
    .await;

    backup(&server, &folder).await;
    assert!(manifest(&folder)["position"].as_u64() > before["position"].as_u64());
    well(&["verify", text(&folder)]).await;
    assert_eq!(tool::run("find", &[text(&folder), "-name", "*.partial"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_takes_too_long_is_broken_off_and_counted_and_another_can_be_taken() {
    let server = Server::with_config(&format!("{CONFIG}[backup]\nduration_max = \"500 ms\"\n")).await;
    with_something_of_everything(&server).await;
    fill_log(&server, 6 << 20).await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("backup");
    let address = server.http.to_string();
    refused(&[&["backup", "--http", &address], &SLOWLY[..], &[text(&folder)]].concat()).await;
    let metrics = http::get(server.http, "/metrics").await.body;
    assert!(metrics.contains("tidegate_backups_total{outcome=\"overdue\"} 1\n"), "{metrics}");
    assert!(server.log().contains("backup.duration_max"), "{}", server.log());
    backup(&server, &folder).await;
    well(&["verify", text(&folder)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_broken_off_is_refused_and_nothing_is_restored() {
    let server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let place = tempfile::tempdir().unwrap();
    let (stream, data) = (place.path().join("stream.tar"), place.path().join("data"));
    let answer = http_to_file(&server, &stream).await;
    well(&["verify", text(&stream)]).await;
    // Behind the manifest come zeros: it ends with a line.
    let end = answer.iter().rposition(|byte| *byte == b'\n').unwrap();
    for cut in [0, 100, 700, end / 3, end / 2, end - 700, end - 1] {
        std::fs::write(&stream, &answer[..cut]).unwrap();
        for said in [
            refused(&["restore", text(&stream), "--data", text(&data)]).await,
            refused(&["verify", text(&stream)]).await,
        ] {
            assert!(said.contains("broken off") || said.contains("no backup"), "{cut}: {said}");
        }
        assert_eq!(std::fs::read_dir(&data).map_or(0, Iterator::count), 0, "{cut}");
    }

    // The program dies while it gives one.
    let mut server = server;
    fill_log(&server, 8 << 20).await;
    let folder = place.path().join("backup");
    let child = begun(&server, &folder).await;
    server.kill().await;
    let said = end_of(child).await;
    assert!(said.contains("broken off"), "{said}");
    assert!(refused(&["restore", text(&folder), "--data", text(&data)]).await.contains("broken off"));
    assert!(refused(&["verify", text(&folder)]).await.contains("broken off"));
}

async fn end_of(child: Child) -> String {
    let said = end(child).await;
    assert!(!said.is_well, "{}", said.out);
    said.err
}

/// The stream of `GET /v1/backup`, as curl has it.
async fn http_to_file(server: &Server, file: &Path) -> Vec<u8> {
    tool::run("curl", &["-s", "-f", "-o", text(file), &format!("http://{}/v1/backup", server.http)]).await;
    std::fs::read(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_has_something_is_left_alone_and_one_that_is_half_restored_starts_no_program() {
    let mut server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("backup");
    backup(&server, &folder).await;
    server.stop().await;
    let before = tool::run("find", &[text(&server.data()), "-type", "f"]).await;
    let said = refused(&["restore", text(&folder), "--data", text(&server.data())]).await;
    assert!(said.contains("nothing is overwritten") && said.contains("name another folder"), "{said}");
    assert_eq!(tool::run("find", &[text(&server.data()), "-type", "f"]).await, before);
    let said = refused(&["backup", "--data", text(&server.data()), text(place.path())]).await;
    assert!(said.contains("is not empty and holds no backup"), "{said}");

    let half = place.path().join("half");
    std::fs::create_dir_all(half.join("restoring/log")).unwrap();
    let said = server.restart_on_refused(&half).await;
    assert!(said.contains("a restoring was broken off"), "{said}");
    // What was left is no obstacle to another try.
    well(&["restore", text(&folder), "--data", text(&half)]).await;
    server.restart_on(half).await;
    assert_eq!(server.value("site/b", "temperature").await, Some(31.5.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_others_are_refused_and_so_is_what_is_not_understood() {
    let server = Server::start().await;
    for headers in [[("Sec-Fetch-Site", "cross-site")], [("Origin", "http://evil.example")]] {
        assert_eq!(http::request(server.http, "GET", "/v1/backup", &headers, "").await.status, 403);
    }
    for (path, body) in
        [("/v1/backup?bytes_per_second=5", r#"{"held":[]}"#), ("/v1/backup", r#"{"had":[]}"#), ("/v1/backup?x=1", "{}")]
    {
        assert_eq!(http::request(server.http, "POST", path, &[], body).await.status, 400, "{path} {body}");
    }
    let nobody = refused(&["backup", "--http", "127.0.0.1:9", "nowhere"]).await;
    assert!(nobody.contains("no tidegate answers"), "{nobody}");
    let _ = std::fs::remove_dir_all("nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_deleted_while_they_are_read_are_in_the_backup() {
    let mut first = Server::with_config(CONFIG).await;
    with_something_of_everything(&first).await;
    fill_log(&first, 6 << 20).await;
    first.stop().await;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("backup");
    let data = place.path().join("data");
    tool::run("cp", &["-r", text(&first.data()), text(&data)]).await;
    // There is room for next to nothing, which is seen with the next flush.
    let config =
        format!("{}\nretention_bytes = \"1 KiB\"\n", "[flush]\nlog_bytes = \"64 KiB\"\ninterval = \"1 h\"\n[store]");
    let server = Server::with_data(&config, Some(data.clone())).await;
    let days = || -> Vec<String> {
        let names = std::fs::read_dir(data.join("store")).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.retain(|name| name.starts_with("raw-") && name.ends_with(".db"));
        names.sort();
        names
    };
    let before = days();
    assert!(before.len() >= 3, "{before:?}");
    let child = begun(&server, &folder).await;
    fill_log(&server, 300_000).await;
    eventually("days are deleted", LIMIT, || async { (days().len() < before.len()).then_some(()) }).await;
    assert_eq!(server.metric("tidegate_backup_running").await, 1.0, "it was not fast enough to be a test");
    let said = end(child).await;
    assert!(said.is_well, "{}", said.err);
    let names: Vec<String> = files(&folder).into_iter().map(|(name, _)| name).collect();
    assert!(before.iter().all(|day| names.contains(&format!("store/{day}"))), "{names:?}");
    well(&["verify", text(&folder)]).await;
    let restored = place.path().join("restored");
    well(&["restore", text(&folder), "--data", text(&restored)]).await;
    let server = Server::with_data(CONFIG, Some(restored)).await;
    let readings = server.get("/v1/readings?device=site/a&metric=temperature&from=0&limit=5000").await;
    assert_eq!(readings["points"].as_array().unwrap().len(), 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_without_room_says_so_and_keeps_the_backup_of_before() {
    let Some(disk) = Disk::new(16).await else { return };
    let server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let folder = disk.path().join("backup");
    backup(&server, &folder).await;
    let before = manifest(&folder);
    fill_log(&server, 20 << 20).await;
    let said = refused(&["backup", "--http", &server.http.to_string(), text(&folder)]).await;
    assert!(said.contains("no room on the disk") && said.contains("The backup of before is whole"), "{said}");
    assert_eq!(manifest(&folder), before);
    well(&["verify", text(&folder)]).await;
    let said = refused(&["restore", text(&folder), "--data", text(&disk.path().join("lost+found/.."))]).await;
    assert!(said.contains("nothing is overwritten"), "{said}");
    eventually("the program takes another", LIMIT, || async {
        (server.metric("tidegate_backup_running").await == 0.0).then_some(())
    })
    .await;
    backup(&server, &disk.path().parent().unwrap().join("elsewhere")).await;
}
