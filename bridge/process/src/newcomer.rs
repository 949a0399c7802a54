use std::net::IpAddr;
use std::sync::Arc;

use tidegate_telemetry::{DeviceState, ImportedSeries, Reading, Sender};

/// A device that comes, and what it begins with.
pub(crate) struct Newcomer<'a> {
    pub(crate) id: &'a Arc<str>,
    pub(crate) group: &'a Arc<str>,
    /// How many it has at first.
    pub(crate) metrics: usize,
    pub(crate) client: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) address: Option<IpAddr>,
    pub(crate) state: DeviceState,
    pub(crate) is_imported: bool,
}

impl<'a> Newcomer<'a> {
    /// One that speaks, or of which another broker had kept something.
    pub(crate) fn of(sender: Sender<'a>, reading: &'a Reading) -> Newcomer<'a> {
        Newcomer {
            id: &reading.device,
            group: &reading.group,
            metrics: reading.metrics.len(),
            client: sender.client(),
            principal: sender.principal(),
            address: sender.address(),
            state: if sender.is_retained_copy() { DeviceState::Late } else { DeviceState::Fresh },
            is_imported: false,
        }
    }

    /// One of which readings are brought. It is nobody's until it is heard, and lost.
    pub(crate) fn imported(series: &'a ImportedSeries) -> Newcomer<'a> {
        Newcomer {
            id: &series.device,
            group: &series.group,
            metrics: 1,
            client: "",
            principal: "",
            address: None,
            state: DeviceState::Lost,
            is_imported: true,
        }
    }

    /// One of which its own device, or a gateway, sends readings of before: it is theirs, and lost until it is heard.
    pub(crate) fn imported_by(sender: Sender<'a>, series: &'a ImportedSeries) -> Newcomer<'a> {
        let (client, principal, address) = (sender.client(), sender.principal(), sender.address());
        Newcomer { client, principal, address, ..Newcomer::imported(series) }
    }
}
