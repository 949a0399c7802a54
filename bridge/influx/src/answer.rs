//! What the server's answers to a write mean.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::config::InfluxConfig;

/// No pause that a server asks for is longer than this.
const PATIENCE_MAX: Duration = Duration::from_secs(600);

/// When the clocks of the server and of this computer differ by so much, what it says of ages is not believed.
const CLOCKS_MAX: Duration = Duration::from_secs(600);

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Retry-After` in seconds (RFC 9110 section 10.2.3); as a date it is not understood.
    pub retry_after: Option<u64>,
    /// By how much the server's clock is ahead of ours, s (`Date`, RFC 9110 section 6.6.1); negative: behind. `None`: it did
    /// not say.
    pub ahead_s: Option<i64>,
    /// The body.
    pub body: String,
}

/// What it means for the lines of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// All of them are there.
    Written,
    /// At least one of them will never be taken; the others may be there or not. The server's reason.
    Refused(String),
    /// They are too many at once. The server's reason.
    TooLarge(String),
    /// They, or the whole request, are refused for a reason that InfluxDB 2 is not known to give. What is wrong, for people.
    Unclear(String),
    /// Nothing is known to be wrong with them: they are to be sent again.
    Later {
        /// What is wrong, and what to do.
        text: String,
        /// Not before so long has passed.
        after: Option<Duration>,
    },
}

/// The server's own words.
#[derive(Deserialize)]
struct Said {
    message: String,
}

impl Answer {
    pub fn meaning(&self, config: &InfluxConfig) -> Meaning {
        let said = serde_json::from_str::<Said>(&self.body).ok().map(|said| said.message);
        let words = said.as_deref().unwrap_or(self.body.trim());
        match self.status {
            200..=299 => Meaning::Written,
            400 | 422 if is_about_lines(words) => match self.wrong_clock().filter(|_| is_about_ages(words)) {
                Some(text) => Meaning::Later { text, after: None },
                None => Meaning::Refused(words.to_owned()),
            },
            400 | 422 => Meaning::Unclear(text(self.status, words, config)),
            413 => Meaning::TooLarge(words.to_owned()),
            status => Meaning::Later { text: text(status, words, config), after: self.after() },
        }
    }

    /// What it says instead of an answer to a question, and what to do.
    pub fn why_unread(&self, config: &InfluxConfig) -> String {
        let said = serde_json::from_str::<Said>(&self.body).ok().map(|said| said.message);
        let words: String = said.as_deref().unwrap_or(self.body.trim()).chars().take(300).collect();
        let InfluxConfig { url, org, bucket, token_file, .. } = config;
        let token_file = token_file.as_deref().unwrap_or(Path::new("history.token_file"));
        let is_not_found = words.contains("not find bucket") || words.contains("not found");
        match self.status {
            401 | 403 => format!(
                "InfluxDB refuses the token ({}: {words}): write one that may read bucket {bucket:?} of {org:?} as the first line \
                 of {}",
                self.status,
                token_file.display()
            ),
            404 if is_not_found => format!(
                "InfluxDB has no bucket {bucket:?} in {org:?} that the token in {} may read ({words}): let it read the bucket",
                token_file.display()
            ),
            status => format!("{url} answers {status} to a question: {words}"),
        }
    }

    /// What to do about clocks that differ: by a wrong one a reading is older than the bucket's retention, or not.
    fn wrong_clock(&self) -> Option<String> {
        let ahead_s = self.ahead_s?;
        let (by, way) = (ahead_s.unsigned_abs(), if ahead_s > 0 { "ahead of" } else { "behind" });
        (by > CLOCKS_MAX.as_secs()).then(|| {
            format!(
                "InfluxDB says that readings are older than its bucket keeps, by a clock that is {by} s {way} this computer's: \
                 set the one that is wrong"
            )
        })
    }

    fn after(&self) -> Option<Duration> {
        let asked = matches!(self.status, 429 | 503).then_some(self.retry_after).flatten()?;
        Some(Duration::from_secs(asked).min(PATIENCE_MAX))
    }
}

/// Whether the server speaks of lines. Whatever else it refuses with 400 (an address that is wrong, another server) is no
/// reason to give up a reading.
fn is_about_lines(words: &str) -> bool {
    let begins = ["unable to parse", "partial write", "field type conflict", "points beyond retention policy"];
    begins.iter().any(|begin| words.contains(begin))
}

fn is_about_ages(words: &str) -> bool {
    words.contains("retention policy")
}

/// By how much the clock of whoever wrote a `Date` is ahead of ours, s.
pub fn ahead_s(date: &str) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    let ahead = match theirs.duration_since(SystemTime::now()) {
        Ok(ahead) => i64::try_from(ahead.as_secs()),
        Err(behind) => i64::try_from(behind.duration().as_secs()).map(|behind_s| -behind_s),
    };
    ahead.ok()
}

fn text(status: u16, words: &str, config: &InfluxConfig) -> String {
    let InfluxConfig { url, org, bucket, .. } = config;
    let token_file = config.token_file.as_deref().unwrap_or(Path::new("influxdb.token_file"));
    let words: String = words.chars().take(300).collect();
    match status {
        401 | 403 => format!(
            "InfluxDB refuses the token ({status}: {words}): write one that may write to bucket {bucket:?} of {org:?} as the \
             first line of {}, it is read again at each attempt",
            token_file.display()
        ),
        404 if words.contains("bucket") => format!(
            "InfluxDB has no bucket {bucket:?} in {org:?} ({words}): make it there, or correct influxdb.bucket and start again"
        ),
        404 if words.contains("organization") => {
            format!("InfluxDB has no organization {org:?} ({words}): correct influxdb.org and start again")
        }
        404 => format!("there is no InfluxDB 2 at {url} (404: {words}): correct influxdb.url and start again"),
        429 | 503 => format!("InfluxDB has too much to do ({status}: {words}): it is asked again later"),
        500..=599 => format!("InfluxDB cannot write now ({status}: {words}): see its log"),
        _ => format!("{url} answers {status} to a write, which InfluxDB 2 does not: {words}; check influxdb.url"),
    }
}

/// How many points a partial write has left out, as its reason says.
pub fn dropped(reason: &str) -> Option<usize> {
    let number = reason.rsplit_once("dropped=")?.1;
    number.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Measurement and field of a conflict of types, as its reason names them.
pub fn conflict(reason: &str) -> Option<(&str, &str)> {
    let (_, rest) = reason.split_once("input field \"")?;
    let (field, rest) = rest.split_once("\" on measurement \"")?;
    Some((rest.split_once("\" is type ")?.0, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, retry_after: Option<u64>, body: &str) -> Meaning {
        let config = InfluxConfig { bucket: "b".into(), org: "o".into(), ..InfluxConfig::default() };
        Answer { status, retry_after, ahead_s: None, body: body.into() }.meaning(&config)
    }

    #[test]
    fn an_answer_says_whether_lines_are_refused_or_to_be_sent_again_and_what_to_do() {
        let parse = r#"{"code":"invalid","message":"unable to parse 'x': invalid field format"}"#;
        assert_eq!(meaning(204, None, ""), Meaning::Written);
        assert_eq!(meaning(400, None, parse), Meaning::Refused("unable to parse 'x': invalid field format".into()));
        let later = |status, retry_after, body: &str| match meaning(status, retry_after, body) {
            Meaning::Later { text, after } => (text, after),
            other => panic!("{other:?}"),
        };
        for (status, body, word) in [
            (401, r#"{"code":"unauthorized","message":"unauthorized access"}"#, "token"),
            (404, r#"{"code":"not found","message":"bucket \"b\" not found"}"#, "has no bucket \"b\""),
            (404, r#"{"code":"not found","message":"organization name \"o\" not found"}"#, "influxdb.org"),
            (404, "404 page not found", "influxdb.url"),
            (500, "", "log"),
        ] {
            let (text, after) = later(status, Some(5), body);
            assert!(text.contains(word) && after.is_none(), "{text}");
        }
        assert!(matches!(meaning(400, None, "<html>"), Meaning::Unclear(text) if text.contains("influxdb.url")));
        assert_eq!(later(429, Some(7), "").1, Some(Duration::from_secs(7)));
        assert_eq!(later(503, Some(u64::MAX), "").1, Some(PATIENCE_MAX));
    }

    #[test]
    fn what_a_server_says_of_ages_is_believed_while_the_clocks_agree() {
        let body = r#"{"message":"partial write: dropped 1 points outside retention policy dropped=1"}"#;
        let meaning = |ahead_s| {
            let answer = Answer { status: 422, retry_after: None, ahead_s, body: body.into() };
            answer.meaning(&InfluxConfig::default())
        };
        assert!(matches!(meaning(Some(-5)), Meaning::Refused(_)));
        assert!(matches!(meaning(None), Meaning::Refused(_)));
        for (ahead_s, said) in [(86_400, "86400 s ahead of"), (-86_400, "86400 s behind")] {
            assert!(matches!(meaning(Some(ahead_s)), Meaning::Later { text, .. } if text.contains(said)));
        }
        assert!((-2..=0).contains(&super::ahead_s(&httpdate::fmt_http_date(SystemTime::now())).unwrap_or(9)));
        assert_eq!(super::ahead_s("soon"), None);
    }

    #[test]
    fn a_reason_names_the_field_and_how_many_points_it_is_about() {
        let reason = "failure writing points to database: partial write: field type conflict: input field \"value\" on \
                      measurement \"m\" is type float, already exists as type string dropped=12";
        assert_eq!((conflict(reason), dropped(reason)), (Some(("m", "value")), Some(12)));
        let retention = "partial write: dropped 1 points outside retention policy dropped=3 for database: 59 for retention policy: x";
        assert_eq!((conflict(retention), dropped(retention)), (None, Some(3)));
        assert_eq!(dropped("unable to parse"), None);
    }
}
