//! Bridges of other brokers. They ask for what version 5 has as options of a subscription: not to get back what they
//! published themselves, which would go round for ever where both sides subscribe to all, and the retain flag as it was
//! published. In 3.1 and 3.1.1 they say only what they are (see `older`), and in version 5 they use the options.

use super::inbound::Filter;

/// What a bridge subscribes to, with the options it cannot say before version 5. A shared subscription has no `no local`
/// (MQTT-3.8.3-4).
pub(super) fn with_options(mut filters: Vec<Filter>) -> Vec<Filter> {
    for filter in &mut filters {
        filter.options.no_local = !filter.filter.starts_with("$share/");
        filter.options.retain_as_published = true;
    }
    filters
}
