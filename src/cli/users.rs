//! `perennial users`: who logs in by a name and a password.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};
use perennial_certs::{ThingName, User};
use serde::Serialize;

use super::{
    Failure, json_lines, print,
    site::{ListArgs, PICKED_UP, SiteArgs, check_references},
    table::Table,
    things::joined,
};

/// The most bytes that a password has.
const MAX_PASSWORD: u64 = 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Add a user; the password is the first line of stdin
    Add(AddArgs),
    /// List users
    List(ListArgs),
    /// Remove a user, and close the user's connections
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The user's name, as clients send it
    name: String,
    #[command(flatten)]
    site: SiteArgs,
    /// A policy of the user
    #[arg(long = "policy", value_name = "POLICY")]
    policies: Vec<String>,
    /// The thing that the user is, with the thing's policies
    #[arg(long, value_name = "THING")]
    thing: Option<ThingName>,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The user's name
    name: String,
    #[command(flatten)]
    site: SiteArgs,
}

/// Does what was asked for.
pub(super) fn users(command: &UsersCommand) -> Result<(), Failure> {
    match command {
        UsersCommand::Add(args) => add(args),
        UsersCommand::List(args) => list(args),
        UsersCommand::Remove(args) => remove(args),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    check_references(&site.registry()?, &args.policies, args.thing.as_ref())?;
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // Where nobody can be asked, the password comes anyway or not at all.
        write!(
            io::stderr(),
            "Password of {}; it shows while it is typed: ",
            args.name
        )
        .ok();
    }
    let password = password(stdin.lock())?;
    let (policies, thing) = (args.policies.clone(), args.thing.clone());
    User::add(&site.directory, &args.name, &password, policies, thing)?;
    print(&format!("The user {} is added. {PICKED_UP}", args.name))
}

/// The first line, without its end.
fn password(input: impl BufRead) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    input
        .take(MAX_PASSWORD + 2)
        .read_until(b'\n', &mut line)
        .map_err(Failure::Input)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    match line.len() as u64 {
        0 => Err(Failure::Asked(
            "the password is missing: it is the first line of stdin".to_owned(),
        )),
        1..=MAX_PASSWORD => Ok(line),
        _ => Err(Failure::Asked(format!(
            "a password has {MAX_PASSWORD} bytes at most"
        ))),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let registry = args.site.open()?.registry()?;
    let rows: Vec<_> = registry.users().map(UserRow::of).collect();
    if args.json {
        return print(&json_lines(&rows)?);
    }
    if rows.is_empty() {
        return print("There are no users.\n");
    }
    let mut table = Table::new(["NAME", "THING", "POLICIES"]);
    for row in rows {
        let thing = row.thing.unwrap_or("-").to_owned();
        table.push([row.name.to_owned(), thing, joined(row.policies)]);
    }
    print(&table.take(true))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    User::remove(&site.directory, &args.name)?;
    print(&format!("The user {} is removed. {PICKED_UP}", args.name))
}

/// A user, for people and programs.
#[derive(Serialize)]
struct UserRow<'a> {
    name: &'a str,
    thing: Option<&'a str>,
    policies: &'a [String],
}

impl<'a> UserRow<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            name: &user.name,
            thing: user.thing.as_ref().map(ThingName::as_str),
            policies: &user.policies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_of_any_bytes() {
        for (input, expected) in [
            (&b"secret\nnext"[..], &b"secret"[..]),
            (b"secret\r\n", b"secret"),
            (b" secret ", b" secret "),
            (b"\xff\x00\n", b"\xff\x00"),
        ] {
            assert_eq!(password(input).unwrap(), expected);
        }
        assert_eq!(password(&[b'a'; 1024][..]).unwrap().len(), 1024);
    }

    #[test]
    fn no_password_and_a_book_are_refused() {
        for (input, told) in [
            (&b""[..], "the password is missing"),
            (b"\nsecret", "the password is missing"),
            (&[b'a'; 1025], "a password has 1024 bytes at most"),
        ] {
            let failure = password(input).unwrap_err().in_words();
            assert!(failure.contains(told), "{failure}");
        }
    }
}
