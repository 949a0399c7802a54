/// A limit kept a connection out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeptOut {
    pub by: ConnectLimit,
    /// For the operator.
    pub detail: String,
}

/// A limit on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectLimit {
    All,
    OfAddress,
    AddressRate,
}

impl ConnectLimit {
    pub(crate) const EACH: [ConnectLimit; 3] = [ConnectLimit::All, ConnectLimit::OfAddress, ConnectLimit::AddressRate];

    /// Its key in the configuration, which is also its label.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            ConnectLimit::All => "mqtt.connections_max",
            ConnectLimit::OfAddress => "mqtt.connections_per_address_max",
            ConnectLimit::AddressRate => "mqtt.connect_rate_per_address",
        }
    }
}
