//! docs/mqtt-conformance.md lists every normative statement, and every test that it names is there.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The numbers of the statements of a section, as the standard counts them.
type Section = (&'static str, RangeInclusive<u16>);

/// OASIS MQTT 3.1.1 (29 October 2014), appendix B: 141 statements. Its misprints MQTT-3.1.2.7 and MQTT-3-8.3-4 are read
/// as MQTT-3.1.2-7 and MQTT-3.8.3-4.
const MQTT_3_1_1: &[Section] = &[
    ("1.5.3", 1..=3),
    ("2.2.2", 1..=2),
    ("2.3.1", 1..=7),
    ("3.1.0", 1..=2),
    ("3.1.2", 1..=24),
    ("3.1.3", 1..=11),
    ("3.1.4", 1..=5),
    ("3.2.0", 1..=1),
    ("3.2.2", 1..=6),
    ("3.3.1", 1..=12),
    ("3.3.2", 1..=3),
    ("3.3.4", 1..=1),
    ("3.3.5", 1..=2),
    ("3.6.1", 1..=1),
    ("3.8.1", 1..=1),
    ("3.8.3", 1..=4),
    ("3.8.4", 1..=6),
    ("3.9.3", 1..=2),
    ("3.10.1", 1..=1),
    ("3.10.3", 1..=2),
    ("3.10.4", 1..=6),
    ("3.12.4", 1..=1),
    ("3.14.1", 1..=1),
    ("3.14.4", 1..=3),
    ("4.1.0", 1..=2),
    ("4.3.1", 1..=1),
    ("4.3.2", 1..=2),
    ("4.3.3", 1..=2),
    ("4.4.0", 1..=1),
    ("4.5.0", 1..=2),
    ("4.6.0", 1..=6),
    ("4.7.1", 1..=3),
    ("4.7.2", 1..=1),
    ("4.7.3", 1..=4),
    ("4.8.0", 1..=2),
    ("6.0.0", 1..=4),
    ("7.0.0", 1..=2),
    ("7.1.1", 1..=1),
    ("7.1.2", 1..=1),
];

/// OASIS MQTT 5.0 (7 March 2019), appendix B: 251 statements. 2.2.1 has no first one.
const MQTT_5_0: &[Section] = &[
    ("1.5.4", 1..=3),
    ("1.5.5", 1..=1),
    ("1.5.7", 1..=1),
    ("2.1.3", 1..=1),
    ("2.2.1", 2..=6),
    ("2.2.2", 1..=1),
    ("3.1.0", 1..=2),
    ("3.1.2", 1..=30),
    ("3.1.3", 1..=12),
    ("3.1.4", 1..=6),
    ("3.2.0", 1..=2),
    ("3.2.2", 1..=22),
    ("3.3.1", 1..=13),
    ("3.3.2", 1..=20),
    ("3.3.4", 1..=10),
    ("3.4.2", 1..=3),
    ("3.5.2", 1..=3),
    ("3.6.1", 1..=1),
    ("3.6.2", 1..=3),
    ("3.7.2", 1..=3),
    ("3.8.1", 1..=1),
    ("3.8.3", 1..=5),
    ("3.8.4", 1..=8),
    ("3.9.2", 1..=2),
    ("3.9.3", 1..=2),
    ("3.10.1", 1..=1),
    ("3.10.3", 1..=2),
    ("3.10.4", 1..=6),
    ("3.11.2", 1..=2),
    ("3.11.3", 1..=2),
    ("3.12.4", 1..=1),
    ("3.14.0", 1..=1),
    ("3.14.1", 1..=1),
    ("3.14.2", 1..=4),
    ("3.14.4", 1..=3),
    ("3.15.1", 1..=1),
    ("3.15.2", 1..=3),
    ("4.1.0", 1..=2),
    ("4.2.0", 1..=1),
    ("4.3.1", 1..=1),
    ("4.3.2", 1..=5),
    ("4.3.3", 1..=13),
    ("4.4.0", 1..=2),
    ("4.5.0", 1..=2),
    ("4.6.0", 1..=6),
    ("4.7.0", 1..=1),
    ("4.7.1", 1..=2),
    ("4.7.2", 1..=1),
    ("4.7.3", 1..=4),
    ("4.8.2", 1..=6),
    ("4.9.0", 1..=3),
    ("4.12.0", 1..=7),
    ("4.12.1", 1..=2),
    ("4.13.1", 1..=1),
    ("4.13.2", 1..=1),
    ("6.0.0", 1..=4),
];

/// How a statement without a test begins to say why.
const EXCUSES: [&str; 2] = ["For clients", "Not offered:"];

/// One row of the document.
struct Row {
    number: String,
    shown_by: String,
}

impl Row {
    fn tests(&self) -> impl Iterator<Item = &str> {
        self.shown_by.split('`').skip(1).step_by(2)
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the broker is a folder of the repository")
}

/// The rows by the heading of their version.
fn rows() -> BTreeMap<String, Vec<Row>> {
    let document = fs::read_to_string(repository().join("docs/mqtt-conformance.md")).unwrap();
    let mut versions: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut version = String::new();
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            version = heading.to_owned();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", number, says, shown_by, ""] = cells[..]
            && (number.starts_with("MQTT-") || number.starts_with("V3.1 "))
        {
            assert!(!says.is_empty(), "{number} says nothing");
            let row = Row { number: number.to_owned(), shown_by: shown_by.to_owned() };
            versions.entry(version.clone()).or_default().push(row);
        }
    }
    versions
}

#[test]
fn the_document_lists_every_normative_statement_once() {
    let rows = rows();
    for (version, sections, count) in [("MQTT 5.0", MQTT_5_0, 251), ("MQTT 3.1.1", MQTT_3_1_1, 141)] {
        let expected: BTreeSet<String> = sections
            .iter()
            .flat_map(|(section, numbers)| numbers.clone().map(move |n| format!("MQTT-{section}-{n}")))
            .collect();
        assert_eq!(expected.len(), count);
        let listed: Vec<&String> = rows[version].iter().map(|row| &row.number).collect();
        let set: BTreeSet<String> = listed.iter().map(|number| number.to_string()).collect();
        assert_eq!(set.len(), listed.len(), "{version} lists a statement twice");
        let missing: Vec<_> = expected.difference(&set).collect();
        let unknown: Vec<_> = set.difference(&expected).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{version}: missing {missing:?}, unknown {unknown:?}");
    }
    // The specification of 3.1 numbers nothing.
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["MQTT 3.1", "MQTT 3.1.1", "MQTT 5.0"]);
}

#[test]
fn the_document_names_tests_that_are_there_or_says_why_there_is_none() {
    let mut sources = Vec::new();
    for folder in ["broker/src", "broker/tests", "tests/tests"] {
        add_sources(&repository().join(folder), &mut sources);
    }
    let tests: HashSet<String> = sources.iter().flat_map(|path| tests_of(&fs::read_to_string(path).unwrap())).collect();
    assert!(tests.contains("the_document_lists_every_normative_statement_once"), "they are found");
    let mut wrong = Vec::new();
    for row in rows().values().flatten() {
        let unknown: Vec<&str> = row.tests().filter(|test| !tests.contains(*test)).collect();
        if !unknown.is_empty() {
            wrong.push(format!("{}: no test {unknown:?}", row.number));
        }
        if row.tests().next().is_none() && !EXCUSES.iter().any(|excuse| row.shown_by.starts_with(excuse)) {
            wrong.push(format!("{}: neither a test nor a reason", row.number));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn add_sources(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}

/// Names of the functions that follow a test attribute.
fn tests_of(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        if let (true, Some(name)) = (is_test, name) {
            names.push(name.to_owned());
            is_test = false;
        }
    }
    names
}
