//! Who is let in, and what they may do.

use std::path::PathBuf;

use tidegate_identity::{Anonymous, CertificateName, GuardConfig, IdentityConfig, Right, Rights, TokenConfig};

use super::reader::{Reader, Section, texts};

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

pub fn identity(reader: &mut Reader) -> IdentityConfig {
    let d = IdentityConfig::default();
    let mut s = reader.section("identity", "How devices prove who they are; docs/security.md explains each way.");
    let config = IdentityConfig {
        anonymous: s.choice(
            "anonymous",
            &[
                ("auto", Anonymous::Auto),
                ("never", Anonymous::Never),
                ("loopback", Anonymous::Loopback),
                ("everywhere", Anonymous::Everywhere),
            ],
            "Who shows nothing is let in: \"auto\" while no way below is set up, \"never\", from \"loopback\" or \"everywhere\".",
        ),
        password_file: path(&mut s, "password_file", "Users with their passwords' hashes; `tidegate passwd FILE \
            USER` writes it. Read again when it changes."),
        password_cache: s.duration("password_cache", d.password_cache, "Time a verified password is not verified again; \"0 ms\": always."),
        password_cache_max: s.count("password_cache_max", d.password_cache_max, "Verified passwords remembered."),
        verify_concurrency: s.count("verify_concurrency", d.verify_concurrency, "Passwords verified at the same \
            time; each takes a core for tens of milliseconds, and 19 MiB."),
        verify_waiting_max: s.count("verify_waiting_max", d.verify_waiting_max, "Passwords that wait for it; \
            past it clients are told to come back."),
        certificate_name: s.choice(
            "certificate_name",
            &[
                ("none", CertificateName::None),
                ("common_name", CertificateName::CommonName),
                ("alternative_name", CertificateName::AlternativeName),
            ],
            "Which name in a client certificate is the user: \"none\", \"common_name\" or \"alternative_name\" (the first one).",
        ),
        token: token(&mut s),
        guard: guard(&mut s),
        rights: Vec::new(),
    };
    IdentityConfig { rights: rights(reader), ..config }
}

fn token(s: &mut Section<'_>) -> Option<TokenConfig> {
    let keys = path(
        s,
        "token_keys",
        "Keys of signed tokens (JWT as the password): a JWKS file, or a folder of KID.pem, KID.secret and \
            *.json. Read again when they change.",
    );
    let issuer = s.text("token_issuer", "", "Issuer (iss) tokens must have; empty: any.");
    let audience = s.text("token_audience", "", "Audience (aud) tokens must be for; empty: any.");
    let leeway = s.duration("token_leeway", std::time::Duration::from_secs(10), "How far clocks may be apart.");
    keys.map(|keys| TokenConfig { keys, issuer, audience, leeway })
}

fn guard(s: &mut Section<'_>) -> GuardConfig {
    let d = GuardConfig::default();
    GuardConfig {
        failures_free: s.count(
            "failures_free",
            d.failures_free,
            "Wrong credentials of an address, or for a user, that cost nothing.",
        ),
        failure_delay: s.duration(
            "failure_delay",
            d.failure_delay,
            "Then nothing is looked at for this time; each further one doubles it…",
        ),
        failure_delay_max: s.duration("failure_delay_max", d.failure_delay_max, "…up to this time."),
        entries_max: s.count(
            "failures_remembered_max",
            d.entries_max,
            "Addresses, and users, whose failures are remembered.",
        ),
    }
}

fn path(s: &mut Section<'_>, key: &str, meaning: &str) -> Option<PathBuf> {
    Some(s.text(key, "", meaning)).filter(|path| !path.is_empty()).map(PathBuf::from)
}

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
    let mut text = |key| {
        section.optional(key, |item| match item.as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err("is a text in quotes".into()),
        })
    };
    let (user, group, client, topic) = (text("user"), text("group"), text("client"), text("topic"));
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
    use super::super::parse;
    use super::*;

    #[test]
    fn identity_and_rights_are_read_as_written() {
        let text = "[identity]\npassword_file = \"users\"\ntoken_keys = \"keys\"\nanonymous = \"loopback\"\n\
                    [[right]]\nuser = \"*\"\ntopic = \"dev/%u/#\"\npublish = true\nretain = true\ndevices = [\"%u\"]\n";
        let identity = parse(text).unwrap().identity;
        assert_eq!(identity.password_file, Some("users".into()));
        assert_eq!(identity.token.unwrap().keys, PathBuf::from("keys"));
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
        let mistakes = |text: &str| parse(text).unwrap_err().iter().map(ToString::to_string).collect::<String>();
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
