//! Questions in PromQL, the language of Prometheus: a subset of it, and an error that names what is not in it.
//!
//! A question is parsed to an [`Expression`] and evaluated over a [`Range`] of steps against a [`Source`](source::Source), which has the
//! series. Nothing here reads a file or a clock.
//!
//! - the language: `lexer` (text to tokens), `parser` (tokens to `ast`), `functions` (which there are, and what they take)
//! - the data: [`labels`] (what names a series, and what selects it), [`source`] (where the points come from)
//! - `eval`: the answer; `window` (functions of a span of one series), `counter` (rates), `aggregate`, `binary`, `math`
//!
//! Differences from Prometheus (its documentation, "Querying basics" and "Functions", version 3) that a user may notice:
//! a window is open on the left, as in version 3, but for `min_over_time` and `max_over_time` where start, step and range
//! are whole hours, since hours and days are summed up already. There are no histograms and no stale markers: a series
//! ends `lookback` after its last point.

mod ast;
mod duration;
mod error;
mod eval;
mod functions;
pub mod labels;
mod lexer;
mod parser;
pub mod source;
mod text_limits;

pub use ast::Expression;
pub use duration::parse as parse_duration;
pub use error::QueryError;
pub use eval::{Answer, Limits, Line, Range, evaluate};
pub use parser::{parse, parse_selector};
pub use text_limits::TextLimits;
