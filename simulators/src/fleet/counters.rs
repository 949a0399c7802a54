//! What a fleet did, as numbers.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters that every device adds to.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[$doc])* pub $name: AtomicU64,)* }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Totals { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Reads all of them.
            pub fn totals(&self) -> Totals {
                Totals { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Devices whose connection stands now.
    connected,
    /// Connections made.
    connections,
    /// Connections that broke, were refused or could not be made.
    connections_lost,
    /// Publications sent, without repetitions.
    published,
    /// Of those, with QoS 0.
    published_qos0,
    /// Publications acknowledged (PUBACK, PUBCOMP).
    acknowledged,
    /// Values in the acknowledged publications.
    values_acknowledged,
    /// Publications the server refused (MQTT 5 reason codes).
    refused,
    /// Publications sent again after a reconnect.
    resent,
    /// Publications that nobody can understand, on purpose.
    nonsense,
    /// Publications without their acknowledgement at the end.
    unacknowledged,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "published {} ({} QoS 0, {} nonsense), acknowledged {} with {} values, refused {}, sent again {}, \
             unacknowledged {}; connections {}, lost {}",
            self.published,
            self.published_qos0,
            self.nonsense,
            self.acknowledged,
            self.values_acknowledged,
            self.refused,
            self.resent,
            self.unacknowledged,
            self.connections,
            self.connections_lost,
        )
    }
}
