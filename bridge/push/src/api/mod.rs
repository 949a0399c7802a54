//! The shapes of what REST answers, as `rest/openapi.json` describes them; of alerts and commands also what frames show.

mod about;
mod alert;
mod command;
mod device;
mod trial;

pub(crate) use about::{AboutDevice, AboutMetric};
pub(crate) use alert::Alert;
pub(crate) use command::{Command, CommandInBrief};
pub(crate) use device::{Device, Group};
pub(crate) use trial::Trial;
