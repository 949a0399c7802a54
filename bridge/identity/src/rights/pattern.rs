/// Text with `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Box<str>);

impl Glob {
    pub(super) fn new(text: &str) -> Self {
        Glob(text.into())
    }

    /// The text itself, where it stands for one name only.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// A level of a topic pattern, or a device pattern, that holds `%c` or `%u`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Client,
    User,
}

impl Template {
    /// `None` where the level is plain text.
    pub(super) fn parse(level: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = level;
        while let Some(at) = rest.find("%c").into_iter().chain(rest.find("%u")).min() {
            if at > 0 {
                parts.push(Part::Text(rest[..at].into()));
            }
            parts.push(if rest[at..].starts_with("%c") { Part::Client } else { Part::User });
            rest = &rest[at + 2..];
        }
        if parts.is_empty() {
            return None;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Some(Template(parts))
    }

    /// Whether a level is the one the template makes for this client and user. A name that is empty, or holds a
    /// character that means something in a filter, makes none: a client that calls itself `#` gains nothing.
    pub(super) fn matches(&self, mut level: &str, client: &str, user: Option<&str>) -> bool {
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => text,
                Part::Client if is_plain(client) => client,
                Part::User => match user.filter(|user| is_plain(user)) {
                    Some(user) => user,
                    None => return false,
                },
                Part::Client => return false,
            };
            let Some(rest) = level.strip_prefix(text) else { return false };
            level = rest;
        }
        level.is_empty()
    }

    /// The device pattern it makes for this client and user. A name that is empty, or holds a character that means
    /// something in a pattern, makes none: a client that calls itself `*` gains nothing.
    pub(super) fn device_pattern(&self, client: &str, user: Option<&str>) -> Option<String> {
        let is_plain = |name: &&str| is_plain(name) && !name.contains(['*', '?']);
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Client => Some(client).filter(is_plain),
            Part::User => user.filter(is_plain),
        });
        texts.collect()
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '+', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (glob, good, bad) in [
            ("a", "a", "ab"),
            ("a*", "abc", "ba"),
            ("*a", "bba", "ab"),
            ("*", "", "\0"),
            ("a*b*c", "a-b-c", "a-c-b"),
            ("ab*ba", "abba", "aba"),
        ] {
            assert!(Glob::new(glob).matches(good), "{glob} {good}");
            assert!(glob == "*" || !Glob::new(glob).matches(bad), "{glob} {bad}");
        }
    }

    #[test]
    fn a_template_stands_for_the_client_and_the_user() {
        assert_eq!(Template::parse("plain%x"), None);
        let template = Template::parse("d-%c.%u!").expect("it holds %c");
        assert!(template.matches("d-c1.u1!", "c1", Some("u1")));
        assert!(!template.matches("d-c2.u1!", "c1", Some("u1")) && !template.matches("d-c1.u1!", "c1", None));
        let client = Template::parse("%c").expect("it holds %c");
        for name in ["", "+", "#", "a/b", "a+"] {
            assert!(!client.matches(name, name, None), "{name:?}");
        }
    }

    #[test]
    fn a_template_makes_a_device_pattern_of_plain_names_alone() {
        let template = Template::parse("gw-%u-*").expect("it holds %u");
        assert_eq!(template.device_pattern("c1", Some("u1")), Some("gw-u1-*".into()));
        for name in [None, Some(""), Some("*"), Some("a?"), Some("a/b")] {
            assert_eq!(template.device_pattern("c1", name), None, "{name:?}");
        }
    }
}
