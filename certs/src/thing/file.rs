//! The file of a thing.
//!
//! ```toml
//! type = "thermometer"
//! groups = ["line-3"]
//! policies = ["default"]
//! disabled = true
//!
//! [attributes]
//! site = "A"
//!
//! [[certificate]]
//! id = "64 hex digits"
//! status = "active"
//! policies = ["only-this-certificate"]
//! ```

use std::{collections::BTreeSet, path::Path};

use super::{AttachedCertificate, CertificateStatus, Thing, ThingName};
use crate::{
    certificate::CertificateId,
    names::{Names, is_group, parsed},
    problems::Problems,
    toml_file::{self, Table, quoted, quoted_list},
};

/// Reads `text`, which is what the file at `path` of the thing `name` holds.
pub(crate) fn read(
    name: ThingName,
    path: &Path,
    text: &str,
    names: &Names,
    problems: &Problems,
) -> Option<Thing> {
    toml_file::read(path, text, problems, |table| {
        let mut ids = BTreeSet::new();
        Thing {
            name,
            thing_type: table.text("type").map(|text| text.value.to_owned()),
            groups: groups(table),
            policies: names.policies(table),
            is_disabled: table.flag("disabled"),
            attributes: table.pairs("attributes"),
            certificates: table.tables("certificate", |table| certificate(table, names, &mut ids)),
        }
    })
}

fn groups(table: &mut Table<'_>) -> Vec<String> {
    let texts = table.texts("groups");
    for text in texts.iter().filter(|text| !is_group(text.value)) {
        let message = "a group's name has 1 to 128 letters, digits, `:`, `_` and `-`";
        table.refuse(*text, message);
    }
    texts.iter().map(|text| text.value.to_owned()).collect()
}

fn certificate(
    table: &mut Table<'_>,
    names: &Names,
    ids: &mut BTreeSet<CertificateId>,
) -> Option<AttachedCertificate> {
    let id = table.required("id", "64 hex digits: the SHA-256 of the certificate in DER");
    let status = status(table);
    let policies = names.policies(table);
    let text = id?;
    let id = parsed(table, text)?;
    if !ids.insert(id) {
        table.refuse(
            text,
            "the certificate is attached to this thing above already",
        );
    }
    Some(AttachedCertificate {
        id,
        status,
        policies,
    })
}

fn status(table: &mut Table<'_>) -> CertificateStatus {
    let Some(text) = table.text("status") else {
        return CertificateStatus::default();
    };
    let mut all = CertificateStatus::ALL.iter();
    let named = all.find(|(name, _)| *name == text.value);
    if named.is_none() {
        let message = "`status` is \"active\", \"inactive\" or \"revoked\"";
        table.refuse(text, message);
    }
    named.map_or_else(CertificateStatus::default, |(_, status)| *status)
}

/// What the file of `thing` holds.
pub(super) fn text(thing: &Thing) -> String {
    let mut text = String::new();
    if let Some(thing_type) = &thing.thing_type {
        text += &format!("type = {}\n", quoted(thing_type));
    }
    if !thing.groups.is_empty() {
        text += &format!("groups = {}\n", quoted_list(&thing.groups));
    }
    if !thing.policies.is_empty() {
        text += &format!("policies = {}\n", quoted_list(&thing.policies));
    }
    if thing.is_disabled {
        text += "disabled = true\n";
    }
    if !thing.attributes.is_empty() {
        text += "\n[attributes]\n";
    }
    for (name, value) in &thing.attributes {
        text += &format!("{} = {}\n", quoted(name), quoted(value));
    }
    for certificate in &thing.certificates {
        text += &format!("\n[[certificate]]\nid = \"{}\"\n", certificate.id);
        text += &format!("status = \"{}\"\n", certificate.status);
        if !certificate.policies.is_empty() {
            text += &format!("policies = {}\n", quoted_list(&certificate.policies));
        }
    }
    text
}
