//! `[access]`: who devices are and what they may do.
//!
//! Without the table there are no identities: listeners are plain ones, and whoever reaches
//! them may do everything.

use std::path::PathBuf;

use perennial_certs::{ClientIdRule, InvalidServerName, ServerName};
use perennial_connectors::Settings;

use super::section::{Section, excerpt};

/// The most names that a certificate is issued for beside those of this machine.
const MAX_NAMES: usize = 100;

const CLIENT_IDS: [(&str, ClientIdRule); 2] = [
    ("thing-name", ClientIdRule::ThingName),
    ("any", ClientIdRule::Any),
];

const MODELS: [(&str, Model); 2] = [
    ("policies", Model::Policies),
    ("subscriptions", Model::Subscriptions),
];

/// Where identities are kept and how they are looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessConfig {
    /// The access directory.
    pub directory: PathBuf,
    /// The region that policies must mean; without one the region in an ARN is not compared.
    pub region: Option<String>,
    /// The account that policies must mean, 12 digits; without one it is not compared.
    pub account: Option<String>,
    /// Which client identifiers a thing may have.
    pub client_id: ClientIdRule,
    /// What says who may send what to whom.
    pub model: Model,
    /// What clients call this machine, beside its host name and its addresses.
    pub names: Vec<ServerName>,
    /// A certificate of the listeners from elsewhere, and the key to it; without one the
    /// gateway's own authority issues it.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// What says who may send what to whom.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Model {
    /// Policy documents of AWS IoT.
    #[default]
    Policies,
    /// The subscription table of a Greengrass V1 group.
    Subscriptions,
}

/// Reads `[access]`, if there is one.
pub(super) fn read(root: &mut Section<'_>) -> Option<AccessConfig> {
    let is_there = root.has("access");
    let mut section = root.table("access");
    let directory = section.path("directory");
    if is_there {
        section.missing("directory", "directory = \"/etc/perennial/access\"");
    }
    let access = AccessConfig {
        directory: directory.unwrap_or_default(),
        region: region(&mut section),
        account: account(&mut section),
        client_id: section.choice("client_id", &CLIENT_IDS).unwrap_or_default(),
        model: section.choice("model", &MODELS).unwrap_or_default(),
        names: names(&mut section),
        certificate: certificate(&mut section),
    };
    section.finish();
    is_there.then_some(access)
}

/// Refuses a table that means nothing where nobody has an identity.
pub(super) fn needs_access(root: &mut Section<'_>, table: &str) {
    if root.has(table) && !root.has("access") {
        let problem = "it means something with [access] only, where identities come from";
        root.refuse(table, problem.to_owned());
    }
}

fn region(section: &mut Section<'_>) -> Option<String> {
    let region = section.text("region")?;
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || region.len() > 32 || !region.bytes().all(is_fine) {
        let found = excerpt(&region);
        let problem = format!("a region is written as \"eu-west-1\", found {found:?}");
        section.refuse("region", problem);
    }
    Some(region)
}

fn account(section: &mut Section<'_>) -> Option<String> {
    let account = section.text("account")?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        let found = excerpt(&account);
        section.refuse(
            "account",
            format!("an account has 12 digits, found {found:?}"),
        );
    }
    Some(account)
}

fn names(section: &mut Section<'_>) -> Vec<ServerName> {
    let texts = section.texts("names").unwrap_or_default();
    if texts.len() > MAX_NAMES {
        let problem = format!("these are {}; {MAX_NAMES} are the most", texts.len());
        section.refuse("names", problem);
        return Vec::new();
    }
    let mut names = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(name) => names.push(name),
            Err(InvalidServerName { .. }) => {
                let found = excerpt(&text);
                let problem = format!(
                    "a name is a host name or an address without a port, such as \
                     \"gateway.local\" or \"192.168.1.5\"; found {found:?}"
                );
                section.refuse("names", problem);
            }
        }
    }
    names
}

/// A certificate from elsewhere; half of one is of no use.
fn certificate(section: &mut Section<'_>) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = (section.path("certificate"), section.path("key"));
    if section.has("certificate") {
        section.missing("key", "key = \"/etc/perennial/server.key\"");
    } else if section.has("key") {
        section.missing("certificate", "certificate = \"/etc/perennial/server.pem\"");
    }
    certificate.zip(key)
}
