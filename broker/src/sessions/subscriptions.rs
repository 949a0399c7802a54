use std::sync::Arc;

use super::SubscriptionOptions;

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
    use tidegate_telemetry::Qos;

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
