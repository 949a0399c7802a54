//! Which room names which crate, as ARCHITECTURE.md says it.

use std::collections::{BTreeMap, BTreeSet};

/// A table of ARCHITECTURE.md: outside crates, and the rooms that name them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OutsideCrates {
    /// Paths of folders or files; none: anybody may.
    rooms: BTreeMap<String, Vec<String>>,
}

/// Which of our crates may name which, as the list in ARCHITECTURE.md has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrows {
    below: BTreeMap<String, Vec<String>>,
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table whose head begins with `head`.
fn rows<'a>(document: &'a str, head: &str) -> impl Iterator<Item = Vec<&'a str>> {
    let lines = document.lines().skip_while(move |line| !line.starts_with(&format!("| {head} |"))).skip(2);
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

impl OutsideCrates {
    /// Reads the table whose head is `Crate`, `Named in`, `Why`.
    pub fn read(document: &str) -> OutsideCrates {
        let mut crates = OutsideCrates::default();
        for row in rows(document, "Crate") {
            let [names, rooms, why] = row[..] else {
                panic!("a row of the table of crates has three columns: {row:?}")
            };
            assert!(!why.is_empty(), "{names}: say why it is there");
            for name in quoted(names) {
                assert!(!crates.rooms.contains_key(&name), "`{name}` has two rows");
                crates.rooms.insert(name, quoted(rooms));
            }
        }
        crates
    }

    /// What is wrong with sources (by path) of packages that depend on outside crates: `used` has the folder of the package
    /// and the crate. Tests may use any.
    pub fn breaches(&self, used: &[(String, String)], sources: &[(String, String)]) -> Vec<String> {
        let mut wrong = Vec::new();
        let names: BTreeSet<&String> = used.iter().map(|(_, name)| name).collect();
        for name in names.iter().filter(|name| !self.rooms.contains_key(**name)) {
            wrong.push(format!("`{name}` has no row in ARCHITECTURE.md's table of crates: say who names it, and why"));
        }
        for (name, rooms) in &self.rooms {
            if !names.contains(name) {
                wrong.push(format!("`{name}` has a row in ARCHITECTURE.md's table, and nobody depends on it"));
            }
            let path = format!("{}::", name.replace('-', "_"));
            let naming = |code: &str| code.match_indices(&path).any(|(at, _)| !is_part_of_a_name(code, at));
            let depends = |file: &str| used.iter().any(|(package, of)| of == name && is_in(file, package));
            let names_it = |(file, code): &&(String, String)| depends(file) && naming(code);
            let named: Vec<&String> = sources.iter().filter(names_it).map(|(file, _)| file).collect();
            for file in named.iter().filter(|file| !rooms.is_empty() && !rooms.iter().any(|room| is_in(file, room))) {
                wrong.push(format!("{file} names `{name}`, which only {} may", rooms.join(", ")));
            }
            for room in rooms.iter().filter(|room| !named.iter().any(|file| is_in(file, room))) {
                wrong.push(format!("{room} does not name `{name}`, though ARCHITECTURE.md's table of crates says so"));
            }
        }
        wrong
    }
}

fn is_in(file: &str, room: &str) -> bool {
    file.strip_prefix(room.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_part_of_a_name(code: &str, at: usize) -> bool {
    let before = code[..at].trim_end_matches("::");
    // `::metrics` is the crate where a module has the same name; `crate::metrics` is the module.
    before.ends_with(|char: char| char.is_alphanumeric() || char == '_')
}

impl Arrows {
    /// Reads the table whose head is `Crate of ours`, `Uses`.
    pub fn read(document: &str) -> Arrows {
        let mut arrows = Arrows::default();
        for row in rows(document, "Crate of ours") {
            let [names, below] = row[..] else { panic!("a row of the table of arrows has two columns: {row:?}") };
            for name in quoted(names) {
                arrows.below.insert(name, quoted(below));
            }
        }
        arrows
    }

    /// What is wrong with the edges `crate`, `what it depends on` (not for tests alone).
    pub fn breaches(&self, edges: &[(String, String)]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (from, to) in edges {
            match self.below.get(from) {
                None => wrong.push(format!("`{from}` has no row in ARCHITECTURE.md's table of arrows")),
                Some(below) if !below.contains(to) => {
                    wrong.push(format!("`{from}` depends on `{to}`, against ARCHITECTURE.md's table of arrows"));
                }
                Some(_) => {}
            }
        }
        for (from, below) in &self.below {
            let is_there = |to: &&String| edges.iter().any(|edge| edge.0 == *from && edge.1 == **to);
            for to in below.iter().filter(|to| !is_there(to)) {
                wrong.push(format!(
                    "`{from}` does not depend on `{to}`, though ARCHITECTURE.md's table of arrows says so"
                ));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
    }

    const CRATES: &str = "| Crate | Named in | Why |\n|---|---|---|\n| `serde` | anywhere | words |\n\
                          | `tower-http` | `push/http/` | compresses |\n\nmore\n";

    #[test]
    fn an_outside_crate_that_another_room_names_is_found_and_so_is_a_row_that_is_no_longer_true() {
        let crates = OutsideCrates::read(CRATES);
        let used = owned(&[("push", "serde"), ("push", "tower-http"), ("views", "serde")]);
        let good = owned(&[("push/http/a.rs", "use tower_http::A;"), ("views/b.rs", "use serde::De;")]);
        assert_eq!(crates.breaches(&used, &good), Vec::<String>::new());
        let elsewhere = owned(&[("push/http/a.rs", "use tower_http::A;"), ("push/rest.rs", "tower_http::B")]);
        assert_eq!(crates.breaches(&used, &elsewhere), ["push/rest.rs names `tower-http`, which only push/http/ may"]);
        let stale = owned(&[("push/http/a.rs", "use crate::tower_http::A;")]);
        assert_eq!(crates.breaches(&used, &stale).len(), 1, "a module of ours has the name");
        let unknown = owned(&[("push", "serde"), ("push", "tower-http"), ("push", "axum")]);
        assert!(crates.breaches(&unknown, &good)[0].starts_with("`axum` has no row"));
        assert!(crates.breaches(&used[..1], &good)[0].contains("nobody depends on it"));
    }

    #[test]
    fn a_crate_of_ours_that_depends_against_the_arrows_is_found_and_so_is_an_arrow_that_is_gone() {
        let arrows = Arrows::read("| Crate of ours | Uses |\n|---|---|\n| `views` | `words` |\n| `words` | |\n");
        assert_eq!(arrows.breaches(&owned(&[("views", "words")])), Vec::<String>::new());
        let wrong = arrows.breaches(&owned(&[("words", "views")]));
        assert!(wrong[0].starts_with("`words` depends on `views`, against"), "{wrong:?}");
        assert!(wrong[1].starts_with("`views` does not depend on `words`"), "{wrong:?}");
        assert!(arrows.breaches(&owned(&[("store", "words")]))[0].starts_with("`store` has no row"));
    }
}
