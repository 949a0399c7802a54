//! `tidegate export`: history of a running program, page by page, into a file or to stdout.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::kept::{beside, keep};
use super::progress::Progress;
use super::request::{Query, patiently};
use crate::cli::{Export, Lines};
use crate::words::size;

/// Points of a page: `http.page_max` is 10,000 by default, and a program that allows fewer says so.
const PAGE_POINTS: &str = "10000";
const SUFFIX: &str = "cursor";

/// How far an export into a file is: beside the file until it is whole.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// What is exported.
    query: String,
    /// Bytes of the file up to there.
    bytes: u64,
    /// Where it goes on.
    cursor: Option<String>,
    /// Points up to there.
    points: u64,
}

/// Exports.
///
/// # Errors
/// What kept it from being whole; it can be resumed then.
pub fn run(arguments: &Export) -> Result<()> {
    match arguments.out.as_deref() {
        None => to_stdout(arguments),
        Some(file) => to_file(arguments, file),
    }
}

fn to_stdout(arguments: &Export) -> Result<()> {
    let mut state = State { query: query(arguments), bytes: 0, cursor: None, points: 0 };
    let mut out = io::stdout().lock();
    let points = pages(arguments, &mut state, |page, _| out.write_all(page).context("stdout"))?;
    eprintln!("{points} points");
    Ok(())
}

fn to_file(arguments: &Export, file: &Path) -> Result<()> {
    let beside = beside(file, SUFFIX);
    let kept = kept(&beside)?;
    let is_begun = kept.is_some();
    let mut state = match (arguments.resume, kept) {
        (true, Some(kept)) if is_same(&kept.query, &query(arguments)) => kept,
        (true, Some(_)) => {
            bail!("{} is of an export of something else: ask for the same, or leave --resume out", beside.display())
        }
        (true, None) if file.exists() => {
            println!("{} is whole: there is nothing to resume", file.display());
            return Ok(());
        }
        _ if beside.exists() => {
            bail!("{} was broken off: go on with --resume, or remove it and {}", file.display(), beside.display())
        }
        _ => State { query: query(arguments), bytes: 0, cursor: None, points: 0 },
    };
    let cannot = || format!("cannot write {}", file.display());
    let mut options = OpenOptions::new();
    if state.bytes > 0 {
        options.write(true)
    } else {
        options.write(true).create_new(!arguments.resume).create(true)
    };
    // A file without what is said beside it is whole: so that is there first.
    keep(&beside, &state)?;
    let mut out = match options.open(file) {
        Ok(out) => out,
        Err(error) => {
            if !is_begun {
                let _ = fs::remove_file(&beside);
            }
            return Err(error).with_context(cannot);
        }
    };
    out.set_len(state.bytes).with_context(cannot)?;
    out.seek(SeekFrom::End(0)).with_context(cannot)?;
    let points = pages(arguments, &mut state, |page, state| {
        out.write_all(page).with_context(cannot)?;
        // The file is never behind what is said of it, so it is cut off where that says, and each point is in it once.
        out.sync_data().with_context(cannot)?;
        keep(&beside, state)
    })?;
    fs::remove_file(&beside).with_context(|| format!("cannot remove {}", beside.display()))?;
    println!("{points} points, {} in {}", size(state.bytes), file.display());
    Ok(())
}

/// What is said beside the file; `None`: nothing is.
fn kept(beside: &Path) -> Result<Option<State>> {
    let text = match fs::read(beside) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", beside.display())),
    };
    let state = serde_json::from_slice(&text);
    state.map(Some).with_context(|| {
        format!("{} does not say how far the export is: remove it and its file, and export anew", beside.display())
    })
}

/// What is asked for, but for where it goes on. Without an end it ends now, also when it is resumed.
fn query(arguments: &Export) -> String {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis()).to_string();
    let format = match arguments.format {
        Lines::Csv => "csv",
        Lines::LineProtocol => "line-protocol",
    };
    let query = Query::new("/v1/export").with("format", Some(format)).with("device", arguments.device.as_deref());
    let query = query.with("group", arguments.group.as_deref()).with("metric", arguments.metric.as_deref());
    let query = query.with("resolution", arguments.resolution.as_deref());
    let query = query.with("from", arguments.from.as_deref()).with("limit", Some(PAGE_POINTS));
    query.with("to", Some(arguments.to.as_deref().unwrap_or(&now_ms))).text().to_owned()
}

/// Whether two ask for the same. The end of one that is resumed counts.
fn is_same(kept: &str, now: &str) -> bool {
    let but_for_its_end = |query: &str| query.rsplit_once("&to=").map(|(rest, _)| rest.to_owned());
    but_for_its_end(kept) == but_for_its_end(now)
}

/// Asks for page after page, and hands each on with what is said of it then; how many points there are.
fn pages(arguments: &Export, state: &mut State, mut take: impl FnMut(&[u8], &State) -> Result<()>) -> Result<u64> {
    let mut progress = Progress::new();
    let before = state.points;
    loop {
        let cursor = state.cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let mut answer = patiently(arguments.http, &format!("{}{cursor}", state.query), None)?;
        let next = answer.header("tidegate-next").map(str::to_owned);
        let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
        let count = answer.header("tidegate-points").and_then(|count| count.parse::<u64>().ok());
        let (length, count) = length.zip(count).context("the answer is none of /v1/export: is it a tidegate?")?;
        let mut page = Vec::with_capacity(length);
        answer.body.read_to_end(&mut page).context("the answer broke off: go on with --resume")?;
        if page.len() != length {
            bail!("the answer broke off: go on with --resume");
        }
        state.bytes += page.len() as u64;
        state.points += count;
        state.cursor = next;
        take(&page, state)?;
        progress.tell(state.points - before, || size(state.bytes));
        if state.cursor.is_none() {
            progress.clear();
            return Ok(state.points);
        }
    }
}
