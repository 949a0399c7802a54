//! Before another version of the program is started.

use super::*;

/// Every file of a folder with the checksum of its bytes, but for the memory that SQLite shares among who has a file open.
async fn content(folder: &Path) -> String {
    tool::run("sh", &["-c", &format!("cd {} && find . -type f ! -name '*-shm' | sort | xargs sha256sum", text(folder))])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_would_change_and_touches_nothing() {
    let mut server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let data = server.data();
    let check = ["upgrade", "--check", "--data", text(&data)];
    assert!(refused(&check).await.contains("in use by another process"));
    server.kill().await;
    let before = content(&data).await;
    let said = well(&check).await;
    assert!(said.contains("nothing in it changes its format") && said.contains("still does afterwards"), "{said}");
    assert_eq!(content(&data).await, before);
    well(&["verify", text(&data)]).await;
    assert_eq!(content(&data).await, before, "neither does verify change anything");

    let segment = std::fs::read_dir(data.join("log")).unwrap().map(|item| item.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|it| it == "log")).min().unwrap();
    let sound = std::fs::read(&segment).unwrap();
    let mut newer = sound.clone();
    newer[8] = 9;
    std::fs::write(&segment, newer).unwrap();
    let said = refused(&check).await;
    assert!(said.contains("format version 9") && said.contains("does not open"), "{said}");
    std::fs::write(&segment, sound).unwrap();
    let sessions = data.join("sessions/sessions.sqlite");
    std::fs::remove_file(data.join("sessions/sessions.sqlite-wal")).unwrap();
    let mut newer = std::fs::read(&sessions).unwrap();
    // The user version (SQLite file format, section 1.3).
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&sessions, newer).unwrap();
    let said = refused(&check).await;
    assert!(said.contains("sessions.sqlite has format 99"), "{said}");
    let nothing = refused(&["upgrade", "--check", "--data", "/proc"]).await;
    assert!(nothing.contains("is no data folder"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_an_older_program_is_verified_and_what_is_brought_up_to_date_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let packed = tool::file("tests/tests/promises/older/data.tar.gz");
    tool::run("tar", &["xzf", text(&packed), "-C", text(folder.path())]).await;
    let data = folder.path().join("data");
    let before = content(&data).await;
    well(&["verify", text(&data)]).await;
    let said = well(&["upgrade", "--check", "--data", text(&data)]).await;
    assert!(said.contains("checkpoint: from format 8 to 9") && said.contains("entries have no head"), "{said}");
    assert!(said.contains("an older program does not open it afterwards"), "{said}");
    assert_eq!(content(&data).await, before);
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("restored"));
    well(&["backup", "--data", text(&data), text(&backup)]).await;
    well(&["verify", text(&backup)]).await;
    well(&["restore", text(&backup), "--data", text(&restored)]).await;
    let server = Server::with_data(include_str!("../older/tidegate.toml"), Some(restored)).await;
    assert!(server.get("/v1/devices").await["devices"].as_array().unwrap().len() >= 4);
}
