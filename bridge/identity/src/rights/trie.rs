use rustc_hash::FxHashMap;

use super::Subject;
use super::devices::Devices;
use super::pattern::{Glob, Template};

/// What a rule allows, or a question needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Access(u8);

impl Access {
    pub(super) fn new(publish: bool, subscribe: bool, retain: bool) -> Self {
        Access(u8::from(publish) | u8::from(subscribe) << 1 | u8::from(retain) << 2)
    }

    pub(super) fn holds(self, wanted: Access) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    fn meets(self, wanted: Access) -> bool {
        self.0 & wanted.0 != 0
    }
}

/// Whom a rule is for; nothing set: everybody.
#[derive(Debug)]
pub(super) struct Who {
    pub user: Option<Glob>,
    pub group: Option<Glob>,
    pub client: Option<Glob>,
}

impl Who {
    fn fits(&self, subject: Subject<'_>) -> bool {
        let user = |glob: &Glob| subject.user.is_some_and(|user| glob.matches(user));
        let group = |glob: &Glob| subject.groups.iter().any(|group| glob.matches(group));
        let client = |glob: &Glob| glob.matches(subject.client);
        self.user.as_ref().is_none_or(user)
            && self.group.as_ref().is_none_or(group)
            && self.client.as_ref().is_none_or(client)
    }
}

#[derive(Debug)]
pub(super) struct Grant {
    pub who: Who,
    pub access: Access,
    /// Devices its publications may name; none set: any.
    pub devices: Option<Devices>,
}

/// What a walk through the rules looks for.
pub(super) trait Search {
    /// A rule that is for whoever asks, and for all of the topic.
    fn found(&mut self, grant: &Grant);

    /// Further rules would change nothing.
    fn is_over(&self) -> bool;
}

/// Looks for what the rules allow together.
struct Allowed {
    wanted: Access,
    got: Access,
}

impl Search for Allowed {
    fn found(&mut self, grant: &Grant) {
        self.got.0 |= grant.access.0;
    }

    fn is_over(&self) -> bool {
        self.got.holds(self.wanted)
    }
}

/// Looks for a rule that takes away something of what is wanted.
struct Denied {
    wanted: Access,
    is_denied: bool,
}

impl Search for Denied {
    fn found(&mut self, grant: &Grant) {
        self.is_denied |= grant.access.meets(self.wanted);
    }

    fn is_over(&self) -> bool {
        self.is_denied
    }
}

/// The rules that end at one place of the trie. Those that name somebody are found by the name, so that ten thousand
/// rules for as many users of one topic cost no more than one.
#[derive(Debug, Default)]
struct Grants {
    users: FxHashMap<Box<str>, Vec<Grant>>,
    clients: FxHashMap<Box<str>, Vec<Grant>>,
    groups: FxHashMap<Box<str>, Vec<Grant>>,
    /// Those for everybody, and those with `*`.
    others: Vec<Grant>,
}

impl Grants {
    fn add(&mut self, grant: Grant) {
        let exact = |glob: &Option<Glob>| glob.as_ref().and_then(Glob::exact).map(Box::<str>::from);
        let place = if let Some(user) = exact(&grant.who.user) {
            self.users.entry(user).or_default()
        } else if let Some(client) = exact(&grant.who.client) {
            self.clients.entry(client).or_default()
        } else if let Some(group) = exact(&grant.who.group) {
            self.groups.entry(group).or_default()
        } else {
            &mut self.others
        };
        place.push(grant);
    }

    fn search(&self, subject: Subject<'_>, search: &mut impl Search) {
        let user = subject.user.and_then(|user| self.users.get(user));
        let client = self.clients.get(subject.client);
        let groups = subject.groups.iter().filter_map(|group| self.groups.get(group));
        let found = user.into_iter().chain(client).chain(groups).flatten().chain(&self.others);
        for grant in found.filter(|grant| grant.who.fits(subject)) {
            search.found(grant);
        }
    }
}

/// One level of the rules' topics.
#[derive(Debug, Default)]
pub(super) struct Node {
    levels: FxHashMap<Box<str>, Node>,
    templates: Vec<(Template, Node)>,
    /// `+`
    any: Option<Box<Node>>,
    here: Option<Box<Grants>>,
    /// `#`
    below: Option<Box<Grants>>,
}

/// A question: a topic, or a filter all of whose topics are meant.
pub(super) struct Query<'a> {
    pub subject: Subject<'a>,
    pub text: &'a str,
    pub is_filter: bool,
}

impl Node {
    pub(super) fn add(&mut self, topic: &str, grant: Grant) {
        let mut node = self;
        for level in topic.split('/') {
            node = match (level, Template::parse(level)) {
                ("#", _) => return node.below.get_or_insert_default().add(grant),
                ("+", _) => node.any.get_or_insert_default(),
                (_, None) => node.levels.entry(level.into()).or_default(),
                (_, Some(template)) => node.template(template),
            };
        }
        node.here.get_or_insert_default().add(grant);
    }

    fn template(&mut self, template: Template) -> &mut Node {
        let known = self.templates.iter().position(|(other, _)| *other == template);
        let at = known.unwrap_or_else(|| {
            self.templates.push((template, Node::default()));
            self.templates.len() - 1
        });
        &mut self.templates[at].1
    }

    /// Whether the rules together give what is wanted.
    pub(super) fn grants(&self, query: &Query<'_>, wanted: Access) -> bool {
        if query.text.is_empty() {
            return false;
        }
        let mut allowed = Allowed { wanted, got: Access::default() };
        self.search(query, Some(query.text), &mut allowed);
        allowed.is_over()
    }

    /// Whether one of the rules takes away something of what is wanted: of a filter, in any topic that it holds.
    pub(super) fn denies(&self, query: &Query<'_>, wanted: Access) -> bool {
        let mut denied = Denied { wanted, is_denied: false };
        match query.is_filter {
            true => self.search_shared(query, Some(query.text), true, &mut denied),
            false => self.search(query, Some(query.text), &mut denied),
        }
        denied.is_denied
    }

    /// Shows a search the rules whose topic shares any with a filter, of which `rest` is left.
    fn search_shared(&self, query: &Query<'_>, rest: Option<&str>, is_first: bool, search: &mut impl Search) {
        // Wildcards of the first level do not reach topics that begin with $ (MQTT-4.7.2-1).
        let is_hidden = is_first && query.text.starts_with('$');
        if let Some(below) = self.below.as_ref().filter(|_| !is_hidden) {
            below.search(query.subject, search);
        }
        let Some(text) = rest.filter(|_| !search.is_over()) else {
            self.here.iter().for_each(|here| here.search(query.subject, search));
            return;
        };
        let (level, behind) = text.split_once('/').map_or((text, None), |(level, behind)| (level, Some(behind)));
        if level == "#" {
            // It holds the topic that ends here as well (section 4.7.1.2).
            self.here.iter().for_each(|here| here.search(query.subject, search));
        }
        // What is below `#` is anything.
        let behind = if level == "#" { Some("#") } else { behind };
        if let Some(any) = self.any.as_ref().filter(|_| !is_hidden) {
            any.search_shared(query, behind, false, search);
        }
        let Subject { client, user, .. } = query.subject;
        let is_wild = level == "#" || level == "+";
        for (_, node) in self.templates.iter().filter(|(of, _)| is_wild || of.matches(level, client, user)) {
            node.search_shared(query, behind, false, search);
        }
        match is_wild {
            true => {
                let is_reached = |name: &str| !(is_first && name.starts_with('$'));
                let reached = self.levels.iter().filter(|(name, _)| is_reached(name));
                reached.for_each(|(_, node)| node.search_shared(query, behind, false, search));
            }
            false => self.levels.get(level).into_iter().for_each(|node| {
                node.search_shared(query, behind, false, search);
            }),
        }
    }

    /// Shows a search the rules at and below this level; `rest` is what is left of the text.
    pub(super) fn search(&self, query: &Query<'_>, rest: Option<&str>, search: &mut impl Search) {
        // Wildcards of the first level do not reach topics that begin with $ (MQTT-4.7.2-1).
        let is_hidden = query.text.starts_with('$') && rest.is_some_and(|rest| rest.len() == query.text.len());
        if let Some(below) = self.below.as_ref().filter(|_| !is_hidden) {
            below.search(query.subject, search);
        }
        let Some(rest) = rest else {
            self.here.iter().for_each(|here| here.search(query.subject, search));
            return;
        };
        if search.is_over() || (query.is_filter && rest == "#") {
            return;
        }
        let (level, rest) = rest.split_once('/').map_or((rest, None), |(level, rest)| (level, Some(rest)));
        if let Some(any) = self.any.as_ref().filter(|_| !is_hidden) {
            any.search(query, rest, search);
        }
        if query.is_filter && level == "+" {
            return;
        }
        if let Some(node) = self.levels.get(level) {
            node.search(query, rest, search);
        }
        let Subject { client, user, .. } = query.subject;
        for (_, node) in self.templates.iter().filter(|(template, _)| template.matches(level, client, user)) {
            node.search(query, rest, search);
        }
    }
}
