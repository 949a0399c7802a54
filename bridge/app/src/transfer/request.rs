use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http::{self, Answer};

/// How long the program may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// For so long a program that has no time, or is away for a restart, is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A path with its query.
pub struct Query(String);

impl Query {
    /// One without parameters.
    pub fn new(path: &str) -> Query {
        Query(format!("{path}?"))
    }

    /// With one more parameter, where there is a value.
    #[must_use]
    pub fn with(self, name: &str, value: Option<&str>) -> Query {
        let Some(value) = value else { return self };
        Query(format!("{}{name}={}&", self.0, http::encoded(value)))
    }

    /// As a request has it.
    pub fn text(&self) -> &str {
        self.0.trim_end_matches(['&', '?'])
    }
}

/// Asks until there is an answer; asking again changes nothing.
///
/// # Errors
/// When the program refuses, or has no time for long; with what to do.
pub fn patiently(server: SocketAddr, query: &str, body: Option<&[u8]>) -> Result<Answer> {
    let (began, mut pause) = (Instant::now(), PAUSE_MIN);
    loop {
        let answer = http::exchange(server, query, body, SILENCE_MAX);
        let is_over = began.elapsed() > PATIENCE;
        match answer {
            Ok(answer) if answer.status == 200 => return Ok(answer),
            Ok(answer) if answer.status != 503 || is_over => bail!("{}", answer.problem()?),
            Err(error) if is_over => return Err(error),
            _ => thread::sleep(pause),
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_percent_encoded_and_nothing_is_added_for_none() {
        let query = Query::new("/v1/export").with("device", Some("a b/é")).with("group", None).with("limit", Some("5"));
        assert_eq!(query.text(), "/v1/export?device=a%20b%2F%C3%A9&limit=5");
        assert_eq!(Query::new("/v1/export").text(), "/v1/export");
    }
}
