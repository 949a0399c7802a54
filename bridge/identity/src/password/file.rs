use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::hash::{PASSWORD_BYTES_MAX, check_form, hash_password};
use crate::{IdentityError, Principal};

/// The users of a password file: `USER:HASH` or `USER:HASH:GROUP,GROUP` a line; `#` begins a comment.
#[derive(Debug)]
pub(super) struct Users(pub FxHashMap<Box<str>, User>);

/// One line.
#[derive(Debug)]
pub(super) struct User {
    pub principal: Principal,
    pub hash: Box<str>,
    pub groups: Arc<[Box<str>]>,
}

impl Users {
    pub(super) fn load(path: &Path) -> Result<Users, IdentityError> {
        let text = read(path).map_err(|error| IdentityError::File {
            path: path.to_owned(),
            detail: format!("cannot be read ({error}): add a user with `tidegate passwd {} USER`", path.display()),
        })?;
        Users::parse(&text).map_err(|detail| IdentityError::File { path: path.to_owned(), detail })
    }

    fn parse(text: &str) -> Result<Users, String> {
        let mut users = FxHashMap::default();
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {number}: {what}");
            let (name, rest) = line.split_once(':').ok_or_else(|| wrong("is not USER:HASH or USER:HASH:GROUP,…"))?;
            let (hash, groups) = rest.split_once(':').unwrap_or((rest, ""));
            check_form(hash).map_err(|what| wrong(&format!("the hash cannot be used: {what}")))?;
            let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty()).map(Box::from).collect();
            let principal = Principal::named(name).map_err(|error| wrong(&error.to_string()))?;
            if users.insert(Box::from(name), User { principal, hash: hash.into(), groups }).is_some() {
                return Err(wrong(&format!("the user {name:?} has a line already")));
            }
        }
        Ok(Users(users))
    }
}

/// Adds a user to a password file or changes its password; its groups, comments and other lines stay. The file is
/// made if there is none, readable by its owner alone, and replaced in one step: a server that reads it sees the old
/// or the new one.
///
/// # Errors
/// When the name or password cannot be used, or the file not be written.
pub fn set_password(path: &Path, user: &str, password: &[u8]) -> Result<(), IdentityError> {
    let wrong = |detail: String| IdentityError::File { path: path.to_owned(), detail };
    Principal::named(user).map_err(|error| wrong(error.to_string()))?;
    if user.contains(':') || user.starts_with('#') || user.trim() != user {
        return Err(wrong(format!("{user:?} cannot be a user: it holds ':', begins with '#', or has blanks around")));
    }
    if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
        return Err(wrong(format!("a password has 1 to {PASSWORD_BYTES_MAX} bytes")));
    }
    let before = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    };
    let after = with_user(&before, user, &hash_password(password));
    replace(path, after.as_bytes()).map_err(|error| wrong(format!("cannot be written: {error}")))
}

/// Editors of Windows begin a file with a byte order mark: it belongs to nobody's name.
fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn with_user(text: &str, user: &str, hash: &str) -> String {
    let mut is_known = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut parts = line.trim().splitn(3, ':');
        if parts.next() == Some(user) && parts.next().is_some() {
            let groups = parts.next().map_or_else(String::new, |groups| format!(":{groups}"));
            lines.push(format!("{user}:{hash}{groups}"));
            is_known = true;
        } else {
            lines.push(line.to_owned());
        }
    }
    if !is_known {
        lines.push(format!("{user}:{hash}"));
    }
    lines.join("\n") + "\n"
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is readable by its owner alone; one that was there keeps its permissions.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if let Ok(metadata) = fs::metadata(path) {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_user_is_added_and_changed_without_touching_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        set_password(&path, "a", b"one").unwrap();
        let first = fs::read_to_string(&path).unwrap();
        let line = first.trim_end().to_owned();
        fs::write(&path, format!("# people\n{line}:admins,drivers\n\n")).unwrap();
        set_password(&path, "b", b"two").unwrap();
        set_password(&path, "a", b"three").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# people\na:$argon2id$") && text.contains(":admins,drivers\n"), "{text}");
        assert!(!text.contains(&line), "the old hash is gone");
        let users = Users::load(&path).unwrap();
        assert_eq!(users.0["a"].groups.iter().map(|group| &**group).collect::<Vec<_>>(), ["admins", "drivers"]);
        assert!(super::super::hash::verify(&users.0["b"].hash, b"two"));
        use std::os::unix::fs::PermissionsExt;
        fs::remove_file(&path).unwrap();
        set_password(&path, "a", b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_byte_order_mark_belongs_to_nobodys_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        set_password(&path, "a", b"one").unwrap();
        fs::write(&path, format!("\u{feff}{}", fs::read_to_string(&path).unwrap())).unwrap();
        assert!(super::super::hash::verify(&Users::load(&path).unwrap().0["a"].hash, b"one"));
        set_password(&path, "a", b"two").unwrap();
        let users = Users::load(&path).unwrap().0;
        assert!(users.len() == 1 && super::super::hash::verify(&users["a"].hash, b"two"), "{users:?}");
    }

    #[test]
    fn a_mistake_is_reported_with_its_line() {
        let hash = hash_password(b"x");
        for (text, expected) in [
            ("# ok\njust a name".to_owned(), "line 2: is not USER:HASH"),
            ("a:secret".to_owned(), "line 1: the hash cannot be used"),
            (format!("a:{hash}\na:{hash}"), "line 2: the user \"a\" has a line already"),
            (format!("anonymous:{hash}"), "line 1: \"anonymous\" cannot be a user's name"),
        ] {
            let mistake = Users::parse(&text).unwrap_err();
            assert!(mistake.contains(expected), "{mistake}");
        }
        let missing = Users::load(Path::new("/nowhere/passwords")).unwrap_err().to_string();
        assert!(missing.contains("tidegate passwd /nowhere/passwords USER"), "{missing}");
    }

    #[test]
    fn a_name_that_would_break_its_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for wrong in ["a:b", "#a", "", " a", "a\nb"] {
            assert!(set_password(&folder.path().join("p"), wrong, b"x").is_err(), "{wrong:?}");
        }
        assert!(set_password(&folder.path().join("p"), "a", b"").is_err());
    }
}
