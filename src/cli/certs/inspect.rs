//! `perennial certs inspect`: certificates and when they expire.

use std::path::{Path, PathBuf};

use clap::Args;
use perennial_certs::{Inspection, Registry};
use serde::Serialize;

use super::{day, looked_at, read};
use crate::cli::{
    Failure, json_lines, print,
    site::Site,
    table::{Table, shown},
    things::status,
};

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The file to look at; without it the authority, the listeners' certificate and those of
    /// all things
    #[arg(required_unless_present = "config")]
    file: Option<PathBuf>,
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, a line for each
    #[arg(long)]
    json: bool,
}

/// Shows certificates.
pub(super) fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    if let Some(path) = &args.file {
        let rows = rows(path, "file")?;
        return match args.json {
            true => print(&json_lines(&rows)?),
            false => print(&blocks(&rows)),
        };
    }
    let Some(config) = &args.config else {
        // The command line has to have one of the two.
        return Ok(());
    };
    let site = Site::open(config)?;
    let registry = site.registry()?;
    let (servers, things) = (servers(&site)?, things(&site, &registry)?);
    match args.json {
        true => print(&(json_lines(&servers)? + &json_lines(&things)?)),
        false => print(&(blocks(&servers) + "\n" + &table(&things))),
    }
}

/// The authorities and what the listeners show.
fn servers(site: &Site) -> Result<Vec<Row>, Failure> {
    let directory = &site.directory;
    let mut all = Vec::new();
    // Without an authority of its own, a gateway takes certificates of others.
    let authority = directory.authority_certificate();
    if authority.exists() {
        all.extend(rows(&authority, "authority")?);
    }
    let server = match &site.access.certificate {
        Some((path, _)) => path.clone(),
        None => directory.server_certificate(),
    };
    if server.exists() {
        all.extend(rows(&server, "server")?);
    }
    for path in trusted(&directory.trusted()) {
        all.extend(rows(&path, "trusted")?);
    }
    Ok(all)
}

/// Other authorities; what is wrong with the folder is told where the registry is read.
fn trusted(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .collect();
    paths.sort_unstable();
    paths
}

/// The certificates that are attached to things; of those that others have issued only the
/// identifier is known.
fn things(site: &Site, registry: &Registry) -> Result<Vec<Row>, Failure> {
    let mut all = Vec::new();
    for thing in registry.things() {
        for attached in &thing.certificates {
            let path = site.directory.issued_certificate(&attached.id);
            let mut row = match path.exists() {
                true => rows(&path, "thing")?.swap_remove(0),
                false => Row::known_by_id(attached.id.to_string()),
            };
            row.thing = Some(thing.name.to_string());
            row.status = Some(status(attached.status));
            all.push(row);
        }
    }
    Ok(all)
}

fn rows(path: &Path, what: &'static str) -> Result<Vec<Row>, Failure> {
    let certificates = read(path)?;
    let rows = certificates.iter().map(|(der, _)| {
        let inspection = looked_at(path, der)?;
        Ok(Row::of(what, path, &inspection))
    });
    rows.collect()
}

/// Certificates one below the other.
fn blocks(rows: &[Row]) -> String {
    let block = |row: &Row| {
        let title = match (row.what, &row.path) {
            ("file", _) | (_, None) => String::new(),
            (what, Some(path)) => format!("{what}: {}\n", path.display()),
        };
        format!("{title}{}\n", row.words)
    };
    let blocks: Vec<_> = rows.iter().map(block).collect();
    blocks.join("\n")
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "No thing has a certificate.\n".to_owned();
    }
    let mut table = Table::new(["THING", "STATUS", "VALID UNTIL", "DAYS LEFT", "CERTIFICATE"]);
    for row in rows {
        table.push([
            row.thing.clone().unwrap_or_default(),
            row.status.unwrap_or_default().to_owned(),
            row.valid_until.clone().unwrap_or("unknown".to_owned()),
            row.days_left
                .map_or("-".to_owned(), |days| days.to_string()),
            row.id.clone(),
        ]);
    }
    table.take(true)
}

/// A certificate, for people and programs.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    path: Option<PathBuf>,
    thing: Option<String>,
    status: Option<&'static str>,
    id: String,
    subject: Option<String>,
    issuer: Option<String>,
    names: Vec<String>,
    serial_number: Option<String>,
    key: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<String>,
    days_left: Option<i64>,
    /// The same for people.
    #[serde(skip)]
    words: String,
}

impl Row {
    fn of(what: &'static str, path: &Path, inspection: &Inspection) -> Self {
        let inspection = inspection.clone();
        Self {
            what,
            path: Some(path.to_owned()),
            thing: None,
            status: None,
            words: inspection
                .to_string()
                .lines()
                .map(|line| shown(line) + "\n")
                .collect::<String>()
                .trim_end()
                .to_owned(),
            id: inspection.id.to_string(),
            subject: Some(inspection.subject),
            issuer: Some(inspection.issuer),
            names: inspection.names,
            serial_number: Some(inspection.serial_number),
            key: Some(inspection.key),
            valid_from: Some(day(inspection.not_before)),
            valid_until: Some(day(inspection.not_after)),
            days_left: Some(inspection.days_left),
        }
    }

    fn known_by_id(id: String) -> Self {
        Self {
            what: "thing",
            path: None,
            thing: None,
            status: None,
            id,
            subject: None,
            issuer: None,
            names: Vec::new(),
            serial_number: None,
            key: None,
            valid_from: None,
            valid_until: None,
            days_left: None,
            words: String::new(),
        }
    }
}
