use std::sync::Arc;

use tidegate_telemetry::Qos;

/// How a client subscribed to a filter (MQTT 5.0 section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Highest quality of service the client wants.
    pub qos: Qos,
    /// What the client published itself does not come back.
    pub no_local: bool,
    /// The retain flag is passed on as published.
    pub retain_as_published: bool,
    /// Goes with every delivery the subscription causes (section 3.8.2.1.2).
    pub identifier: Option<u32>,
}

impl SubscriptionOptions {
    /// All of them but the identifier, in the bits that files and memory hold.
    pub(super) fn packed(self) -> u8 {
        self.qos.level() | u8::from(self.no_local) << 2 | u8::from(self.retain_as_published) << 3
    }

    pub(super) fn unpacked(options: u8, identifier: Option<u32>) -> SubscriptionOptions {
        let qos = match options & 3 {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        SubscriptionOptions { qos, no_local: options & 4 != 0, retain_as_published: options & 8 != 0, identifier }
    }
}

/// Filters and options of one session whose client is connected, by filter. Most clients have one or two: a short list in
/// order is a fraction of a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions(Vec<(Arc<str>, SubscriptionOptions)>);

impl Subscriptions {
    /// Adds or replaces one.
    pub(crate) fn insert(&mut self, filter: Arc<str>, options: SubscriptionOptions) {
        match self.find(&filter) {
            Ok(at) => self.0[at].1 = options,
            Err(at) => {
                if self.0.is_empty() {
                    // A vector begins with room for four.
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (filter, options));
            }
        }
    }

    /// Removes one; returns its filter.
    pub(crate) fn remove(&mut self, filter: &str) -> Option<Arc<str>> {
        let at = self.find(filter).ok()?;
        Some(self.0.remove(at).0)
    }

    pub(crate) fn get(&self, filter: &str) -> Option<SubscriptionOptions> {
        self.find(filter).ok().map(|at| self.0[at].1)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, SubscriptionOptions)> {
        self.0.iter().map(|(filter, options)| (filter, *options))
    }

    fn find(&self, filter: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(filter))
    }
}

impl IntoIterator for Subscriptions {
    type Item = (Arc<str>, SubscriptionOptions);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(qos: Qos) -> SubscriptionOptions {
        SubscriptionOptions { qos, no_local: false, retain_as_published: false, identifier: None }
    }

    #[test]
    fn a_filter_is_there_once_and_the_list_is_in_order() {
        let mut mine = Subscriptions::default();
        for (filter, qos) in [("b", 0), ("a", 1), ("c", 0), ("a", 2)] {
            mine.insert(Arc::from(filter), options([Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][qos]));
        }
        assert_eq!(mine.iter().map(|(filter, _)| &**filter).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(mine.remove("a").as_deref(), Some("a"));
        assert_eq!((mine.remove("a"), mine.get("a"), mine.len()), (None, None, 2));
        assert_eq!(mine.into_iter().map(|(_, options)| options.qos).collect::<Vec<_>>(), [Qos::AtMostOnce; 2]);
    }
}
