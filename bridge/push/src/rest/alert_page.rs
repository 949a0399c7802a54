//! A page of alerts, and where the next one begins.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use tidegate_telemetry::{AlertChange, Position};

use super::numbers::digits;
use crate::api::Alert;

/// A page of alerts.
#[derive(Debug, Default, Serialize)]
pub struct Alerts {
    /// Newest first.
    pub alerts: Vec<Alert<Arc<AlertChange>>>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "String")]
pub enum Cursor {
    /// Among those the views hold: after the one raised then (Unix ms) with that identifier.
    Held(i64, Arc<str>),
    /// Among those that history holds: at that position, after so many of it.
    Cleared(Position, usize),
}

impl Alerts {
    pub fn of(alerts: Vec<Arc<AlertChange>>, next: Option<Cursor>) -> Self {
        Alerts { alerts: alerts.into_iter().map(Alert).collect(), next }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cursor::Held(raised, id) => write!(f, "h{raised}.{id}"),
            Cursor::Cleared(position, skipped) => write!(f, "c{position}.{skipped}"),
        }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, rest) = text.get(1..).and_then(|text| text.split_once('.')).ok_or(())?;
        match text.as_bytes()[0] {
            b'h' if !rest.is_empty() && !rest.contains('\n') => Ok(Cursor::Held(digits(number)?, rest.into())),
            b'c' if rest.len() <= 9 && !text.contains('-') => {
                let position = digits(number)?.try_into().map_err(drop)?;
                Ok(Cursor::Cleared(Position(position), digits(rest)?.try_into().map_err(drop)?))
            }
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given() {
        for cursor in [Cursor::Held(-5, "a-7-0".into()), Cursor::Cleared(Position(9), 3)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in ["", "h", "h1", "c1.x", "x1.2", "é1.2", "c18446744073709551615.0", "h5.", "h+5.a", "c-1.0"] {
            assert_eq!(wrong.parse::<Cursor>(), Err(()), "{wrong}");
        }
    }
}
