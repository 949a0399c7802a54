/// The versions of MQTT that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V3_1,
    V3_1_1,
    V5,
}

impl Version {
    pub(crate) const fn is_v5(self) -> bool {
        matches!(self, Version::V5)
    }

    /// For people and REST.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Version::V3_1 => "3.1",
            Version::V3_1_1 => "3.1.1",
            Version::V5 => "5.0",
        }
    }
}
