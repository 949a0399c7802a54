//! Who may publish and subscribe where, and for which devices.

mod devices;
mod pattern;
mod search;
mod trie;

use std::collections::BTreeSet;

use self::devices::Devices;
use self::pattern::Glob;
use self::search::DeviceSearch;
use self::trie::{Access, Grant, Node, Query, Who};

/// One rule, as the operator writes it: whoever fits `user`, `group` and `client` may do this in the topics of `topic`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Right {
    /// Users it is for, `*` is any text: `"*"` is everybody who proved who it is. None: also those who did not.
    pub user: Option<String>,
    /// Groups it is for.
    pub group: Option<String>,
    /// Client identifiers it is for.
    pub client: Option<String>,
    /// A topic filter; `%c` stands for the client identifier and `%u` for the user.
    pub topic: String,
    /// Publishing is allowed.
    pub publish: bool,
    /// Subscribing is allowed.
    pub subscribe: bool,
    /// Publishing with the retain flag is allowed, where publishing is.
    pub retain: bool,
    /// What it names is not allowed, whatever other rules say: publishing, subscribing to any of the topics, publishing
    /// with the retain flag.
    pub deny: bool,
    /// Devices that what is published so may be about: patterns in which `*` is any text, `?` any character, and `%c` and
    /// `%u` stand for client identifier and user. None: any device.
    pub devices: Option<Vec<String>>,
}

/// A rule that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}")]
pub struct RightError {
    /// Place of the rule, counted from 0.
    pub index: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Whoever asks for something.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Client identifier.
    pub client: &'a str,
    /// The principal's name; none for those who proved nothing.
    pub user: Option<&'a str>,
    /// Groups of the principal.
    pub groups: &'a [Box<str>],
}

/// All rules, as tries over the levels of their topics. Without any rule everything is allowed, with the first one nothing
/// is that none allows; what one denies is not, whatever the others say and in whatever order they stand. A decision looks
/// at the topic's levels, not at the number of rules; only a filter with wildcards looks at the denied levels it spans.
#[derive(Debug, Default)]
pub struct Rights {
    root: Node,
    denied: Node,
    rules: usize,
    /// Some rule names devices.
    names_devices: bool,
}

impl Rights {
    /// Builds the trie.
    ///
    /// # Errors
    /// The first rule that cannot be used.
    pub fn new(rules: &[Right]) -> Result<Self, RightError> {
        let names_devices = rules.iter().any(|rule| rule.devices.is_some());
        let mut rights = Rights { rules: rules.len(), names_devices, ..Rights::default() };
        for (index, rule) in rules.iter().enumerate() {
            check(rule).map_err(|what| RightError { index, what })?;
            let glob = |text: &Option<String>| text.as_deref().map(Glob::new);
            let who = Who { user: glob(&rule.user), group: glob(&rule.group), client: glob(&rule.client) };
            let access = Access::new(rule.publish, rule.subscribe, rule.retain);
            let devices = rule.devices.as_deref().map(Devices::new);
            let root = if rule.deny { &mut rights.denied } else { &mut rights.root };
            root.add(&rule.topic, Grant { who, access, devices });
        }
        Ok(rights)
    }

    /// Whether there are no rules: then everything is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// Number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules
    }

    /// Whether someone may publish to a topic; `retain`: with the retain flag.
    #[must_use]
    pub fn may_publish(&self, subject: Subject<'_>, topic: &str, retain: bool) -> bool {
        let wanted = Access::new(true, false, retain);
        self.allows(&Query { subject, text: topic, is_filter: false }, wanted)
    }

    fn allows(&self, query: &Query<'_>, wanted: Access) -> bool {
        self.rules == 0 || (self.root.grants(query, wanted) && !self.denied.denies(query, wanted))
    }

    /// The devices that what someone publishes to a topic may be about, as patterns in which `*` is any text and `?` any
    /// character; `None`: any. It is any as soon as one rule that allows the publication names no devices; else what
    /// such rules name adds up.
    #[must_use]
    pub fn devices(&self, subject: Subject<'_>, topic: &str) -> Option<BTreeSet<String>> {
        if !self.names_devices {
            return None;
        }
        let mut search = DeviceSearch::new(subject);
        self.root.search(&Query { subject, text: topic, is_filter: false }, Some(topic), &mut search);
        search.patterns()
    }

    /// Whether someone may subscribe to a filter: one rule's topic has to hold all of the filter's, and none that denies
    /// any of them.
    #[must_use]
    pub fn may_subscribe(&self, subject: Subject<'_>, filter: &str) -> bool {
        let wanted = Access::new(false, true, false);
        let text = match filter.strip_prefix("$share/") {
            Some(shared) => shared.split_once('/').map_or("", |(_, filter)| filter),
            None => filter,
        };
        self.allows(&Query { subject, text, is_filter: true }, wanted)
    }
}

fn check(rule: &Right) -> Result<(), &'static str> {
    if rule.topic.is_empty() {
        return Err("needs a topic");
    }
    if rule.deny && !rule.publish && !rule.subscribe && !rule.retain {
        return Err("denies nothing: set publish, subscribe or retain");
    }
    if rule.deny && rule.devices.is_some() {
        return Err("devices say what a right allows: leave them out where it denies");
    }
    if !rule.deny && !rule.publish && !rule.subscribe {
        return Err("allows nothing: set publish or subscribe");
    }
    if !rule.deny && rule.retain && !rule.publish {
        return Err("retain needs publish");
    }
    if let Some(devices) = &rule.devices {
        if !rule.publish {
            return Err("devices needs publish");
        }
        Devices::check(devices)?;
    }
    let mut levels = rule.topic.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_wild = level == "+" || (level == "#" && levels.peek().is_none());
        if !is_wild && level.contains(['+', '#']) {
            return Err("the topic uses a wildcard where none may stand: + fills a level, # is the last level");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(topic: &str) -> Right {
        Right { topic: topic.into(), publish: true, subscribe: true, ..Right::default() }
    }

    fn subject<'a>(client: &'a str, user: &'a str, groups: &'a [Box<str>]) -> Subject<'a> {
        Subject { client, user: Some(user).filter(|user| !user.is_empty()), groups }
    }

    fn publishes(rights: &Rights, client: &str, user: &str, topic: &str) -> bool {
        rights.may_publish(subject(client, user, &[]), topic, false)
    }

    fn subscribes(rights: &Rights, filter: &str) -> bool {
        rights.may_subscribe(subject("c1", "u1", &[]), filter)
    }

    #[test]
    fn without_rules_all_is_allowed_and_with_one_only_what_it_says() {
        let none = Rights::default();
        assert!(none.may_publish(subject("c", "", &[]), "a", true) && subscribes(&none, "#"));
        let one = Rights::new(&[right("a/+/b")]).expect("a good rule");
        assert!(publishes(&one, "c", "", "a/x/b") && !publishes(&one, "c", "", "a/x/c"));
        assert!(!publishes(&one, "c", "", "a/x") && !publishes(&one, "c", "", "a/x/b/c"));
        assert!(!one.may_publish(subject("c", "", &[]), "a/x/b", true), "retain is a right of its own");
    }

    #[test]
    fn a_client_and_a_user_speak_under_their_own_names_alone() {
        let rights = Rights::new(&[right("dev/%c/#"), right("user/%u"), right("both/%u-%c")]).expect("good rules");
        assert!(publishes(&rights, "c1", "u1", "dev/c1/temperature") && publishes(&rights, "c1", "u1", "dev/c1"));
        assert!(!publishes(&rights, "c1", "u1", "dev/c2/temperature"));
        assert!(publishes(&rights, "c1", "u1", "user/u1") && !publishes(&rights, "c1", "u1", "user/u2"));
        assert!(publishes(&rights, "c1", "u1", "both/u1-c1") && !publishes(&rights, "c1", "", "both/-c1"));
        assert!(rights.may_subscribe(subject("c1", "u1", &[]), "dev/c1/#"));
        assert!(!rights.may_subscribe(subject("+", "u1", &[]), "dev/+/#"), "a client that calls itself a wildcard");
        assert!(!rights.may_subscribe(subject("#", "u1", &[]), "dev/#"));
        assert!(!rights.may_subscribe(subject("c1/#", "u1", &[]), "dev/c1/#"));
    }

    #[test]
    fn a_subscription_needs_a_rule_that_holds_all_of_it() {
        let rights = Rights::new(&[right("a/+/c"), right("b/#")]).expect("good rules");
        for allowed in ["a/+/c", "a/x/c", "b/#", "b/+/x", "b", "b/x/#", "$share/g/b/#"] {
            assert!(subscribes(&rights, allowed), "{allowed}");
        }
        for denied in ["#", "+/#", "a/#", "a/+/+", "+/x/c", "+", "a/+/#", "$share/g/#", "$share/g", "$SYS/#"] {
            assert!(!subscribes(&rights, denied), "{denied}");
        }
        let all = Rights::new(&[right("#")]).expect("a good rule");
        assert!(subscribes(&all, "#") && subscribes(&all, "+/a"));
        assert!(!subscribes(&all, "$SYS/#"), "wildcards do not reach topics that begin with $ (MQTT-4.7.2-1)");
    }

    #[test]
    fn a_rule_is_for_the_users_groups_and_clients_it_names() {
        let users = Rights::new(&[Right { user: Some("truck-*".into()), ..right("t") }]).expect("a good rule");
        assert!(publishes(&users, "c", "truck-7", "t") && !publishes(&users, "c", "car", "t"));
        let known = Rights::new(&[Right { user: Some("*".into()), ..right("t") }]).expect("a good rule");
        assert!(
            publishes(&known, "c", "anyone", "t") && !publishes(&known, "c", "", "t"),
            "who proved nothing is nobody"
        );
        let both = Right { group: Some("g".into()), client: Some("c*".into()), ..right("t") };
        let both = Rights::new(&[both]).expect("a good rule");
        let groups = [Box::from("g")];
        assert!(both.may_publish(subject("c1", "u", &groups), "t", false));
        assert!(!both.may_publish(subject("d1", "u", &groups), "t", false));
        assert!(!both.may_publish(subject("c1", "u", &[]), "t", false));
    }

    #[test]
    fn what_two_rules_allow_adds_up() {
        let retain = Right { subscribe: false, retain: true, ..right("a/b") };
        let rights = Rights::new(&[Right { publish: false, ..right("a/#") }, retain]).expect("good rules");
        assert!(rights.may_publish(subject("c", "", &[]), "a/b", true));
        assert!(rights.may_subscribe(subject("c", "", &[]), "a/b"));
        assert!(!rights.may_publish(subject("c", "", &[]), "a/c", false));
    }

    fn deny(topic: &str) -> Right {
        Right { deny: true, ..right(topic) }
    }

    #[test]
    fn what_a_rule_denies_no_other_allows_in_whatever_order() {
        let mut rules = [right("#"), deny("secret/#"), Right { user: Some("ann".into()), ..deny("ann/never") }];
        for _ in 0..2 {
            let rights = Rights::new(&rules).expect("good rules");
            assert!(publishes(&rights, "c", "bob", "ann/never") && !publishes(&rights, "c", "ann", "ann/never"));
            assert!(!publishes(&rights, "c", "bob", "secret") && !publishes(&rights, "c", "bob", "secret/x"));
            assert!(publishes(&rights, "c", "bob", "secrets/x"));
            rules.reverse();
        }
    }

    #[test]
    fn a_filter_that_reaches_into_what_is_denied_is_denied() {
        let rights =
            Rights::new(&[right("#"), right("$SYS/#"), deny("a/secret/#"), deny("b/+/x"), deny("$SYS/broker/#")]);
        let rights = rights.expect("good rules");
        for allowed in ["a/open/#", "a/b", "a", "b/+/y", "b/#/x", "b/y", "+/other", "$SYS/uptime", "c/#"] {
            assert!(subscribes(&rights, allowed) || allowed == "b/#/x", "{allowed}");
        }
        for denied in ["#", "a/#", "a/+", "a/+/z", "+/secret", "+/#", "a/secret", "b/#", "b/k/x", "b/+/+", "b/k/#"] {
            assert!(!subscribes(&rights, denied), "{denied}");
        }
        assert!(!subscribes(&rights, "$share/g/a/#") && !subscribes(&rights, "$SYS/#"));
        let system = Rights::new(&[right("#"), deny("$SYS/#")]).expect("good rules");
        assert!(subscribes(&system, "#"), "a wildcard of the first level does not reach $SYS (MQTT-4.7.2-1)");
    }

    #[test]
    fn the_retain_flag_and_ones_own_topics_can_be_denied() {
        let retain = Right { publish: false, subscribe: false, retain: true, ..deny("a/#") };
        let own = Right { publish: false, ..deny("dev/%c") };
        let rights = Rights::new(&[Right { retain: true, ..right("#") }, retain, own]).expect("good rules");
        let may = |topic, retain| rights.may_publish(subject("c1", "u1", &[]), topic, retain);
        assert_eq!([may("a/b", false), may("a/b", true), may("b", true)], [true, false, true]);
        assert!(!subscribes(&rights, "dev/c1") && subscribes(&rights, "dev/c2") && !subscribes(&rights, "dev/+"));
    }

    fn for_devices(topic: &str, devices: &[&str]) -> Right {
        Right { devices: Some(devices.iter().map(|&device| device.into()).collect()), ..right(topic) }
    }

    fn devices(rights: &Rights, client: &str, user: &str, topic: &str) -> Option<Vec<String>> {
        let found = rights.devices(subject(client, user, &[]), topic);
        found.map(|patterns| patterns.into_iter().collect())
    }

    #[test]
    fn a_rule_says_for_which_devices_whoever_it_is_for_may_speak() {
        let gateway = Right { user: Some("gw1".into()), ..for_devices("up/#", &["gw1-*", "old-pump"]) };
        let rights = Rights::new(&[for_devices("up/#", &["%u", "%c.%u"]), gateway, right("free/#")]).expect("good");
        let patterns = |user, topic| devices(&rights, "c1", user, topic);
        assert_eq!(patterns("truck-7", "up/x"), Some(vec!["c1.truck-7".into(), "truck-7".into()]));
        assert_eq!(patterns("gw1", "up/x").expect("they add up").len(), 4);
        assert_eq!(patterns("truck-7", "free/x"), None, "a rule without devices allows any");
        assert_eq!(patterns("", "up/x"), Some(vec![]), "who proved nothing has no user to be named after");
        assert_eq!(patterns("*", "up/x"), Some(vec![]), "a name cannot be a pattern");
    }

    #[test]
    fn any_device_may_be_named_where_one_rule_that_allows_the_publication_says_so() {
        let fleet = Right { group: Some("gateways".into()), ..right("up/+") };
        let reads = Right { publish: false, ..right("up/#") };
        let rights = Rights::new(&[for_devices("up/#", &["%u"]), fleet, reads]).expect("good rules");
        let groups = [Box::from("gateways")];
        assert_eq!(rights.devices(subject("c", "u", &groups), "up/x"), None);
        assert_eq!(devices(&rights, "c", "u", "up/x"), Some(vec!["u".into()]), "a rule to read allows no device");
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_named() {
        for (rule, what) in [
            (right(""), "needs a topic"),
            (Right { publish: false, subscribe: false, ..right("a") }, "allows nothing"),
            (Right { publish: false, retain: true, ..right("a") }, "retain needs publish"),
            (right("a/#/b"), "wildcard"),
            (right("a+"), "wildcard"),
            (for_devices("a", &[]), "not empty"),
            (for_devices("a", &["b", ""]), "not empty"),
            (for_devices("a", &["x".repeat(4097).as_str()]), "4096 bytes"),
            (Right { publish: false, ..for_devices("a", &["b"]) }, "devices needs publish"),
            (Right { deny: true, ..for_devices("a", &["b"]) }, "leave them out where it denies"),
            (Right { publish: false, subscribe: false, ..deny("a") }, "denies nothing"),
        ] {
            let error = Rights::new(&[right("fine"), rule]).expect_err("a mistake");
            assert!(error.index == 1 && error.what.contains(what), "{error}");
        }
    }
}
