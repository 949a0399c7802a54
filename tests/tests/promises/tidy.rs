//! The sources stay such that a person can read them.

use std::path::Path;
use std::process::Command;

use tidegate_tests::tool;

const LINE_MAX: usize = 140;
const FILE_MAX: usize = 500;
/// In CSS and the pages' markup a line is as long as what it lays out; they are held to the length of the file.
const WITH_LONG_LINES: [&str; 3] = ["ts", "tsx", "mjs"];

/// Sources of the repository, those that are not committed yet included.
fn sources() -> Vec<String> {
    let root = tool::file("");
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let is_source = |name: &&str| Path::new(name).extension().is_some_and(|ending| ending == "rs" || is_page(name));
    names.lines().filter(is_source).map(str::to_owned).collect()
}

fn is_page(name: &str) -> bool {
    WITH_LONG_LINES.iter().any(|ending| name.rsplit('.').next() == Some(ending))
}

#[test]
fn no_line_and_no_file_is_too_long_to_read() {
    let (mut wrong, files) = (Vec::new(), sources());
    assert!(files.len() > 300, "{} sources were found", files.len());
    for name in files {
        // One that was deleted and is not committed yet.
        let Ok(text) = std::fs::read_to_string(tool::file(&name)) else { continue };
        let lines = text.lines().count();
        if lines > FILE_MAX {
            wrong.push(format!("{name}: {lines} lines, {FILE_MAX} at most: split it by what its parts are about"));
        }
        for (number, line) in text.lines().enumerate().filter(|_| !is_page(&name)) {
            let characters = line.chars().count();
            if characters > LINE_MAX {
                wrong.push(format!("{name}:{}: {characters} characters, {LINE_MAX} at most: break it", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
