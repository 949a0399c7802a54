//! Who is let in, and what they may do, as the configuration says it.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_settings::{Reader, Section, section, text, texts};

use crate::Exposure;
use crate::certificate::CertificateName;
use crate::guard::GuardConfig;
use crate::rights::{Right, Rights};
use crate::token::TokenConfig;

section! {
    /// Who is let in, and what they may do.
    #[derive(Debug, Clone)]
    pub struct IdentityConfig {
        /// How guessing is slowed down.
        pub guard: GuardConfig = GuardConfig::default(),
        /// Rights; none: everybody who is let in may do everything.
        pub rights: Vec<Right> = Vec::new(),
    }
    /// How devices prove who they are; docs/security.md explains each way.
    [identity] {
        /// Who shows nothing is let in: "auto" while no way below is set up, "never", from "loopback" or "everywhere".
        pub anonymous: Anonymous = choice(Anonymous::Auto, &[
            ("auto", Anonymous::Auto),
            ("never", Anonymous::Never),
            ("loopback", Anonymous::Loopback),
            ("everywhere", Anonymous::Everywhere),
        ]),
        /// Users with their passwords' hashes; `tidegate passwd FILE USER` writes it. Read again when it changes.
        pub password_file: Option<PathBuf> = path(None),
        /// Time a verified password is not verified again; "0 ms": always.
        pub password_cache: Duration = duration(Duration::from_secs(3600)),
        /// Verified passwords remembered.
        pub password_cache_max: usize = count(100_000),
        /// Passwords verified at the same time; each takes a core for tens of milliseconds, and 19 MiB.
        pub verify_concurrency: usize = count(2),
        /// Passwords that wait for it; past it clients are told to come back.
        ///
        /// With 0x89 (MQTT 5.0 section 4.13).
        pub verify_waiting_max: usize = count(1000),
        /// Which name in a client certificate is the user: "none", "common_name" or "alternative_name" (the first one).
        pub certificate_name: CertificateName = choice(CertificateName::None, &[
            ("none", CertificateName::None),
            ("common_name", CertificateName::CommonName),
            ("alternative_name", CertificateName::AlternativeName),
        ]),
        /// Keys of signed tokens (JWT as the password): a JWKS file, or a folder of KID.pem, KID.secret and *.json. Read
        /// again when they change.
        pub token_keys: Option<PathBuf> = path(None),
        /// Issuer (iss) tokens must have; empty: any.
        pub token_issuer: String = text(String::new()),
        /// Audience (aud) tokens must be for; empty: any.
        pub token_audience: String = text(String::new()),
        /// How far clocks may be apart.
        pub token_leeway: Duration = duration(Duration::from_secs(10)),
    }
    then IdentityConfig::read_on;
}

impl IdentityConfig {
    fn read_on(&mut self, reader: &mut Reader) {
        self.guard = GuardConfig::read(reader);
        self.rights = rights(reader);
    }

    /// Signed tokens, if there are keys.
    pub(crate) fn token(&self) -> Option<TokenConfig> {
        let (issuer, audience) = (self.token_issuer.clone(), self.token_audience.clone());
        self.token_keys.clone().map(|keys| TokenConfig { keys, issuer, audience, leeway: self.token_leeway })
    }

    /// By what one may prove who one is.
    #[must_use]
    pub fn proofs(&self) -> Vec<&'static str> {
        let ways = [
            ("certificate", self.certificate_name != CertificateName::None),
            ("token", self.token_keys.is_some()),
            ("password", self.password_file.is_some()),
        ];
        ways.into_iter().filter(|(_, is)| *is).map(|(way, _)| way).collect()
    }

    /// As [`Authority::exposure`](crate::Authority::exposure), of an authority that is not open yet.
    #[must_use]
    pub fn exposure(&self, otherwise: Exposure) -> Exposure {
        match self.anonymous {
            Anonymous::Everywhere => Exposure::AnonymousAllowed,
            Anonymous::Auto if self.proofs().is_empty() => otherwise,
            Anonymous::Auto | Anonymous::Never | Anonymous::Loopback => Exposure::Identified,
        }
    }
}

/// What becomes of those who show neither user nor token nor certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anonymous {
    /// They are let in as long as there is no way to prove oneself, and not once there is one.
    #[default]
    Auto,
    /// They are not let in.
    Never,
    /// They are let in from this machine.
    Loopback,
    /// They are let in.
    Everywhere,
}

const RIGHT_SAMPLE: &str = r#"
# Rights, any number of them. Without any, whoever is let in may do everything; with the first one, only what a right
# allows and none denies, in whatever order they stand. user, group and client say whom it is for (all of those given have
# to fit; * is any text); in topic and
# devices, %c stands for the client identifier and %u for the user.
# [[right]]
# user = "*"                     # everybody who proved who it is; without it also those who did not
# group = "trucks"
# client = "truck-*"
# topic = "fleet/%u/#"
# publish = true                 # default false
# retain = true                  # publishing with the retain flag; default false
# devices = ["%u", "%u-*"]       # devices its readings may be of (?: any character); without it any device
# subscribe = true               # default false
# deny = true                    # what it names is denied, whatever others allow; default false
"#;

fn rights(reader: &mut Reader) -> Vec<Right> {
    let paths = reader.list("right", RIGHT_SAMPLE);
    let rights: Vec<Right> = paths.iter().filter_map(|path| right(&mut reader.at(path))).collect();
    // A list of what is denied alone would read as if the rest were allowed.
    if let Some(first) = paths.first()
        && rights.len() == paths.len()
        && rights.iter().all(|right| right.deny)
    {
        reader
            .at(first)
            .wrong("deny takes from what other rights allow, and there is none: add one, such as topic = \"#\"");
    }
    rights
}

fn right(section: &mut Section<'_>) -> Option<Right> {
    let mut given = |key| section.optional(key, text);
    let (user, group, client, topic) = (given("user"), given("group"), given("client"), given("topic"));
    let mut flag = |key| {
        let given = section.optional(key, |item| item.as_bool().ok_or_else(|| "is true or false".into()));
        given.unwrap_or(false)
    };
    let (publish, subscribe, retain, deny) = (flag("publish"), flag("subscribe"), flag("retain"), flag("deny"));
    let devices = section.optional("devices", texts);
    let topic = topic.unwrap_or_default();
    let right = Right { user, group, client, topic, publish, subscribe, retain, deny, devices };
    match Rights::new(std::slice::from_ref(&right)) {
        Ok(_) => Some(right),
        Err(error) => {
            section.wrong(error.what);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> (IdentityConfig, Vec<String>) {
        let mut reader = Reader::new(text);
        let config = IdentityConfig::read(&mut reader);
        (config, reader.finish().0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn identity_and_rights_are_read_as_written() {
        let text = "[identity]\npassword_file = \"users\"\ntoken_keys = \"keys\"\nanonymous = \"loopback\"\n\
                    [[right]]\nuser = \"*\"\ntopic = \"dev/%u/#\"\npublish = true\nretain = true\ndevices = [\"%u\"]\n";
        let (identity, mistakes) = parse(text);
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(identity.password_file, Some("users".into()));
        assert_eq!(identity.token().unwrap().keys, PathBuf::from("keys"));
        assert_eq!(identity.anonymous, Anonymous::Loopback);
        let expected = Right {
            user: Some("*".into()),
            topic: "dev/%u/#".into(),
            publish: true,
            retain: true,
            devices: Some(vec!["%u".into()]),
            ..Right::default()
        };
        assert_eq!(identity.rights, [expected]);
    }

    #[test]
    fn a_right_that_allows_nothing_or_everything_by_mistake_is_a_mistake() {
        let mistakes = |text: &str| parse(text).1.concat();
        assert!(mistakes("[[right]]\ntopic = \"a/#\"\n").contains("right[0]: allows nothing"));
        assert!(mistakes("[[right]]\npublish = true\n").contains("right[0]: needs a topic"));
        assert!(mistakes("[[right]]\ntopic = \"a#\"\npublish = true\n").contains("wildcard"));
        assert!(mistakes("[[right]]\ntopic = \"a\"\npublish = true\nuser = 5\n").contains("right[0].user"));
        assert!(mistakes("[[right]]\ntopic = \"a\"\ndeny = true\n").contains("line 1: right[0]: denies nothing"));
        assert!(mistakes("[[right]]\ntopic = \"a\"\npublish = true\ndeny = 1\n").contains("line 4: right[0].deny"));
        let alone = mistakes("\n[[right]]\ntopic = \"a\"\npublish = true\ndeny = true\n");
        assert!(alone.contains("line 2: right[0]: deny takes from what other rights allow"), "{alone}");
        let devices = |list: &str| mistakes(&format!("\n[[right]]\ntopic = \"a\"\npublish = true\ndevices = {list}\n"));
        assert!(devices("\"a\"").contains("line 5: right[0].devices: is a list of texts"), "{}", devices("\"a\""));
        assert!(devices("[]").contains("line 2: right[0]: devices needs patterns"), "{}", devices("[]"));
    }
}
