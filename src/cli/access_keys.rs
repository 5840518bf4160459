//! `perennial access-keys`: what clients sign their WebSocket requests with.

use clap::{Args, Subcommand};
use perennial_certs::{AccessKey, ThingName};
use serde::Serialize;

use super::{
    Failure, json, json_lines, print,
    site::{ListArgs, PICKED_UP, SiteArgs, check_references},
    table::Table,
    things::joined,
};

#[derive(Debug, Subcommand)]
pub(crate) enum AccessKeysCommand {
    /// Make a key and print it; the secret is shown this once
    Add(AddArgs),
    /// List keys, without their secrets
    List(ListArgs),
    /// Remove a key, and close connections that were made with it
    Remove(RemoveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// A policy of whoever has the key
    #[arg(long = "policy", value_name = "POLICY")]
    policies: Vec<String>,
    /// The thing that whoever has the key is, with the thing's policies
    #[arg(long, value_name = "THING")]
    thing: Option<ThingName>,
    /// Print JSON, with the names that the AWS tools have for both
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The key's identifier
    id: String,
    #[command(flatten)]
    site: SiteArgs,
}

/// Does what was asked for.
pub(super) fn access_keys(command: &AccessKeysCommand) -> Result<(), Failure> {
    match command {
        AccessKeysCommand::Add(args) => add(args),
        AccessKeysCommand::List(args) => list(args),
        AccessKeysCommand::Remove(args) => remove(args),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    check_references(&site.registry()?, &args.policies, args.thing.as_ref())?;
    let key = AccessKey::add(&site.directory, args.policies.clone(), args.thing.clone())?;
    if args.json {
        return print(&json(&NewKey {
            id: &key.id,
            secret: &key.secret,
        })?);
    }
    let AccessKey { id, secret, .. } = &key;
    print(&format!(
        "An access key is added. {PICKED_UP}\
         \n  access key id      {id}\
         \n  secret access key  {secret}\n\
         \nThe secret is not shown again.\n"
    ))
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let registry = args.site.open()?.registry()?;
    let rows: Vec<_> = registry.access_keys().map(KeyRow::of).collect();
    if args.json {
        return print(&json_lines(&rows)?);
    }
    if rows.is_empty() {
        return print("There are no access keys.\n");
    }
    let mut table = Table::new(["ID", "THING", "POLICIES", "STATE"]);
    for row in rows {
        table.push([
            row.id.to_owned(),
            row.thing.unwrap_or("-").to_owned(),
            joined(row.policies),
            if row.disabled { "disabled" } else { "enabled" }.to_owned(),
        ]);
    }
    print(&table.take(true))
}

fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    AccessKey::remove(&site.directory, &args.id)?;
    print(&format!(
        "The access key {} is removed. {PICKED_UP}",
        args.id
    ))
}

/// A key that was made, as `aws iam create-access-key` names its parts.
#[derive(Serialize)]
struct NewKey<'a> {
    #[serde(rename = "AccessKeyId")]
    id: &'a str,
    #[serde(rename = "SecretAccessKey")]
    secret: &'a str,
}

/// A key without its secret, for people and programs.
#[derive(Serialize)]
struct KeyRow<'a> {
    id: &'a str,
    thing: Option<&'a str>,
    policies: &'a [String],
    disabled: bool,
}

impl<'a> KeyRow<'a> {
    fn of(key: &'a AccessKey) -> Self {
        Self {
            id: &key.id,
            thing: key.thing.as_ref().map(ThingName::as_str),
            policies: &key.policies,
            disabled: key.is_disabled,
        }
    }
}
