//! `perennial certs`: the certificates of a gateway and of its things.

mod inspect;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use perennial::{addresses, clock, operator::rfc_3339};
use perennial_certs::{
    Authority, Certificate, CertificateId, CertificateStatus, Inspection, InvalidCertificate,
    Registry, Thing, ThingName,
    files::{self as safe, Readers},
};

use self::inspect::InspectArgs;
use super::{
    Failure, files, print,
    site::{PICKED_UP, Site, SiteArgs, the_thing},
    table::shown,
};

#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Show certificates and when they expire: those of a file, or all of the gateway
    Inspect(InspectArgs),
    /// Issue a new certificate for the listeners; a gateway does so by itself in time
    Renew(RenewArgs),
    /// Revoke a certificate, or all those of a thing
    Revoke(RevokeArgs),
    /// Print the certificate of the authority, which devices trust
    ExportCa(ExportCaArgs),
    /// Take certificates of another authority too, each for the thing that its common name names
    Trust(TrustArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// The identifier of a certificate, as `things show` tells it, or the name of a thing
    #[arg(value_name = "ID-OR-THING")]
    target: Target,
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ExportCaArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// Write it into this file, which must not be there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TrustArgs {
    /// The authority's certificate in PEM
    file: PathBuf,
    #[command(flatten)]
    site: SiteArgs,
}

/// What is revoked.
#[derive(Clone, Debug)]
enum Target {
    Certificate(CertificateId),
    Thing(ThingName),
}

impl std::str::FromStr for Target {
    type Err = perennial_certs::InvalidThingName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Certificate(id)),
            Err(_) => text.parse().map(Self::Thing),
        }
    }
}

/// Does what was asked for.
pub(super) fn certs(command: &CertsCommand) -> Result<(), Failure> {
    match command {
        CertsCommand::Inspect(args) => inspect::inspect(args),
        CertsCommand::Renew(args) => renew(args),
        CertsCommand::Revoke(args) => revoke(args),
        CertsCommand::ExportCa(args) => export_ca(args),
        CertsCommand::Trust(args) => trust(args),
    }
}

fn renew(args: &RenewArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    if let Some((path, _)) = &site.access.certificate {
        let path = path.display();
        return Err(Failure::Asked(format!(
            "the listeners show {path}, which comes from elsewhere: renew it there and put the \
             new one in its place"
        )));
    }
    let names = addresses::server_names(&site.access.names);
    let issued = Authority::open(&site.directory)?.issue_server(&names)?;
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    print(&format!(
        "The listeners have a new certificate, valid until {}, for {}. {PICKED_UP}",
        day(issued.certificate.not_after()),
        names.join(", ")
    ))
}

fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    let registry = site.registry()?;
    let ids = match &args.target {
        Target::Certificate(id) => vec![*id],
        Target::Thing(name) => {
            let attached = the_thing(&registry, name)?.certificates.iter();
            attached.map(|attached| attached.id).collect()
        }
    };
    let things = things_with(&registry, &ids);
    let issued = put_on_list(&site, &ids)?;
    if things.is_empty() && issued == 0 {
        let problem = match &args.target {
            Target::Certificate(id) => format!("no thing has the certificate {id}"),
            Target::Thing(name) => format!("{name} has no certificate"),
        };
        return Err(Failure::Asked(problem));
    }
    for thing in &things {
        Thing::change(&site.directory, thing, |thing| {
            let revoked = thing.certificates.iter_mut();
            for attached in revoked.filter(|attached| ids.contains(&attached.id)) {
                attached.status = CertificateStatus::Revoked;
            }
        })?;
    }
    let names: Vec<_> = things.iter().map(ToString::to_string).collect();
    let of = match names.is_empty() {
        true => String::new(),
        false => format!(" of {}", names.join(", ")),
    };
    print(&format!("{}{of}. {PICKED_UP}", revoked(ids.len())))
}

/// The things that have one of these certificates.
fn things_with(registry: &Registry, ids: &[CertificateId]) -> Vec<ThingName> {
    let has = |thing: &Thing| thing.certificates.iter().any(|one| ids.contains(&one.id));
    let things = registry.things().filter(|thing| has(thing));
    things.map(|thing| thing.name.clone()).collect()
}

/// Revokes what was issued for a thing and belongs to no other; what there is to say about it.
pub(super) fn revoke_issued(
    site: &Site,
    registry: &Registry,
    thing: &Thing,
) -> Result<String, Failure> {
    let ids = thing.certificates.iter().map(|attached| attached.id);
    let ids: Vec<_> = ids
        .filter(|id| things_with(registry, &[*id]).len() == 1)
        .collect();
    match put_on_list(site, &ids)? {
        0 => Ok(String::new()),
        count => Ok(format!("{}.\n", revoked(count))),
    }
}

/// Puts those that this gateway has issued on its authority's list; how many these are.
fn put_on_list(site: &Site, ids: &[CertificateId]) -> Result<usize, Failure> {
    let is_issued = |id: &&CertificateId| site.directory.issued_certificate(id).exists();
    let issued: Vec<_> = ids.iter().filter(is_issued).collect();
    if !issued.is_empty() {
        let authority = Authority::open(&site.directory)?;
        for id in &issued {
            authority.revoke(id)?;
        }
    }
    Ok(issued.len())
}

fn revoked(count: usize) -> String {
    match count {
        1 => "Revoked 1 certificate".to_owned(),
        count => format!("Revoked {count} certificates"),
    }
}

fn export_ca(args: &ExportCaArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    let pem = files::read(&site.directory.authority_certificate())?;
    match &args.out {
        Some(path) => Ok(safe::create(path, pem.as_bytes(), Readers::All)?),
        None => print(&pem),
    }
}

fn trust(args: &TrustArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    let refused = |problem: &str| Failure::Asked(format!("{}: {problem}", args.file.display()));
    let pem = files::read(&args.file)?;
    if pem.contains("PRIVATE KEY") {
        return Err(refused(
            "it holds a private key, which nobody needs who trusts an authority",
        ));
    }
    let authorities = read(&args.file)?;
    let own = site.directory.authority_certificate();
    let own = if own.exists() {
        read(&own)?
    } else {
        Vec::new()
    };
    let now = clock::unix_millis() / 1_000;
    for (_, certificate) in &authorities {
        if !certificate.is_authority() {
            return Err(refused(
                "this is no authority's certificate; `things add NAME --certificate FILE` takes \
                 the one of a device",
            ));
        }
        if own
            .iter()
            .any(|(_, own)| own.subject() == certificate.subject())
        {
            return Err(refused(
                "this is the gateway's own authority, whose certificates things have by their \
                 identifiers",
            ));
        }
        if certificate.not_after() < now {
            let problem = format!("the authority expired on {}", day(certificate.not_after()));
            return Err(refused(&problem));
        }
    }
    let name = file_name(&args.file);
    let path = site.directory.trusted().join(format!("{name}.pem"));
    safe::create_folder(&site.directory.trusted())?;
    safe::create(&path, pem.as_bytes(), Readers::All)?;
    let mut text = String::new();
    for (der, _) in &authorities {
        let subject = looked_at(&args.file, der)?.subject;
        text += &format!("Trusted: {}\n", shown(&subject));
    }
    print(&format!(
        "{text}A certificate that it has issued belongs to the thing that its common name names. \
         {PICKED_UP}Remove {} to end that.\n",
        path.display()
    ))
}

/// A name for a copy of `file`, of characters that every file system takes.
fn file_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let fine = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
        _ => '_',
    };
    let name: String = stem.chars().map(fine).take(100).collect();
    match name.is_empty() {
        true => "authority".to_owned(),
        false => name,
    }
}

/// The certificate of a device that somebody else has issued.
pub(super) fn usable(path: &Path) -> Result<(Certificate, Inspection), Failure> {
    let refused = |problem: String| Failure::Asked(format!("{}: {problem}", path.display()));
    let (der, certificate) = read(path)?.swap_remove(0);
    if certificate.is_authority() {
        return Err(refused(
            "this is an authority's certificate; `certs trust FILE` takes what it has issued"
                .to_owned(),
        ));
    }
    if certificate.not_after() < clock::unix_millis() / 1_000 {
        let day = day(certificate.not_after());
        return Err(refused(format!("the certificate expired on {day}")));
    }
    let inspection = looked_at(path, &der)?;
    Ok((certificate, inspection))
}

/// All certificates of a file, each with its DER.
fn read(path: &Path) -> Result<Vec<(Vec<u8>, Certificate)>, Failure> {
    Certificate::read_pem(files::read(path)?).map_err(|error| wrong(path, &error))
}

fn looked_at(path: &Path, der: &[u8]) -> Result<Inspection, Failure> {
    Inspection::of(der).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, error: &InvalidCertificate) -> Failure {
    Failure::Asked(format!("{}: {error}", path.display()))
}

/// The day of a time in seconds since the Unix epoch, as `2026-11-20`.
pub(super) fn day(seconds: u64) -> String {
    let time = rfc_3339(seconds.saturating_mul(1_000));
    time.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_revoked_is_a_certificate_or_a_thing() {
        let id = "ab".repeat(32);
        assert!(matches!(id.parse(), Ok(Target::Certificate(_))));
        assert!(matches!("abc".parse(), Ok(Target::Thing(_))));
        assert!("a/b".parse::<Target>().is_err());
    }

    #[test]
    fn a_copy_is_called_like_the_file_as_far_as_that_is_a_name() {
        for (file, name) in [
            ("/tmp/AmazonRootCA1.pem", "AmazonRootCA1"),
            ("my ca!.crt", "my_ca_"),
            ("..", "authority"),
        ] {
            assert_eq!(file_name(Path::new(file)), name);
        }
    }

    #[test]
    fn a_day_is_told_without_its_time() {
        assert_eq!(day(1_795_169_700), "2026-11-20");
    }
}
