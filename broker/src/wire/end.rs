use bytes::Bytes;
use tidegate_telemetry::Reason;

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said goodbye.
    Disconnected,
    /// The client said goodbye and wants its will published.
    DisconnectedWithWill,
    /// The socket closed or failed.
    Lost,
    /// The client did something that is not allowed.
    Refused { reason: Reason, detail: String, sample: Bytes },
    /// A limit keeps connections out; that was counted and reported before.
    KeptOut,
    /// Nothing was heard for one and a half times the keep-alive (MQTT-3.1.2-22).
    KeepAliveTimeout,
    /// No CONNECT came in time.
    ConnectTimeout,
    /// Another connection has the client identifier now.
    TakenOver,
    /// Whoever operates the broker wants it so.
    Administrative,
    /// There is room again for what a 3.1.1 client got no answer to; it is to send it once more.
    RoomAgain,
    /// The broker stops.
    Shutdown,
}

impl End {
    /// Value of the `reason` label.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            End::Disconnected => "disconnected",
            End::DisconnectedWithWill => "disconnected_with_will",
            End::Lost => "lost",
            End::Refused { reason, .. } => reason.name(),
            End::KeptOut => "kept_out",
            End::KeepAliveTimeout => "keep_alive_timeout",
            End::ConnectTimeout => "connect_timeout",
            End::TakenOver => "taken_over",
            End::Administrative => "administrative",
            End::RoomAgain => "room_again",
            End::Shutdown => "shutdown",
        }
    }

    /// What there is to say besides the name, and what to do.
    pub(crate) fn detail(&self) -> &str {
        match self {
            End::Refused { detail, .. } => detail,
            End::KeptOut => "a limit on connections was met",
            End::Lost => "the socket closed without a DISCONNECT",
            End::KeepAliveTimeout => "nothing was heard for one and a half times the keep-alive",
            End::ConnectTimeout => "no whole CONNECT came within mqtt.connect_timeout",
            End::RoomAgain => "the disk was full and has room again: what got no answer is to be sent once more",
            End::TakenOver => "another connection came with the same identifier: give each client one of its own",
            _ => "",
        }
    }

    /// Whether the client was refused, or ended for what it did. What a limit kept out was told before.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, End::Refused { .. } | End::ConnectTimeout | End::TakenOver)
    }

    /// Whether the will is published (MQTT-3.1.2-8). At shutdown, or for want of room, it is not: the client did not
    /// fail, we did.
    pub(super) fn leaves_a_will(&self) -> bool {
        !matches!(self, End::Disconnected | End::RoomAgain | End::Shutdown)
    }
}
