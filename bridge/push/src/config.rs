/// Limits and names of the HTTP server and of what it serves.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Host names under which the server may be asked, besides loopback names and addresses; without a port. A page
    /// of another site that has its name point here (DNS rebinding) is refused.
    pub hosts: Vec<String>,
    /// Origins (`https://wall.example`) besides the server's own whose pages may open streams and change things.
    pub origins: Vec<String>,
    /// Open connections at most; more are answered 503.
    pub connections_max: usize,
    /// Time a client has to send all headers of a request, and to send the next request on an idle connection.
    pub header_timeout_ms: u64,
    /// Bytes of a request line and its headers at most.
    pub header_bytes_max: usize,
    /// Time a client has to send the body of a request.
    pub body_timeout_ms: u64,
    /// Bytes of a request's body at most.
    pub body_bytes_max: usize,
    /// Time a client that takes nothing of its answer is waited for.
    pub write_timeout_ms: u64,
    /// Whether texts that a spreadsheet would calculate stay as they are in CSV.
    pub csv_formulas: bool,
    /// Time requests under way get to end at shutdown.
    pub drain_timeout_ms: u64,
    /// Entries of a page when the request names no limit.
    pub page_default: usize,
    /// Entries of a page at most.
    pub page_max: usize,
    /// Width of a chart at most, in pixels.
    pub width_max: u32,
    /// Questions to the history answered at the same time.
    pub history_concurrency: usize,
    /// Questions to the history of one address that wait for their turn; more are answered 503.
    pub history_waiting_max: usize,
    /// Time a question waits for its turn before it is answered 503.
    pub history_wait_ms: u64,
    /// Time an acknowledgement or command may take to be on disk and applied before it is answered 503.
    pub intent_timeout_ms: u64,
    /// What commands are when a request does not say.
    pub commands: CommandsConfig,
    /// What questions in PromQL may use.
    pub prometheus: PrometheusConfig,
}

/// Bounds of a question in PromQL.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    /// How long after its last point a series still has a value, ms, where the request does not say.
    pub lookback_ms: i64,
    /// Series that one selector may choose.
    pub series_max: usize,
    /// Points that one question may read, and look at in windows that overlap.
    pub points_max: u64,
    /// Values of all series that its selectors choose, by steps; points of one series that are read at once.
    pub values_max: usize,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        PrometheusConfig {
            lookback_ms: 5 * 60_000,
            series_max: 20_000,
            points_max: 100_000_000,
            values_max: 10_000_000,
        }
    }
}

/// Defaults and bounds of a command.
#[derive(Debug, Clone)]
pub struct CommandsConfig {
    /// Where it is published; `%d` stands for the device's full identifier.
    pub topic: String,
    /// Where an answer is awaited.
    pub response_topic: String,
    /// Bytes of a payload at most; base64 in a body takes a third more.
    pub payload_bytes_max: usize,
    /// Seconds it waits for its device ...
    pub expires_in_s: u32,
    /// ... and at most, when a request says.
    pub expires_in_max_s: u32,
}

impl CommandsConfig {
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

impl Default for CommandsConfig {
    fn default() -> Self {
        CommandsConfig {
            topic: "%d/command".into(),
            response_topic: "%d/response".into(),
            payload_bytes_max: 64 * 1024,
            expires_in_s: 24 * 3_600,
            expires_in_max_s: 7 * 24 * 3_600,
        }
    }
}

impl Default for PushConfig {
    fn default() -> Self {
        PushConfig {
            hosts: Vec::new(),
            origins: Vec::new(),
            connections_max: 20_000,
            header_timeout_ms: 10_000,
            header_bytes_max: 16 * 1024,
            body_timeout_ms: 10_000,
            body_bytes_max: 128 * 1024,
            write_timeout_ms: 30_000,
            csv_formulas: false,
            drain_timeout_ms: 5_000,
            page_default: 1_000,
            page_max: 10_000,
            width_max: 10_000,
            history_concurrency: 4,
            history_waiting_max: 256,
            history_wait_ms: 2_000,
            intent_timeout_ms: 5_000,
            commands: CommandsConfig::default(),
            prometheus: PrometheusConfig::default(),
        }
    }
}
