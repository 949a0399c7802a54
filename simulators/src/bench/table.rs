//! The figures as Markdown and JSON.

use serde::Serialize;
use std::fmt;

/// One figure on Tidegate and on a peer.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The load.
    pub load: String,
    /// What is measured, with its unit.
    pub figure: &'static str,
    /// Tidegate's.
    pub tidegate: f64,
    /// The peer's, if it has one: Mosquitto's where the load names no other.
    pub peer: Option<f64>,
    /// Tidegate's over the peer's.
    pub ratio: Option<f64>,
    /// What is to be reached.
    pub goal: &'static str,
}

/// All figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Table {
    /// In the order they were measured.
    pub rows: Vec<Row>,
    /// What does not grow as it may, in words; the run has failed if there is any.
    pub missed: Vec<String>,
}

impl Table {
    /// Adds a figure.
    pub fn add(&mut self, load: &str, figure: &'static str, tidegate: f64, peer: Option<f64>, goal: &'static str) {
        let ratio = peer.filter(|peer| *peer > 0.0).map(|peer| tidegate / peer);
        self.rows.push(Row { load: load.to_owned(), figure, tidegate, peer, ratio, goal });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| Load | Figure | Tidegate | Peer | Ratio | To reach |")?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let peer = row.peer.map_or_else(|| "-".to_owned(), number);
            let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            let tidegate = number(row.tidegate);
            writeln!(out, "| {} | {} | {tidegate} | {peer} | {ratio} | {} |", row.load, row.figure, row.goal)?;
        }
        Ok(())
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_without_a_peer_has_no_ratio() {
        let mut table = Table::default();
        table.add("2,000/s", "p50, ms", 0.5, Some(2.0), "1.0");
        table.add("hour", "memory, MB", 143.6, None, "150");
        let text = table.to_string();
        assert!(text.contains("| 2,000/s | p50, ms | 0.50 | 2.00 | 0.25 | 1.0 |"), "{text}");
        assert!(text.contains("| hour | memory, MB | 144 | - | - | 150 |"), "{text}");
    }
}
