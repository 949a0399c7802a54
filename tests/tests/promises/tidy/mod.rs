//! The sources stay such that a person can read them: sizes, and who may name what.
//!
//! - `modules`: no modules of a crate use each other in a circle
//! - `crates`: which room names which crate, as the tables of ARCHITECTURE.md say

mod crates;
mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use self::crates::{Arrows, OutsideCrates};
use self::modules::{Modules, code_of};
use tidegate_tests::tool;

const LINE_MAX: usize = 140;
const FILE_MAX: usize = 500;
/// In CSS and the pages' markup a line is as long as what it lays out; they are held to the length of the file.
const WITH_LONG_LINES: [&str; 3] = ["ts", "tsx", "mjs"];

/// Formats of payloads that others have defined. What knows one stands in the folder of formats; tests and simulated devices
/// may write them.
const OUTSIDE_FORMATS: [&str; 12] = [
    "sparkplug",
    "senml",
    "cayenne",
    "homie",
    "tasmota",
    "zigbee2mqtt",
    "shelly",
    "chirpstack",
    "ttn",
    "cbor",
    "msgpack",
    "protobuf",
];

/// Where formats of payloads are known.
const FORMATS: &str = "bridge/decode/src/formats/";

/// Sources of the repository, those that are not committed yet included, without those that were deleted.
fn sources() -> Vec<(String, String)> {
    let root = tool::file("");
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let is_source = |name: &&str| Path::new(name).extension().is_some_and(|ending| ending == "rs" || is_page(name));
    let read = |name: &str| Some((name.to_owned(), std::fs::read_to_string(tool::file(name)).ok()?));
    let sources: Vec<_> = names.lines().filter(is_source).filter_map(read).collect();
    assert!(sources.len() > 300, "{} sources were found", sources.len());
    sources
}

fn is_page(name: &str) -> bool {
    WITH_LONG_LINES.iter().any(|ending| name.rsplit('.').next() == Some(ending))
}

/// The sources of each crate, without tests and fuzz targets: the folder, and the files in it by name.
fn crates_of(sources: &[(String, String)]) -> BTreeMap<String, Vec<(String, String)>> {
    let root = |name: &str| name.strip_suffix("lib.rs").or(name.strip_suffix("main.rs")).map(str::to_owned);
    let roots: BTreeSet<String> =
        sources.iter().filter_map(|(name, _)| root(name)).filter(|root| root.ends_with("/src/")).collect();
    assert!(roots.len() > 10, "{roots:?}");
    let files = |root: &String| {
        let inside = |(name, text): &(String, String)| Some((name.strip_prefix(root)?.to_owned(), text.clone()));
        sources.iter().filter_map(inside).filter(|(name, _)| name.ends_with(".rs")).collect()
    };
    roots.iter().map(|root| (root.clone(), files(root))).collect()
}

/// What is compiled into the programs, by file: no comments, no tests.
fn programs() -> Vec<(String, String)> {
    let crates = crates_of(&sources()).into_iter().filter(|(root, _)| !root.starts_with("tests/"));
    let code = |(root, files): (String, Vec<(String, String)>)| {
        let modules = Modules::new(&files);
        let compiled = files.into_iter().filter(move |(name, _)| modules.has(name));
        compiled.map(|(name, text)| (format!("{root}{name}"), code_of(&text))).collect::<Vec<_>>()
    };
    crates.flat_map(code).collect()
}

fn architecture() -> String {
    std::fs::read_to_string(tool::file("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there")
}

/// The packages of the workspace, as cargo knows them.
fn packages() -> Vec<serde_json::Value> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(tool::file("")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("it lists the packages").clone()
}

/// A package depends on another, not for tests alone.
struct Dependency {
    /// Name of the package.
    from: String,
    /// Its folder in the repository.
    folder: String,
    /// Name of what it depends on.
    to: String,
}

fn dependencies() -> Vec<Dependency> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let root = tool::file("").canonicalize().expect("the repository is there");
    let mut found = Vec::new();
    for package in packages().into_iter().filter(|package| !is_for_tests(&text(&package["name"]))) {
        let manifest = text(&package["manifest_path"]);
        let folder = Path::new(&manifest).parent().and_then(|folder| folder.strip_prefix(&root).ok());
        let folder = folder.expect("it is in the repository").to_string_lossy().into_owned();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"].is_null() {
                let (from, to) = (text(&package["name"]), text(&dependency["name"]));
                found.push(Dependency { from, folder: folder.clone(), to });
            }
        }
    }
    found
}

fn is_for_tests(package: &str) -> bool {
    matches!(package, "tidegate-tests" | "tidegate-testing")
}

fn is_ours(package: &str) -> bool {
    package.starts_with("tidegate")
}

#[test]
fn no_line_and_no_file_is_too_long_to_read() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
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

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (root, files) in crates_of(&sources()) {
        for circle in Modules::new(&files).circles() {
            wrong.push(format!("{root}: {:?} use each other\n  {}", circle.modules, circle.uses.join("\n  ")));
        }
    }
    let remedy = "move what both need to a module of its own, or what is used to the module that uses it";
    assert!(wrong.is_empty(), "{}\n{remedy}", wrong.join("\n"));
}

#[test]
fn an_outside_crate_is_named_only_in_the_room_that_the_table_says() {
    let outside = dependencies().into_iter().filter(|dependency| !is_ours(&dependency.to));
    let used: Vec<_> = outside.map(|dependency| (dependency.folder, dependency.to)).collect();
    let wrong = OutsideCrates::read(&architecture()).breaches(&used, &programs());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_crate_of_ours_depends_on_another_against_the_arrows() {
    let ours = dependencies().into_iter().filter(|dependency| is_ours(&dependency.to));
    let edges: Vec<_> = ours.map(|dependency| (dependency.from, dependency.to)).collect();
    let wrong = Arrows::read(&architecture()).breaches(&edges);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of outside formats of payloads in code outside of the folder of formats.
fn strangers(programs: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, code) in
        programs.iter().filter(|(file, _)| !file.starts_with(FORMATS) && !file.starts_with("simulators/"))
    {
        let words: Vec<String> = code.split(|char: char| !char.is_alphanumeric()).map(str::to_lowercase).collect();
        for format in OUTSIDE_FORMATS.iter().filter(|format| words.iter().any(|word| word.starts_with(**format))) {
            found.push(format!("{file} names {format}: what knows a format of payloads stands in {FORMATS}"));
        }
    }
    found
}

#[test]
fn only_the_folder_of_formats_knows_an_outside_format_of_payloads() {
    let wrong = strangers(&programs());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let bad = [
        ("bridge/process/src/fleet.rs".to_owned(), "if SparkplugB::is(topic) {}".to_owned()),
        (format!("{FORMATS}sparkplug.rs"), "struct Sparkplug;".to_owned()),
    ];
    assert_eq!(strangers(&bad).len(), 1, "the check finds one");
}
