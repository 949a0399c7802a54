//! Whether everything that was counted elsewhere is here.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

use crate::transfer::request::{Query, patiently};
use crate::words::utc;

/// Points counted at once: `http.page_max` is 10,000 by default.
const PAGE_POINTS: &str = "10000";
/// Series that are named when something is missing.
const NAMED_MAX: usize = 20;

/// Points elsewhere, by device and metric.
#[derive(Debug, Default)]
pub struct Counted {
    series: BTreeMap<(String, String), u64>,
}

impl Counted {
    /// Several series there may be one here.
    pub fn add(&mut self, device: String, metric: String, points: u64) {
        *self.series.entry((device, metric)).or_default() += points;
    }
}

/// Counts the same series here, from a time up to another (Unix ms), and says what it finds.
///
/// # Errors
/// When one has fewer points here.
pub fn with_here(server: SocketAddr, there: &Counted, from_ms: i64, to_ms: i64) -> Result<()> {
    let (mut points, mut more, mut fewer) = (0, 0, Vec::new());
    for ((device, metric), wanted) in &there.series {
        let here = count(server, device, metric, from_ms, to_ms)?;
        points += wanted;
        more += u64::from(here > *wanted);
        if here < *wanted {
            fewer.push(format!("  {metric} of {device}: {wanted} there, {here} here"));
        }
    }
    let (series, from, to) = (there.series.len(), utc(from_ms), utc(to_ms));
    println!("compared: {series} series with {points} points there, from {from} to {to}");
    if more > 0 {
        println!("{more} of them have more points here: they have others than those that were brought");
    }
    if fewer.is_empty() {
        println!("none has fewer points here");
        return Ok(());
    }
    let count = fewer.len();
    fewer.truncate(NAMED_MAX);
    bail!(
        "{count} series have fewer points here. Those of one millisecond with one value are one here; what else is missing was \
         told above, or came there meanwhile:\n{}",
        fewer.join("\n")
    )
}

fn count(server: SocketAddr, device: &str, metric: &str, from_ms: i64, to_ms: i64) -> Result<u64> {
    let query = Query::new("/v1/export").with("format", Some("csv")).with("device", Some(device));
    let query = query.with("metric", Some(metric)).with("from", Some(&from_ms.to_string()));
    let query = query.with("to", Some(&to_ms.to_string())).with("limit", Some(PAGE_POINTS));
    let (mut points, mut next) = (0, String::new());
    loop {
        let mut answer = patiently(server, &format!("{}{next}", query.text()), None)?;
        let of = answer.header("tidegate-points").and_then(|count| count.parse::<u64>().ok());
        let cursor = answer.header("tidegate-next").map(|cursor| format!("&cursor={cursor}"));
        io::copy(&mut answer.body.by_ref(), &mut io::sink()).context("the answer broke off")?;
        points += of.context("the answer is none of /v1/export: is it a tidegate?")?;
        match cursor {
            Some(cursor) => next = cursor,
            None => return Ok(points),
        }
    }
}
