//! `tidegate passwd`: the password comes from the terminal or from stdin, never from the command line, where every
//! user of the machine could read it.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Adds a user to a password file, or changes its password.
///
/// # Errors
/// When the password cannot be read or used, or the file not be written.
pub fn run(file: &Path, user: &str) -> Result<()> {
    let is_terminal = io::stdin().is_terminal();
    let password = if is_terminal { ask_twice(user)? } else { line().context("the password is read from stdin")? };
    tidegate_identity::set_password(file, user, password.as_bytes())?;
    println!("{user} is in {}", file.display());
    Ok(())
}

fn ask_twice(user: &str) -> Result<String> {
    let first = ask(&format!("Password of {user}: "))?;
    if first != ask("Once more: ")? {
        bail!("the two are not the same: nothing was changed");
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<String> {
    let mut terminal = io::stderr();
    write!(terminal, "{prompt}")?;
    terminal.flush()?;
    let silent = Silent::new()?;
    let answer = line();
    drop(silent);
    writeln!(terminal)?;
    answer
}

fn line() -> Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal shows nothing that is typed, as long as this lives.
struct Silent(Termios);

impl Silent {
    fn new() -> Result<Silent> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
        Ok(Silent(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is nothing else to do about a terminal that went away.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
