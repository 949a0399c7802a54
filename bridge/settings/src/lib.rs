//! How a room declares its section of the configuration, once: [`section!`].
//!
//! What is declared reads a file and says every mistake of it with line, key and remedy; it writes the sample file; and it is the
//! room's settings while the program runs.
//!
//! - `declare`: the declaration
//! - `reader`: a file, section by section and key by key
//! - `units`: sizes and durations as people write them

mod declare;
mod reader;
mod units;

pub use declare::meaning;
pub use reader::{Mistake, Reader, Section, chosen, number, text, texts};
/// A value of a file, to be read by [`Section::optional`] and [`Section::entries`].
pub use toml_edit::Item;
pub use units::{duration_text, millis, parse_bytes, parse_duration};
