//! Topics of Sparkplug: `spBv1.0/{group}/{message}/{node}[/{device}]` (Eclipse Sparkplug 3.0 section 4).

/// The first level; upper and lower case count.
pub(super) const NAMESPACE: &str = "spBv1.0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Birth,
    Data,
    Death,
}

/// Who says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic<'t> {
    /// What a bridge put in front, with the namespace: `spBv1.0`, `site1/spBv1.0`.
    namespace: &'t str,
    pub(super) message: Message,
    pub(super) group: &'t str,
    pub(super) node: &'t str,
    pub(super) device: Option<&'t str>,
}

/// What a topic of Sparkplug is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'t> {
    Telemetry(Topic<'t>),
    /// A command to a node or device, or the state of a host application.
    Nothing,
    /// No topic of Sparkplug.
    Unknown,
}

impl<'t> Subject<'t> {
    pub(super) fn of(topic: &'t str) -> Self {
        let Some((namespace, rest)) = split_namespace(topic) else { return Subject::Unknown };
        let mut levels = rest.split('/');
        let (Some(group), Some(verb)) = (levels.next(), levels.next()) else { return Subject::Unknown };
        let (node, device, more) = (levels.next(), levels.next(), levels.next());
        let message = match (verb, node, device) {
            _ if more.is_some() => return Subject::Unknown,
            ("NBIRTH", Some(_), None) | ("DBIRTH", Some(_), Some(_)) => Message::Birth,
            ("NDATA", Some(_), None) | ("DDATA", Some(_), Some(_)) => Message::Data,
            ("NDEATH", Some(_), None) | ("DDEATH", Some(_), Some(_)) => Message::Death,
            ("NCMD", Some(_), None) | ("DCMD", Some(_), Some(_)) => return Subject::Nothing,
            (_, None, None) if group == "STATE" => return Subject::Nothing,
            _ => return Subject::Unknown,
        };
        let node = node.unwrap_or_default();
        if group.is_empty() || node.is_empty() || device.is_some_and(str::is_empty) {
            return Subject::Unknown;
        }
        Subject::Telemetry(Topic { namespace, message, group, node, device })
    }
}

impl Topic<'_> {
    /// `Plant/Node` or `Plant/Node/Device`: the levels that name it. No level of Sparkplug holds a slash, so it is the only one.
    pub(super) fn device_id(&self) -> String {
        let Topic { group, node, .. } = self;
        match self.device {
            Some(device) => format!("{group}/{node}/{device}"),
            None => format!("{group}/{node}"),
        }
    }

    /// A node is in its group, a device below its node.
    pub(super) fn group_path(&self) -> String {
        match self.device {
            Some(_) => format!("{}/{}", self.group, self.node),
            None => self.group.to_owned(),
        }
    }

    /// Where the node takes commands.
    pub(super) fn of_node_commands(&self) -> String {
        format!("{}/{}/NCMD/{}", self.namespace, self.group, self.node)
    }
}

/// The topic up to the namespace, and what follows. A `[[source]]` may have levels before it.
fn split_namespace(topic: &str) -> Option<(&str, &str)> {
    let end = if topic.starts_with(NAMESPACE) {
        NAMESPACE.len()
    } else {
        let before =
            topic.split('/').take_while(|level| *level != NAMESPACE).map(|level| level.len() + 1).sum::<usize>();
        before + NAMESPACE.len()
    };
    let (namespace, rest) = topic.split_at_checked(end)?;
    Some((namespace, rest.strip_prefix('/')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_group_message_node_and_device() {
        let topic = |text| match Subject::of(text) {
            Subject::Telemetry(topic) => (topic.message, topic.device_id(), topic.group_path()),
            other => panic!("{other:?}"),
        };
        assert_eq!(topic("spBv1.0/Plant/NBIRTH/Line 1"), (Message::Birth, "Plant/Line 1".into(), "Plant".into()));
        let device = (Message::Data, "Plant/Line 1/Press".into(), "Plant/Line 1".into());
        assert_eq!(topic("spBv1.0/Plant/DDATA/Line 1/Press"), device);
        assert_eq!(topic("far/site/spBv1.0/Plant/DDATA/Line 1/Press"), device);
        for nothing in ["spBv1.0/P/NCMD/n", "spBv1.0/P/DCMD/n/d", "spBv1.0/STATE/scada"] {
            assert_eq!(Subject::of(nothing), Subject::Nothing, "{nothing}");
        }
        for unknown in [
            "spBv1.0",
            "spBv1.0/",
            "spBv1.0/P",
            "spBv1.0/P/NBIRTH",
            "spBv1.0/P/NBIRTH/n/d",
            "spBv1.0/P/DBIRTH/n",
            "spBv1.0/P/DDATA/n/d/e",
            "spBv1.0/P/nbirth/n",
            "spBv1.0//NDATA/n",
            "spBv1.0/P/NDATA/",
            "spBv1.0/P/DDATA/n/",
            "SPBV1.0/P/NBIRTH/n",
            "a/b",
            "",
            "spBv1.0x/P/NBIRTH/n",
        ] {
            assert_eq!(Subject::of(unknown), Subject::Unknown, "{unknown}");
        }
    }
}
