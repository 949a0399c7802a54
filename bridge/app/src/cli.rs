//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidegate_node::Loss;

use tidegate_settings::{parse_bytes, parse_duration};

/// Telemetry in over MQTT, live device views out to browsers.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; without one: run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run.
    #[command(flatten)]
    pub run: Run,
}

/// Runs tidegate.
#[derive(Debug, Args)]
pub struct Run {
    /// Configuration file (TOML); every key has a default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the log, the store and the checkpoint [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the MQTT listener; port 0 picks one [default: 127.0.0.1:1883].
    #[arg(long, value_name = "ADDR")]
    pub mqtt: Option<SocketAddr>,
    /// Address of the HTTP listener; port 0 picks one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Serve anybody who reaches an address beyond loopback. Only for a container in a closed network.
    #[arg(long)]
    pub insecure_allow_anonymous: bool,
    /// The system's clock is right now: what is deleted by age goes by it from this start on, as if it had been confirmed.
    /// For one start, after a person has looked at it.
    #[arg(long)]
    pub trust_clock: bool,
    /// Goes on without what is missing beside a log and a checkpoint that know of it. For one start; may be given twice.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub accept_loss: Vec<Accepted>,
}

/// What a person goes on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accepted {
    /// Readings, alert events and the quarantine.
    History,
    /// MQTT sessions, mailboxes, retained messages and wills.
    Sessions,
}

impl From<Accepted> for Loss {
    fn from(accepted: Accepted) -> Self {
        match accepted {
            Accepted::History => Loss::History,
            Accepted::Sessions => Loss::Sessions,
        }
    }
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reports every mistake of a configuration file, with key and line.
    Check {
        /// The file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Checks it for a start with the same argument.
        #[arg(long)]
        insecure_allow_anonymous: bool,
    },
    /// Prints a configuration that holds every key with its default.
    SampleConfig,
    /// Adds a user to a password file, or changes its password, which is read from the terminal or stdin.
    Passwd {
        /// The file; it is made if there is none.
        file: PathBuf,
        /// The user.
        user: String,
    },
    /// Says what would come of a payload, which is read from stdin: devices, metrics, values, by which rule, and what was wrong.
    /// Where more could be understood, it proposes a mapping to copy.
    Decode(Decode),
    /// Shows the packets of one MQTT client as they pass, in both directions.
    Trace(Trace),
    /// Takes a backup: of a running program, or of the data folder of one that is stopped.
    Backup(Backup),
    /// Makes a data folder of a backup.
    Restore {
        /// The backup: its folder, a file with its stream, or `-` for a stream on stdin.
        backup: PathBuf,
        /// The data folder, which must be empty or not there.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Reads everything in a data folder that no program uses, or in a backup, and names each file that is not what was written.
    Verify {
        /// The data folder, the folder of a backup, a file with the stream of one, or `-` for a stream on stdin.
        folder: PathBuf,
        /// Says instead whether anything of this device is left there: its name, or a point. Its full identifier.
        #[arg(long, value_name = "DEVICE")]
        absent: Option<String>,
    },
    /// Erases a device from a running program: what is known of it, and all of its history. There is no way back.
    Forget(Forget),
    /// What people say of devices (name, group, labels, notes), as a table: out of a running program, or into one.
    #[command(subcommand)]
    Devices(Devices),
    /// Says whether this program can open a data folder, what it would write anew, and whether an older one still could after.
    Upgrade(Upgrade),
    /// Writes history of a running program as CSV or line protocol.
    Export(Export),
    /// Brings history into a running program: CSV, line protocol, what Home Assistant or ThingsBoard keep, a running InfluxDB 2.
    Import(Box<Import>),
}

/// What is tried.
#[derive(Debug, Args)]
pub struct Decode {
    /// The topic that it is published on.
    pub topic: String,
    /// Configuration file whose [[source]] and [decode] count.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Media type, as MQTT 5 clients give it.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
}

/// What a backup is taken of, and where it goes.
#[derive(Debug, Args)]
pub struct Backup {
    /// A folder, which takes only what it does not have; or `-`: the whole stream goes to stdout.
    pub destination: PathBuf,
    /// Address of a running program's HTTP listener [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", conflicts_with = "data")]
    pub http: Option<SocketAddr>,
    /// Data folder of a program that is stopped.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Bytes read in a second at most, such as 20MB/s; the program's own backup.bytes_per_second_max is never exceeded.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub rate: Option<u64>,
}

/// Slower a backup would take for ever, and a running program refuses it.
const RATE_MIN: u64 = 1 << 20;

fn parse_rate(text: &str) -> Result<u64, String> {
    let rate = parse_bytes(text.trim().trim_end_matches("/s"))?;
    if rate < RATE_MIN { Err("at least 1 MiB".to_owned()) } else { Ok(rate) }
}

/// Which data folder is looked at.
#[derive(Debug, Args)]
pub struct Upgrade {
    /// Looks, and changes nothing. What has to be brought up to date is, by itself, when the program starts.
    #[arg(long, required = true)]
    pub check: bool,
    /// The data folder.
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
}

/// How readings are written as lines of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lines {
    /// RFC 4180: device, group, metric, time, type, value.
    Csv,
    /// That of InfluxDB.
    LineProtocol,
}

/// What of history goes out, and where it goes.
#[derive(Debug, Args)]
pub struct Export {
    /// Address of the program's HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// How it is written.
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Lines,
    /// Of this device alone: its full identifier.
    #[arg(long)]
    pub device: Option<String>,
    /// Of this group, with everything below it, alone.
    #[arg(long)]
    pub group: Option<String>,
    /// Of this metric alone.
    #[arg(long)]
    pub metric: Option<String>,
    /// Summaries of the numbers of so much time each (count, mean, min, max, last), instead of readings.
    #[arg(long, value_parser = ["1s", "10s", "1m", "10m", "1h", "1d"])]
    pub resolution: Option<String>,
    /// From this time on: Unix ms, or RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Up to this time, without it; now, when it is not given.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The file; without it, stdout. As long as it is not whole, FILE.cursor stands beside it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Goes on with a file that was broken off: each point is in it once.
    #[arg(long, requires = "out")]
    pub resume: bool,
}

/// How readings of before are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Written {
    /// RFC 4180, with a line that names the columns device, metric, time and value.
    Csv,
    /// That of InfluxDB.
    LineProtocol,
    /// The CSV of ThingsBoard's widgets: a column of times, one for each metric.
    Thingsboard,
    /// The SQLite file of Home Assistant's recorder, home-assistant_v2.db.
    HomeAssistant,
}

/// What is brought, and what its lines mean.
#[derive(Debug, Args)]
pub struct Import {
    /// The file, or `-` for stdin.
    #[arg(required_unless_present = "influxdb", conflicts_with = "influxdb")]
    pub file: Option<PathBuf>,
    /// Address of the program's HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// How it is written; without it, what its beginning looks like.
    #[arg(long, value_enum)]
    pub format: Option<Written>,
    /// The device of lines that name none.
    #[arg(long)]
    pub device: Option<String>,
    /// The metric of lines of CSV that name none.
    #[arg(long)]
    pub metric: Option<String>,
    /// Line protocol, InfluxDB: the tags whose values, joined by a slash, are the device [default: device].
    #[arg(long, value_name = "TAG,…")]
    pub device_tag: Option<String>,
    /// Line protocol, InfluxDB: the tag that is the group of a device which is not known yet [default: group].
    #[arg(long, value_name = "TAG")]
    pub group_tag: Option<String>,
    /// Line protocol: of what its times are numbers [default: ns].
    #[arg(long, value_parser = ["ns", "us", "ms", "s"])]
    pub precision: Option<String>,
    /// ThingsBoard: the zone that its times are in, such as Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub time_zone: String,
    /// Home Assistant: what becomes of statistics from before the first state.
    #[arg(long, value_enum, default_value = "mean")]
    pub statistics: Statistics,
    /// A running InfluxDB.
    #[command(flatten)]
    pub influxdb: FromInfluxDb,
}

/// What becomes of the statistics that Home Assistant keeps for longer than states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Statistics {
    /// Means, and what meters read at the end.
    Mean,
    /// These, and the extremes as metrics of their own, METRIC.min and METRIC.max.
    Extremes,
    /// Nothing.
    None,
}

/// A bucket of a running InfluxDB 2.
#[derive(Debug, Args)]
pub struct FromInfluxDb {
    /// Where an InfluxDB 2 runs whose bucket is brought, such as http://influx:8086.
    #[arg(long, value_name = "URL", requires_all = ["org", "bucket", "token_file"])]
    pub influxdb: Option<String>,
    /// InfluxDB: the organization, by name.
    #[arg(long)]
    pub org: Option<String>,
    /// InfluxDB: the bucket, by name.
    #[arg(long)]
    pub bucket: Option<String>,
    /// InfluxDB: a file whose first line is a token that may read the bucket.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// InfluxDB: authorities of its certificate, in PEM; without it, those that the system trusts.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// InfluxDB: from this time on, Unix ms or RFC 3339; without it, from its first point.
    #[arg(long, value_name = "TIME", requires = "influxdb")]
    pub from: Option<String>,
    /// InfluxDB: up to this time, without it; now, when it is not given.
    #[arg(long, value_name = "TIME", requires = "influxdb")]
    pub to: Option<String>,
    /// InfluxDB: how much of its time is asked for at once.
    #[arg(long, value_name = "TIME", default_value = "1 d", value_parser = parse_duration)]
    pub window: Duration,
    /// InfluxDB: a file that says how far it is; where there is one, it goes on there. It goes when all is here.
    #[arg(long, value_name = "FILE", requires = "influxdb")]
    pub resume: Option<PathBuf>,
}

/// Which device is erased.
#[derive(Debug, Args)]
pub struct Forget {
    /// Its full identifier.
    pub device: String,
    /// Address of the program's HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Who wants it, for the log.
    #[arg(long)]
    pub by: Option<String>,
    /// How long it waits until nothing is left in any file.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2 min")]
    pub wait: Duration,
}

/// Which way the table of devices goes.
#[derive(Debug, Subcommand)]
pub enum Devices {
    /// Writes a line for each device: id, name, group, labels, notes, hidden, interval, as people said them.
    Export {
        /// The file.
        file: PathBuf,
        /// Address of the program's HTTP listener.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        http: SocketAddr,
    },
    /// Says of each device what its line says. What is empty stays as it is; flaws are told with their lines, the others count.
    Import(DevicesImport),
}

/// Which table is taken in.
#[derive(Debug, Args)]
pub struct DevicesImport {
    /// The file: CSV (RFC 4180), whose first line names its columns.
    pub file: PathBuf,
    /// Address of the program's HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Who says it.
    #[arg(long)]
    pub by: Option<String>,
}

/// Which client is traced, and how.
#[derive(Debug, Args)]
pub struct Trace {
    /// The client's identifier; it may come later.
    pub client: String,
    /// Address of the program's HTTP listener.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Shows the beginnings of payloads.
    #[arg(long)]
    pub payloads: bool,
    /// Ends after this time, such as 60s; without it: with Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub span: Option<Duration>,
}
