//! Questions in Flux (the language of InfluxDB 2), as texts.
//!
//! Whatever names a device or a metric stands in a text literal whose every letter but the plainest is written by its number,
//! so that no name ends a literal or says anything of its own. Each result is a query of its own: what is read once for several
//! is not worked out where it is stored (InfluxDB 2.7, "Optimize Flux queries": pushdowns).

use std::fmt::Write;

use tidegate_buckets::Rung;
use tidegate_lines::line::{measurement_there, tag_there};

/// A series as InfluxDB has it, within a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Everything but the field: `from |> range |> filter`.
    from: String,
    filter: String,
}

/// What is asked of the buckets of numbers: the name of the result, and how it is worked out. Those of one point keep its time.
const OF_NUMBERS: [(&str, &str); 6] =
    [("count", "count"), ("sum", "sum"), ("min", "min"), ("max", "max"), ("first", "first"), ("last", "last")];

/// What each row is: its time in Unix ns, and its value.
const ROW: &str = " |> map(fn: (r) => ({t: int(v: r._time), v: r._value}))";

impl Selection {
    /// The metric of a device in a bucket, within `[from_ms, to_ms)` (Unix ms). `measurement` is as the configuration has it.
    pub fn new(
        (bucket, measurement): (&str, &str),
        (device, metric): (&str, &str),
        (from_ms, to_ms): (i64, i64),
    ) -> Selection {
        let ns = |time_ms: i64| time_ms.saturating_mul(1_000_000);
        let from = format!(
            "from(bucket: {}) |> range(start: time(v: {}), stop: time(v: {}))",
            literal(bucket),
            ns(from_ms),
            ns(to_ms)
        );
        let place = measurement_there(&measurement.replace("%m", metric));
        let mut filter =
            format!("r._measurement == {} and r.device == {}", literal(&place), literal(&tag_there(device)));
        if !measurement.contains("%m") {
            filter += &format!(" and r.metric == {}", literal(&tag_there(metric)));
        }
        Selection { from, filter }
    }

    fn of(&self, field: &str, more: &str) -> String {
        format!("{} |> filter(fn: (r) => {} and r._field == {}{more})", self.from, self.filter, literal(field))
    }

    /// Points, up to so many of each field: results `value`, `text` and `on`.
    #[must_use]
    pub fn points(&self, limit: usize) -> String {
        ["value", "text", "on"].iter().fold(String::new(), |mut flux, field| {
            push(&mut flux, &format!("{} |> limit(n: {limit}){ROW}", self.of(field, "")), field);
            flux
        })
    }

    /// Buckets: results `count`, `sum`, `min`, `max`, `first` and `last` of numbers; of truths `on_count`, `on_true` (how many
    /// are), `on_first` and `on_last`.
    #[must_use]
    pub fn buckets(&self, rung: Rung) -> String {
        let every = format!("{}s", rung.width_ms() / 1_000);
        let sized = |from: &str, how: &str| match how {
            "first" | "last" => format!("{from} |> window(every: {every}) |> {how}(){ROW}"),
            _ => format!(
                "{from} |> aggregateWindow(every: {every}, fn: {how}, createEmpty: false, timeSrc: \"_start\"){ROW}"
            ),
        };
        let mut flux = String::new();
        let numbers = self.of("value", "");
        for (name, how) in OF_NUMBERS {
            push(&mut flux, &sized(&numbers, how), name);
        }
        let (truths, true_ones) = (self.of("on", ""), self.of("on", " and r._value == true"));
        for (name, from, how) in [
            ("on_count", &truths, "count"),
            ("on_true", &true_ones, "count"),
            ("on_first", &truths, "first"),
            ("on_last", &truths, "last"),
        ] {
            push(&mut flux, &sized(from, how), name);
        }
        flux
    }
}

fn push(flux: &mut String, query: &str, name: &str) {
    let written = writeln!(flux, "{query} |> yield(name: {})", literal(name));
    debug_assert!(written.is_ok(), "a String takes everything");
}

/// A text literal.
fn literal(text: &str) -> String {
    let mut literal = "\"".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-./ ".contains(&byte) {
            literal.push(char::from(byte));
        } else {
            literal += &format!("\\x{byte:02x}");
        }
    }
    literal + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_says_anything_of_its_own() {
        let rude = "a\"b\\${x}\n|> drop()";
        assert_eq!(literal(rude), r#""a\x22b\x5c\x24\x7bx\x7d\x0a\x7c\x3e drop\x28\x29""#);
        let selection = Selection::new(("b\"", "%m"), (rude, "\"t"), (-1, 5));
        let flux = selection.points(7);
        assert!(
            flux.starts_with(r#"from(bucket: "b\x22") |> range(start: time(v: -1000000), stop: time(v: 5000000))"#)
        );
        assert!(flux.contains(r#"r._measurement == "\x22t" and r.device == "#), "{flux}");
        assert_eq!(flux.lines().count(), 3, "{flux}");
        assert_eq!(selection.buckets(Rung::Minute).lines().count(), 10);
        assert!(!flux.contains("r.metric"));
    }

    #[test]
    fn names_are_those_that_the_sink_writes() {
        let flux = Selection::new(("b", "all"), ("dev\n", "#t\\"), (0, 1)).points(1);
        // ␊ and ⧵ in UTF-8.
        assert!(flux.contains(
            r#"r._measurement == "all" and r.device == "dev\xe2\x90\x8a" and r.metric == "\x23t\xe2\xa7\xb5""#
        ));
    }
}
