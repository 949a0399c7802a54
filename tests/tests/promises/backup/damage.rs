//! A byte that is not what was written.

use super::*;

fn flipped(path: &Path, at: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let sound = std::fs::read(path).unwrap();
    let mut wrong = sound.clone();
    for at in at {
        wrong[at] ^= 1;
    }
    std::fs::write(path, wrong).unwrap();
    sound
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_byte_in_any_file_of_a_backup_is_named_and_nothing_of_it_is_restored() {
    let server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    let place = tempfile::tempdir().unwrap();
    let (folder, data) = (place.path().join("backup"), place.path().join("data"));
    backup(&server, &folder).await;
    let mut paths: Vec<PathBuf> = files(&folder).into_iter().map(|(_, path)| path).collect();
    for kind in ["checkpoint", "log/", "store/head.db", "store/raw-", "store/rollup-", "sessions/sessions.sqlite"] {
        assert!(files(&folder).iter().any(|(name, _)| name.starts_with(kind)), "there is no {kind}");
    }
    paths.push(folder.join("manifest.json"));
    for path in paths {
        let bytes = path.metadata().unwrap().len() as usize;
        for at in [0, bytes / 2, bytes - 2] {
            let sound = flipped(&path, [at]);
            let said = refused(&["verify", text(&folder)]).await;
            assert!(
                said.contains(text(&path)) && said.contains("use another backup") | said.contains("Use another backup"),
                "{at}: {said}"
            );
            refused(&["restore", text(&folder), "--data", text(&data)]).await;
            assert_eq!(std::fs::read_dir(&data).map_or(0, Iterator::count), 0);
            std::fs::write(&path, sound).unwrap();
        }
        let sound = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(refused(&["verify", text(&folder)]).await.contains(text(path.parent().unwrap())), "{}", path.display());
        std::fs::write(&path, sound).unwrap();
    }
    well(&["verify", text(&folder)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_in_any_kind_of_file_of_a_data_folder_are_named() {
    let mut server = Server::with_config(CONFIG).await;
    with_something_of_everything(&server).await;
    server.stop().await;
    let data = server.data();
    well(&["verify", text(&data)]).await;
    let below = |folder: &str| {
        let items = std::fs::read_dir(data.join(folder)).unwrap().map(|item| item.unwrap().path());
        items.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let databases = [below("store"), below("sessions")].concat();
    assert!(databases.len() >= 6, "{databases:?}");
    for path in databases {
        let page = if path.ends_with("sessions.sqlite") { 4_096 } else { 8_192 };
        // Rows are at the end of their pages (SQLite file format, section 1.6).
        let bytes = path.metadata().unwrap().len() as usize;
        let sound = flipped(&path, (2 * page..=bytes).step_by(page).map(|end| end - 6));
        let said = refused(&["verify", text(&data)]).await;
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(said.contains("WRONG") && said.contains(name), "{name}: {said}");
        std::fs::write(&path, sound).unwrap();
    }
    let checkpoint = data.join("checkpoint");
    let middle = checkpoint.metadata().unwrap().len() as usize / 2;
    let sound = flipped(&checkpoint, [middle]);
    let said = refused(&["verify", text(&data)]).await;
    assert!(said.contains(text(&checkpoint)) && said.contains("from a backup"), "{said}");
    std::fs::write(&checkpoint, sound).unwrap();
    let segment = below("log").into_iter().find(|path| path.extension().is_some_and(|it| it == "log")).unwrap();
    let sound = flipped(&segment, [150]);
    let said = refused(&["verify", text(&data)]).await;
    assert!(said.contains(text(&segment)) && said.contains("from a backup"), "{said}");
    std::fs::write(&segment, sound).unwrap();
    // Files of two moments.
    std::fs::remove_file(&segment).unwrap();
    assert!(refused(&["verify", text(&data)]).await.contains("do not belong together"));
}
