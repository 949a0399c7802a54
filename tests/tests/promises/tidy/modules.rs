//! No two modules of a crate use each other, directly or round a circle: so there is an order in which they can be read,
//! and each can be understood from those before it.
//!
//! Looked at are modules that stand side by side. A module may use what is inside it, and what the module defines of which it
//! is a part. A name that a module passes on (`pub use`) counts as a use of the module that defines it. Tests may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a module stands in its crate: names from the root on.
type ModulePath = Vec<String>;

/// The modules of one crate, without what is compiled for tests only.
#[derive(Default)]
pub struct Modules {
    files: BTreeMap<ModulePath, Source>,
}

struct Source {
    /// Name of the file.
    name: String,
    /// What it passes on: the name, and the path it has from here.
    passed_on: BTreeMap<String, Vec<String>>,
    /// Paths that it names, with their lines.
    named: Vec<(usize, Vec<String>)>,
}

/// Modules side by side that use each other, with the lines where they do.
#[derive(Debug, PartialEq, Eq)]
pub struct Circle {
    pub modules: BTreeSet<String>,
    pub uses: Vec<String>,
}

impl Modules {
    /// `files`: names relative to the crate's `src`, and what is in them.
    pub fn new(files: &[(String, String)]) -> Modules {
        let mut modules = Modules::default();
        let mut tests_only: BTreeSet<ModulePath> = BTreeSet::new();
        for (name, text) in files {
            let module = module_of(name);
            let (code, only) = without_tests(&without_comments(text));
            tests_only.extend(only.into_iter().map(|child| [&module[..], &[child]].concat()));
            modules.files.insert(module, Source::new(name, &code));
        }
        modules.files.retain(|module, _| !(1..=module.len()).any(|depth| tests_only.contains(&module[..depth])));
        modules
    }

    /// Whether a file, by its name, is compiled into the program.
    pub fn has(&self, name: &str) -> bool {
        self.files.values().any(|source| source.name == name)
    }

    /// Every set of modules side by side that use each other.
    pub fn circles(&self) -> Vec<Circle> {
        let mut uses: BTreeMap<ModulePath, BTreeMap<(String, String), Vec<String>>> = BTreeMap::new();
        for (from, source) in &self.files {
            for (line, path) in &source.named {
                let Some(to) = self.resolve(from, path, 0) else { continue };
                let depth = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
                if let (Some(one), Some(other)) = (from.get(depth), to.get(depth)) {
                    let edge = (one.clone(), other.clone());
                    let what = format!("{}:{line} uses {}", source.name, path.join("::"));
                    uses.entry(from[..depth].to_vec()).or_default().entry(edge).or_default().push(what);
                }
            }
        }
        uses.iter().flat_map(|(above, edges)| circles_of(above, edges)).collect()
    }

    /// The module that defines what a path names; `None` where it is in another crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.to_vec(), &path[1..]),
            "super" => (from[..from.len().checked_sub(1)?].to_vec(), &path[1..]),
            child if self.is_module(from, child) => (from.to_vec(), path),
            _ => return None,
        };
        while let Some((first, others)) = rest.split_first() {
            if first == "super" {
                at.pop()?;
            } else if self.is_module(&at, first) {
                at.push(first.clone());
            } else {
                let passed_on = self.files.get(&at).and_then(|source| source.passed_on.get(first));
                // A name passed on in a circle would not compile; the depth is for what this reader mistakes.
                return match passed_on.filter(|_| depth < 8) {
                    Some(path) => self.resolve(&at, path, depth + 1).or(Some(at)),
                    None => Some(at),
                };
            }
            rest = others;
        }
        Some(at)
    }

    fn is_module(&self, above: &[String], name: &str) -> bool {
        self.files.contains_key(&[above, &[name.to_owned()]].concat())
    }
}

impl Source {
    fn new(name: &str, code: &str) -> Source {
        let (mut passed_on, mut named) = (BTreeMap::new(), Vec::new());
        let mut rest = code.to_owned();
        for (at, statement) in statements(code) {
            let line = code[..at].matches('\n').count() + 1;
            let (visibility, tree) = statement.split_once("use ").unwrap_or_default();
            for (path, name) in paths_of(tree) {
                if visibility.starts_with("pub") {
                    passed_on.insert(name, path.clone());
                }
                named.push((line, path));
            }
            rest.replace_range(at..at + statement.len(), &" ".repeat(statement.len()));
        }
        for (at, path) in inline_paths(&rest) {
            named.push((code[..at].matches('\n').count() + 1, path));
        }
        Source { name: name.to_owned(), passed_on, named }
    }
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`; `lib.rs` and `main.rs` the root.
fn module_of(name: &str) -> ModulePath {
    let path = Path::new(name).with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "lib" | "main" | "mod")) {
        parts.pop();
    }
    parts
}

/// What is compiled into the program: no comments, no texts, no tests.
pub fn code_of(text: &str) -> String {
    without_tests(&without_comments(text)).0
}

/// The text with comments and what is in string literals blanked out; lines stay where they are.
fn without_comments(text: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(char) = chars.next() {
        match char {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|char| *char != '\n').is_some() {},
            '\'' if chars.clone().nth(1) == Some('\'') || chars.peek() == Some(&'\\') => {
                // A character literal, which may be a quotation mark.
                if chars.next() == Some('\\') {
                    chars.next();
                }
                while chars.next_if(|char| *char != '\'').is_some() {}
                chars.next();
            }
            '"' => {
                out.push('"');
                while let Some(char) = chars.next() {
                    match char {
                        '\\' => out.extend(chars.next().filter(|char| *char == '\n')),
                        '"' => break,
                        '\n' => out.push('\n'),
                        _ => {}
                    }
                }
                out.push('"');
            }
            _ => out.push(char),
        }
    }
    out
}

/// The code without items that are compiled for tests only, and the names of modules in other files that are.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut only, mut rest) = (String::new(), Vec::new(), code);
    while let Some(at) = rest.find("#[cfg(") {
        let end = at + rest[at..].find(")]").map_or(rest.len() - at, |end| end + 2);
        let is_for_tests = rest[at..end].contains("test") && !rest[at..end].contains("not(");
        if !is_for_tests {
            kept.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        kept.push_str(&rest[..at]);
        let length = end - at + item_length(&rest[end..]);
        let item = rest[end..at + length].trim_start();
        if let Some(name) = item.split_once("mod ").and_then(|(_, name)| name.strip_suffix(';')) {
            only.push(name.to_owned());
        }
        kept.push_str(&"\n".repeat(rest[at..at + length].matches('\n').count()));
        rest = &rest[at + length..];
    }
    kept.push_str(rest);
    (kept, only)
}

/// How far the item goes that the code begins with: to its semicolon or comma, or to the end of its braces.
fn item_length(code: &str) -> usize {
    let mut depth = 0_i32;
    for (at, char) in code.char_indices() {
        match char {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth < 0 {
                    return at;
                }
                if depth == 0 && char == '}' {
                    // Of a `use` with braces the semicolon goes with it.
                    return at + 1 + usize::from(code[at + 1..].starts_with([';', ',']));
                }
            }
            ';' | ',' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Every `use`, with its visibility and where it begins.
fn statements(code: &str) -> Vec<(usize, &str)> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(use_at) = code[from..].find("use ").map(|at| from + at) {
        let begin = code[..use_at].rfind('\n').map_or(0, |line| line + 1);
        let before = code[begin..use_at].trim();
        let is_use = before.is_empty() || (before.starts_with("pub") && !before.contains(' '));
        let end = use_at + code[use_at..].find(';').map_or(code.len() - use_at, |end| end + 1);
        if is_use {
            let begin = use_at - code[begin..use_at].trim_start().len();
            found.push((begin, &code[begin..end]));
            from = end;
        } else {
            from = use_at + 4;
        }
    }
    found
}

/// The paths of a `use`, and the name each has from then on.
fn paths_of(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim().trim_end_matches(';').trim();
    let Some((head, inside)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
        if path.last().is_some_and(|last| last == "self" && path.len() > 1) {
            path.pop();
        }
        let name = if name.is_empty() { path.last().cloned().unwrap_or_default() } else { name.trim().to_owned() };
        return vec![(path, name)];
    };
    let inside = inside.trim_end().trim_end_matches('}');
    let head: Vec<&str> = head.trim().trim_end_matches("::").split("::").filter(|part| !part.is_empty()).collect();
    let mut paths = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    let commas = inside.char_indices().filter(|(_, char)| matches!(char, '{' | '}' | ','));
    let mut ends = Vec::new();
    for (at, char) in commas {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => ends.push(at),
            _ => {}
        }
    }
    ends.push(inside.len());
    for end in ends {
        let one = inside[begin..end].trim();
        begin = (end + 1).min(inside.len());
        if one.is_empty() {
            continue;
        }
        for (path, name) in paths_of(one) {
            let path = match path.first().map(String::as_str) {
                Some("self") if path.len() == 1 => head.iter().map(|part| (*part).to_owned()).collect(),
                _ => head.iter().map(|part| (*part).to_owned()).chain(path).collect::<Vec<_>>(),
            };
            let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
            paths.push((path, name));
        }
    }
    paths
}

/// Paths in the code that begin with `crate::` or `super::`.
fn inline_paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for begin in ["crate::", "super::"] {
        let mut from = 0;
        while let Some(at) = code[from..].find(begin).map(|at| from + at) {
            let is_name = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
            let end = at + code[at..].find(|char| !is_name(char)).unwrap_or(code.len() - at);
            from = end;
            // `pub(in crate::a)` says who may use it, and uses nothing.
            let is_begin = !code[..at].ends_with(is_name) && !code[..at].ends_with("in ");
            if is_begin {
                found
                    .push((at, code[at..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()));
            }
        }
    }
    found
}

/// Modules from which each other can be reached.
fn circles_of(above: &[String], edges: &BTreeMap<(String, String), Vec<String>>) -> Vec<Circle> {
    let nodes: BTreeSet<&String> = edges.keys().flat_map(|(from, to)| [from, to]).collect();
    let reached = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            let new =
                edges.keys().filter(|(from, _)| from == at).map(|(_, to)| to).filter(|to| seen.insert((*to).clone()));
            next.extend(new.collect::<Vec<_>>());
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = nodes.iter().map(|node| (*node, reached(node))).collect();
    let circles: BTreeSet<BTreeSet<&String>> = nodes
        .iter()
        .map(|node| nodes.iter().filter(|other| reach[*node].contains(**other) && reach[**other].contains(*node)))
        .map(|circle| circle.copied().collect::<BTreeSet<_>>())
        .filter(|circle| circle.len() > 1)
        .collect();
    let full = |name: &String| above.iter().chain([name]).cloned().collect::<Vec<_>>().join("::");
    let describe = |circle: BTreeSet<&String>| Circle {
        uses: edges
            .iter()
            .filter(|((from, to), _)| circle.contains(from) && circle.contains(to))
            .map(|((from, to), at)| format!("{} -> {}: {}", full(from), full(to), at[..at.len().min(3)].join(", ")))
            .collect(),
        modules: circle.into_iter().map(full).collect(),
    };
    circles.into_iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Circle> {
        let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Modules::new(&files).circles()
    }

    fn names(circles: &[Circle]) -> Vec<Vec<&str>> {
        circles.iter().map(|circle| circle.modules.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn modules_that_use_each_other_are_found_however_they_name_each_other() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;\nmod c;\npub use b::Thing;\n"),
            ("a.rs", "use crate::c::{\n    One,\n    Two as Other,\n};\n"),
            ("b.rs", "fn go() -> crate::a::A {}\n"),
            ("c.rs", "use crate::Thing;\n"),
        ]);
        assert_eq!(names(&found), [["a", "b", "c"]]);
        assert_eq!(found[0].uses.len(), 3, "{found:?}");
        assert!(found[0].uses[0].contains("a.rs:1"), "{found:?}");
    }

    #[test]
    fn a_circle_deeper_in_the_tree_is_found_and_one_name_that_is_passed_on_is_no_way_round() {
        let found = circles(&[
            ("lib.rs", "mod room;"),
            ("room/mod.rs", "mod left;\nmod right;\npub(crate) use left::Left;\n"),
            ("room/left.rs", "use super::right::Right;\n"),
            ("room/right/mod.rs", "mod deep;\n"),
            ("room/right/deep.rs", "use crate::room::Left;\n"),
        ]);
        assert_eq!(names(&found), [["room::left", "room::right"]]);
    }

    #[test]
    fn what_is_above_inside_in_tests_comments_and_texts_is_no_circle() {
        let found = circles(&[
            ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod probe;\nstruct Root;\n"),
            ("a.rs", "use crate::b::B;\nuse crate::Root;\npub(in crate::a) fn f() {}\n"),
            (
                "b.rs",
                "// crate::a::A\nconst B: &str = \"crate::a::A\";\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
            ),
            ("probe.rs", "use crate::a::A;\n"),
        ]);
        assert_eq!(names(&found), Vec::<Vec<&str>>::new());
    }
}
