use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tidegate_settings::{Reader, section};

section! {
    /// Limits and names of the HTTP server and of what it serves.
    #[derive(Debug, Clone)]
    pub struct PushConfig {
        /// What commands are when a request does not say.
        pub commands: CommandsConfig = CommandsConfig::default(),
        /// What questions in PromQL may use.
        pub prometheus: PrometheusConfig = PrometheusConfig::default(),
        /// What one question about many series may use.
        pub questions: QuestionsConfig = QuestionsConfig::default(),
    }
    /// The dashboard, REST and the live protocol.
    [http] {
        /// Address of the listener; port 0 picks one; --http overrides it.
        pub listen: SocketAddr = address(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
        /// Host names besides loopback's under which the server may be asked.
        ///
        /// Besides addresses, too, and without a port. A page of another site that has its name point here (DNS rebinding)
        /// is refused.
        pub hosts: Vec<String> = texts(Vec::new()),
        /// Origins besides its own whose pages may open streams and change things.
        ///
        /// Such as `https://wall.example`.
        pub origins: Vec<String> = texts(Vec::new()),
        /// Connections at one time; past it 503.
        pub connections_max: usize = count(20_000),
        /// Time to send a request's headers.
        ///
        /// Also to send the next request on an idle connection.
        pub header_timeout: Duration = duration(Duration::from_secs(10)),
        /// Bytes of a request's headers.
        ///
        /// With its request line.
        pub header_bytes_max: usize = bytes(16 * 1024),
        /// Time to send a request's body.
        pub body_timeout: Duration = duration(Duration::from_secs(10)),
        /// Bytes of a request's body.
        pub body_bytes_max: usize = bytes(128 * 1024),
        /// Bytes of the body of an import.
        ///
        /// `tidegate import` sends up to 4 MiB at once, and less where that is refused.
        pub import_body_bytes_max: usize = bytes(4 << 20),
        /// Imports at the same time; others wait for their turn, of each address once in a round.
        pub import_concurrency: usize = count(4),
        /// How long they wait; then 503. A body before them may take http.body_timeout to come.
        pub import_wait: Duration = duration(Duration::from_secs(60)),
        /// Points of one entry of an import: views are locked for as long as one is applied.
        pub import_entry_points: usize = count(500),
        /// Entries of an import that wait to be on disk and applied; what devices send meanwhile comes behind them.
        pub import_entries_ahead: usize = count(16),
        /// How far ahead of the clock the time of an imported reading may lie.
        pub import_ahead_max: Duration = duration(Duration::from_secs(60)),
        /// Bytes of a text that is imported.
        pub import_text_bytes_max: usize = bytes(4 << 10),
        /// Flaws of one body that are told with their lines; all are counted.
        pub import_flaws_told_max: usize = count(10_000),
        /// Time a client that takes nothing of its answer is waited for; live sessions are not meant.
        pub write_timeout: Duration = duration(Duration::from_secs(30)),
        /// Texts of CSV that a spreadsheet would take for formulas: with an apostrophe in front, or as they are.
        pub csv_formulas: bool = choice(false, &[("harmless", false), ("as_they_are", true)]),
        /// At shutdown: time for requests under way.
        pub drain_timeout: Duration = duration(Duration::from_secs(5)),
        /// Entries of a page when the request names no limit.
        pub page_default: usize = count(1_000),
        /// Entries of a page at most.
        pub page_max: usize = count(10_000),
        /// Width of a chart at most, pixels.
        pub width_max: u32 = count(10_000),
        /// Questions to the history at the same time.
        pub history_concurrency: usize = count(4),
        /// Questions to the history of one address that wait for their turn; past it 503.
        pub history_waiting_max: usize = count(256),
        /// Time a question waits for its turn; then 503.
        pub history_wait: Duration = duration(Duration::from_secs(2)),
        /// Time an acknowledgement or command may take; then 503.
        ///
        /// Until it is on disk and applied.
        pub intent_timeout: Duration = duration(Duration::from_secs(5)),
    }
    then PushConfig::read_on;
}

impl PushConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        self.questions = QuestionsConfig::read(reader);
        self.prometheus = PrometheusConfig::read(reader);
        self.commands = CommandsConfig::read(reader);
    }
}

section! {
    /// Bounds of a question about many series, and what it means where it does not say.
    #[derive(Debug, Clone)]
    pub struct QuestionsConfig {}
    /// Questions about many series: /v1/aggregate, and of /v1/series the number of series.
    [questions] {
        /// Series of one question.
        pub series_max: usize = count(20_000),
        /// Questions at the same time; others wait for their turn, and get 503 after time_max.
        ///
        /// One may hold 112 bytes for each window, and with percentiles 8 KiB.
        pub at_once: usize = count(4),
        /// Points or hourly summaries that one question may read.
        pub points_max: u64 = count(100_000_000),
        /// Values of one answer: windows x functions x lines.
        ///
        /// With percentiles a line may have a hundredth of it in windows.
        pub values_max: usize = count(1_000_000),
        /// Time that a question may be worked at; its turns are what counts, not what it waits for them.
        pub time_max: Duration = duration(Duration::from_secs(60)),
        /// Values of a window up to which percentiles are exact; past it they are within 1 %.
        pub exact_max: usize = count(1_000),
        /// How long a reading counts while no next one comes, where the request does not say.
        pub hold: Duration = duration(Duration::from_secs(3_600)),
    }
}

section! {
    /// Bounds of a question in PromQL.
    #[derive(Debug, Clone)]
    pub struct PrometheusConfig {}
    /// Questions in PromQL, as Grafana asks them, below /prometheus.
    [prometheus] {
        /// How long after its last point a series still has a value, where the request does not say.
        pub lookback: Duration = duration(Duration::from_secs(5 * 60)),
        /// Series that one selector may choose.
        pub series_max: usize = count(20_000),
        /// Points that one question may read, and look at in windows that overlap.
        pub points_max: u64 = count(100_000_000),
        /// Values of all series that a question's selectors choose, by steps; points of one that are read at once.
        pub values_max: usize = count(10_000_000),
        /// Steps of a range; Prometheus takes as many.
        pub steps_max: usize = count(11_000),
        /// Times that match[] may be there; each looks at all series.
        pub selectors_max: usize = count(16),
        /// Bytes of a question.
        pub text_bytes_max: usize = bytes(16 << 10),
        /// How deep parentheses, functions and operators may be nested; 200 at most.
        pub nesting_max: usize = count(64),
        /// Operators of a question; 1,000 at most, since each takes room on a stack.
        pub operators_max: usize = count(200),
        /// Regular expressions of a question.
        pub patterns_max: usize = count(16),
        /// Bytes of a regular expression when it is compiled.
        pub pattern_bytes_max: usize = bytes(256 << 10),
    }
    then PrometheusConfig::check;
}

impl PrometheusConfig {
    fn check(&mut self, reader: &mut Reader) {
        let mut section = reader.at("prometheus");
        if self.nesting_max > 200 {
            section.wrong_key("nesting_max", "is more than 200");
        }
        if self.operators_max > 1_000 {
            section.wrong_key("operators_max", "is more than 1,000");
        }
    }
}

section! {
    /// Defaults and bounds of a command.
    #[derive(Debug, Clone)]
    pub struct CommandsConfig {}
    /// Commands to devices.
    [commands] {
        /// How long a command waits for its device when the request does not say.
        pub expires_in: Duration = duration(Duration::from_secs(24 * 3_600)),
        /// How long it may wait at most; sleepers get it only within sessions.mailbox_age_max.
        pub expires_in_max: Duration = duration(Duration::from_secs(7 * 24 * 3_600)),
        /// Topic when the request names none; %d is the device's full identifier.
        pub topic: String = text("%d/command".into()),
        /// Topic of answers when the request names none; what is published there is no telemetry.
        pub response_topic: String = text("%d/response".into()),
        /// Largest payload; the whole request is bounded by http.body_bytes_max.
        ///
        /// Base64 in a body takes a third more.
        pub payload_bytes_max: usize = bytes(64 * 1024),
    }
}

impl CommandsConfig {
    /// Whole seconds that a command waits when the request does not say; at least one.
    pub(crate) fn expires_in_s(&self) -> u32 {
        whole_seconds(self.expires_in)
    }

    /// Whole seconds that a command waits at most; at least one.
    pub(crate) fn expires_in_max_s(&self) -> u32 {
        whole_seconds(self.expires_in_max)
    }

    /// Where a command to a device is published.
    #[must_use]
    pub fn topic_of(&self, device: &str) -> String {
        self.topic.replace("%d", device)
    }

    /// Where the device's answer is awaited.
    #[must_use]
    pub fn response_topic_of(&self, device: &str) -> String {
        self.response_topic.replace("%d", device)
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1)
}
