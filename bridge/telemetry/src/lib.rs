//! The words every room of Tidegate uses: what enters the log, what a device said, what changed.
//!
//! No I/O, no clock, no threads.
//!
//! - [`entry`]: what the log holds ([`Entry`]: [`Publication`], [`Intent`], tick); [`log_entry`]: how it stands there, with the
//!   time that passed
//! - [`publication`]: a message as MQTT carries it; [`scope`]: for which devices it may speak; [`position`]: where in the log something
//!   stands
//! - [`reading`], [`decoded`]: what a publication means once decoded; [`sender`]: who sent it, and how it came
//! - [`facts`]: what is known of devices and metrics besides their values; [`classes`]: words for what switches of a class say;
//!   [`register`]: what people say of devices
//! - [`command`]: what people ask devices to do, and what became of it
//! - [`change`]: what processing made of it; the only thing views and store listen to
//! - [`import`]: readings of before that somebody brings
//! - [`problem`]: what was refused or could not be understood, and why; [`mention`]: whether text names a device
//! - [`clients`]: who the MQTT clients are and what they say, for operators
//! - [`record`]: how structs that may grow are written; [`sections`]: a state of several rooms in one file
//! - [`history`]: the questions a dashboard asks about the past, and the port that answers them
//! - [`numbered`]: things that come and go, by number
//! - [`rule`], [`severity`]: what raises alerts; [`words`]: what rules and alerts say
//! - [`seldom`]: warnings about what goes on and on
//! - [`shares`]: who holds how much of something that is bounded, and who gives way
//! - [`unix`]: times in numbers, whatever their unit

pub mod change;
pub mod classes;
pub mod clients;
pub mod command;
pub mod decoded;
pub mod entry;
pub mod facts;
pub mod history;
pub mod import;
pub mod log_entry;
pub mod mention;
pub mod numbered;
pub mod position;
pub mod problem;
pub mod publication;
pub mod reading;
pub mod record;
pub mod register;
pub mod rule;
pub mod scope;
pub mod sections;
pub mod seldom;
pub mod sender;
pub mod severity;
pub mod shares;
pub mod unix;
pub mod words;

pub use change::{
    AggregateChange, AlertChange, AlertFacts, AlertState, AppliedCell, AppliedReading, Change, DeviceIndex,
    DeviceState, InAlert, MetricIndex, StateCounts,
};
pub use command::{
    Command, CommandId, CommandMessage, CommandProgress, CommandRefusal, CommandReport, CommandRequest, CommandState,
};
pub use decoded::{Availability, Decoded, Description, DeviceDescription, Effect};
pub use entry::{Entry, EntryError, Intent, UNSET_BEFORE_MS};
pub use facts::{DeviceFacts, MetricFacts, PowerSource, StateClass};
pub use history::{History, HistoryError};
pub use import::{Import, ImportedSeries};
pub use log_entry::{Elapsed, LogEntry};
pub use numbered::Numbered;
pub use position::Position;
pub use problem::{Problem, ProblemSink, Reason, Rejection};
pub use publication::{Publication, PublishProperties, Qos};
pub use reading::{DeliveryClass, Reading, TimeOrigin, Value};
pub use register::{DeviceWord, SaidOfDevice, WordChange};
pub use rule::{Condition, Rule};
pub use scope::DeviceScope;
pub use sections::{Frozen, Sections, SectionsError, SectionsWriter};
pub use seldom::Seldom;
pub use sender::Sender;
pub use severity::Severity;
pub use shares::{Holder, Owner, Shares};
pub use unix::unix_ms;
