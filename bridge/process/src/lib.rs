//! Turns log entries, decoded, into changes of the fleet: latest values, device states, group aggregates, alerts.
//!
//! Pure: the state is a function of the log. Time is that of the entries, and ages are counted in what passed of it; waiting is done by
//! [`Process::next_deadline`], which says when a tick is wanted. A checkpoint holds all of the state, and going on
//! from it gives the same changes as an unbroken run.
//!
//! - [`process`]: [`Process`], one entry at a time
//! - [`config`]: limits, time spans, rules
//! - [`output`]: what an entry led to
//! - `fleet`, `device`: the devices and the newest value of each metric
//! - `device_clock`: which time a reading ranks by; `given`, `redelivery`: which readings came before;
//!   `interval`, `silences`, `expected`, `liveness`: when a device is late or lost
//! - `arrivals`, `newcomer`: they come, move, and make room; `left`: who is not known any more; `imports`: what is brought of before;
//!   `crowd`: which of them gives way when there are too many; `availability`: they are said to be gone;
//!   `descriptions`: what they say of themselves and their metrics besides values; `said`, `register`: what people say of them;
//!   `erasure`: nothing of them stays
//! - `groups`, `partial`: aggregates of every group and its ancestors; `names`: of which metrics
//! - `rules`: what raises alerts, a file for each kind, and which of it may be meant for a device; `rule_changes`: they are
//!   put and taken away; `rule_state`: where each stands on each metric; `alerts`; `judging`, `news`: how readings meet the rules
//! - `unheard`, `waits`: rules that wait for a device that never spoke; `reach`: what each rule looks at
//! - `commands`: commands to devices, and where each stands
//! - `time`: what time it is and how much has passed; `clock_set`: what is shown is put right when the clock was set
//! - `deadlines`, `waiting`: what waits for time, and what happens then
//! - `catalogue`, `conversion`: units and decimals; `figures`: what operators ask for; `refusals`: what is not applied
//! - `state`: everything that is known; `checkpoint`: the same as bytes, in sections; `older`, `jumps`: as programs before wrote it
//! - `shards`, `shelves`: a copy of the state costs next to nothing; `texts`: one in memory for many

mod alerts;
mod arrivals;
mod availability;
mod catalogue;
mod checkpoint;
mod clock_set;
mod commands;
pub mod config;
mod conversion;
mod copies;
mod crowd;
mod deadlines;
mod descriptions;
mod device;
mod device_clock;
mod erasure;
mod expected;
mod figures;
mod fleet;
mod given;
mod group_index;
mod groups;
mod imports;
mod interval;
mod judging;
mod jumps;
mod left;
mod liveness;
mod names;
mod newcomer;
mod news;
mod older;
pub mod output;
mod partial;
pub mod process;
mod reach;
mod redelivery;
mod refusals;
mod register;
mod rule_changes;
mod rule_state;
mod rules;
mod said;
mod shards;
mod shelves;
mod silences;
mod state;
mod texts;
mod time;
mod unheard;
mod waiting;
mod waits;

pub use checkpoint::{Checkpoint, sources_of};
pub use config::{CommandsConfig, MetricConfig, ProcessConfig, RegisterConfig};
pub use conversion::Conversion;
pub use figures::DeviceFigures;
pub use output::{CommandSteps, Counts, Output};
pub use process::Process;
pub use reach::{Reach, RuleReach};
pub use state::{RestoreError, VERSION as CHECKPOINT_VERSION};
pub use tidegate_telemetry::{Condition, Rule};
