//! `perennial things`: the devices that a gateway knows.

mod add;
mod handout;

use clap::{Args, Subcommand};
use perennial_certs::{CertificateStatus, Thing, ThingName};
use serde::Serialize;

use self::add::AddArgs;
use super::{
    Failure, certs, json, json_lines, print,
    site::{ListArgs, PICKED_UP, SiteArgs, the_thing},
    table::{Table, shown},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ThingsCommand {
    /// Let a device in: issue a certificate for it, or take one that it has
    #[command(
        after_help = "The private key that is made is written for the device and kept nowhere \
        else. With `--csr` the device keeps its own, and with `--certificate` also the \
        certificate that AWS IoT or somebody else has issued."
    )]
    Add(AddArgs),
    /// List things
    List(ListArgs),
    /// Show a thing with its certificates
    Show(ShowArgs),
    /// Keep a thing out, and close its connections
    Disable(ThingArgs),
    /// Let a thing in again
    Enable(ThingArgs),
    /// Forget a thing, close its connections and revoke what was issued for it
    Remove(ThingArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    thing: ThingArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ThingArgs {
    /// The thing's name
    name: ThingName,
    #[command(flatten)]
    site: SiteArgs,
}

/// Does what was asked for.
pub(super) fn things(command: &ThingsCommand) -> Result<(), Failure> {
    match command {
        ThingsCommand::Add(args) => add::add(args),
        ThingsCommand::List(args) => list(args),
        ThingsCommand::Show(args) => show(args),
        ThingsCommand::Disable(args) => set_disabled(args, true),
        ThingsCommand::Enable(args) => set_disabled(args, false),
        ThingsCommand::Remove(args) => remove(args),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let registry = args.site.open()?.registry()?;
    let rows: Vec<_> = registry.things().map(|thing| ThingRow::of(thing)).collect();
    if args.json {
        return print(&json_lines(&rows)?);
    }
    print(&table(&rows))
}

fn table(rows: &[ThingRow<'_>]) -> String {
    if rows.is_empty() {
        return "There are no things.\n".to_owned();
    }
    let mut table = Table::new([
        "NAME",
        "TYPE",
        "GROUPS",
        "POLICIES",
        "CERTIFICATES",
        "STATE",
    ]);
    for row in rows {
        let active = row.certificates.iter().filter(|one| one.status == "active");
        table.push([
            row.name.to_owned(),
            row.thing_type.unwrap_or("-").to_owned(),
            joined(row.groups),
            joined(row.policies),
            match (row.certificates.len(), active.count()) {
                (0, _) => "none".to_owned(),
                (_, active) => format!("{active} active"),
            },
            if row.disabled { "disabled" } else { "enabled" }.to_owned(),
        ]);
    }
    table.take(true)
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let registry = args.thing.site.open()?.registry()?;
    let row = ThingRow::of(the_thing(&registry, &args.thing.name)?);
    match args.json {
        true => print(&json(&row)?),
        false => print(&in_words(&row)),
    }
}

fn in_words(row: &ThingRow<'_>) -> String {
    let state = if row.disabled { "disabled" } else { "enabled" };
    let mut text = format!("{}: {state}\n", row.name);
    text += &format!(
        "  type         {}\n",
        row.thing_type.map_or("-".to_owned(), shown)
    );
    for (name, value) in row.attributes {
        text += &format!("  attribute    {} = {}\n", shown(name), shown(value));
    }
    text += &format!("  groups       {}\n", shown(&joined(row.groups)));
    text += &format!("  policies     {}\n", shown(&joined(row.policies)));
    for CertificateRow {
        id,
        status,
        policies,
    } in &row.certificates
    {
        text += &format!("  certificate  {id}, {status}");
        if !policies.is_empty() {
            text += &format!(", with {}", shown(&joined(policies)));
        }
        text += "\n";
    }
    if row.certificates.is_empty() {
        text += "  certificate  none\n";
    }
    text
}

fn set_disabled(args: &ThingArgs, is_disabled: bool) -> Result<(), Failure> {
    let site = args.site.open()?;
    Thing::change(&site.directory, &args.name, |thing| {
        thing.is_disabled = is_disabled;
    })?;
    let done = match is_disabled {
        true => "is disabled: it is kept out, and its connections are closed",
        false => "is enabled",
    };
    print(&format!("{} {done}.\n{PICKED_UP}", args.name))
}

fn remove(args: &ThingArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    let registry = site.registry()?;
    let thing = the_thing(&registry, &args.name)?;
    // First what may be refused; a certificate that no thing has is of no use here, revoked or not.
    Thing::remove(&site.directory, &args.name)?;
    let revoked = certs::revoke_issued(&site, &registry, thing)?;
    let name = &args.name;
    print(&format!(
        "{name} is removed, and its connections are closed.\n{revoked}{PICKED_UP}"
    ))
}

/// A thing, for people and programs.
#[derive(Serialize)]
struct ThingRow<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    thing_type: Option<&'a str>,
    attributes: &'a std::collections::BTreeMap<String, String>,
    groups: &'a [String],
    policies: &'a [String],
    disabled: bool,
    certificates: Vec<CertificateRow<'a>>,
}

#[derive(Serialize)]
struct CertificateRow<'a> {
    id: String,
    status: &'static str,
    policies: &'a [String],
}

impl<'a> ThingRow<'a> {
    fn of(thing: &'a Thing) -> Self {
        let certificates = thing.certificates.iter().map(|attached| CertificateRow {
            id: attached.id.to_string(),
            status: status(attached.status),
            policies: &attached.policies,
        });
        Self {
            name: thing.name.as_str(),
            thing_type: thing.thing_type.as_deref(),
            attributes: &thing.attributes,
            groups: &thing.groups,
            policies: &thing.policies,
            disabled: thing.is_disabled,
            certificates: certificates.collect(),
        }
    }
}

/// As it is written in the file.
pub(super) fn status(status: CertificateStatus) -> &'static str {
    match status {
        CertificateStatus::Active => "active",
        CertificateStatus::Inactive => "inactive",
        CertificateStatus::Revoked => "revoked",
    }
}

/// Names in a line.
pub(super) fn joined(names: &[String]) -> String {
    match names {
        [] => "-".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use perennial_certs::AttachedCertificate;

    use super::*;

    fn thermometer() -> Thing {
        Thing {
            name: "thermometer-1".parse().unwrap(),
            thing_type: Some("thermo\x1bmeter".to_owned()),
            attributes: [("site".to_owned(), "A".to_owned())].into(),
            groups: vec!["line-3".to_owned()],
            policies: vec!["default".to_owned(), "more".to_owned()],
            is_disabled: true,
            certificates: vec![
                AttachedCertificate {
                    id: "ab".repeat(32).parse().unwrap(),
                    status: CertificateStatus::Active,
                    policies: vec!["own".to_owned()],
                },
                AttachedCertificate {
                    id: "cd".repeat(32).parse().unwrap(),
                    status: CertificateStatus::Revoked,
                    policies: Vec::new(),
                },
            ],
        }
    }

    #[test]
    fn things_are_listed_with_what_is_attached_to_them() {
        let (first, mut second) = (thermometer(), Thing::new("b".parse().unwrap()));
        second.certificates.clear();
        let rows = [ThingRow::of(&first), ThingRow::of(&second)];
        let expected = "\
NAME           TYPE               GROUPS  POLICIES       CERTIFICATES  STATE
thermometer-1  thermo\\u{1b}meter  line-3  default, more  1 active      disabled
b              -                  -       -              none          enabled
";
        assert_eq!(table(&rows), expected);
        assert_eq!(table(&[]), "There are no things.\n");
    }

    #[test]
    fn a_thing_is_shown_with_each_certificate() {
        let thing = thermometer();
        let (active, revoked) = ("ab".repeat(32), "cd".repeat(32));
        let expected = format!(
            "thermometer-1: disabled
  type         thermo\\u{{1b}}meter
  attribute    site = A
  groups       line-3
  policies     default, more
  certificate  {active}, active, with own
  certificate  {revoked}, revoked
"
        );
        assert_eq!(in_words(&ThingRow::of(&thing)), expected);
    }

    #[test]
    fn a_thing_is_json_for_programs() {
        let thing = thermometer();
        let text = json(&ThingRow::of(&thing)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["type"], "thermo\x1bmeter");
        assert_eq!(value["disabled"], true);
        assert_eq!(value["certificates"][1]["status"], "revoked");
        assert_eq!(value["attributes"]["site"], "A");
    }
}
