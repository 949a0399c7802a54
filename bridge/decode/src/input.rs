use jiff::tz::TimeZone;

use crate::config::DecodeConfig;
use crate::names::Names;

/// What reading a payload takes besides the payload.
pub(crate) struct Input<'a> {
    pub(crate) config: &'a DecodeConfig,
    pub(crate) names: &'a mut Names,
    pub(crate) topic: &'a str,
    /// Where the source's clocks are.
    pub(crate) zone: Option<&'a TimeZone>,
}
