//! `perennial things add`: a thing, its certificate, and what its device needs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use perennial::addresses;
use perennial_certs::{
    AttachedCertificate, Authority, CertificateId, CertificateStatus, Issued, Registry, Thing,
    ThingName,
    files::{Readers, create, create_folder},
};

use super::{handout::Handout, joined};
use crate::cli::{
    Failure,
    certs::{self, day},
    endpoints::Endpoints,
    init::Key,
    print,
    site::{PICKED_UP, Site, SiteArgs, check_references},
    table::shown,
};

/// The policy of a thing about which nothing else is said.
const DEFAULT_POLICY: &str = "default";

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The thing's name, which its device has as its client id
    name: ThingName,
    #[command(flatten)]
    site: SiteArgs,
    /// A policy of the thing; without any, and without a group, `default` if there is one
    #[arg(long = "policy", value_name = "POLICY")]
    policies: Vec<String>,
    /// A group that the thing is in
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// What its key is made for
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Key::Ecdsa)]
    #[arg(conflicts_with_all = ["csr", "certificate", "no_certificate"])]
    key: Key,
    /// Issue a certificate for the key that this request (PKCS #10 in PEM) was made with
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "no_certificate"])]
    csr: Option<PathBuf>,
    /// Take this certificate (PEM), whoever has issued it
    #[arg(long, value_name = "FILE", conflicts_with = "no_certificate")]
    certificate: Option<PathBuf>,
    /// Issue nothing: the device logs in in another way
    #[arg(long, conflicts_with = "out")]
    no_certificate: bool,
    /// The folder that the device's files are written into [default: NAME-credentials]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Adds a thing.
pub(super) fn add(args: &AddArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    let registry = site.registry()?;
    let name = &args.name;
    if registry.thing(name.as_str()).is_some() {
        let problem = format!("there is a thing {name}; `perennial things show {name}` shows it");
        return Err(Failure::Asked(problem));
    }
    check_references(&registry, &args.policies, None)?;
    let mut thing = Thing::new(name.clone());
    thing.groups.clone_from(&args.groups);
    thing.policies = policies(args, &registry);

    let credentials = Credentials::of(args, &site, &registry)?;
    if let Some(attached) = &credentials.attached {
        thing.certificates.push(AttachedCertificate {
            id: attached.id,
            status: CertificateStatus::Active,
            policies: Vec::new(),
        });
    }
    let written = credentials.write()?;
    thing.add(&site.directory)?;
    written.keep();
    print(&told(&thing, &credentials, &site))
}

fn policies(args: &AddArgs, registry: &Registry) -> Vec<String> {
    let is_told_nothing = args.policies.is_empty() && args.groups.is_empty();
    if is_told_nothing && registry.policy(DEFAULT_POLICY).is_some() {
        return vec![DEFAULT_POLICY.to_owned()];
    }
    args.policies.clone()
}

/// What a device shows, and the files that are written for it.
#[derive(Default)]
struct Credentials {
    attached: Option<Attached>,
    /// Where the authority keeps what it has issued.
    issued: Option<PathBuf>,
    certificate: Option<Handed>,
    key: Option<Handed>,
    authority: Option<Handed>,
}

/// The certificate that the thing is known by.
struct Attached {
    id: CertificateId,
    subject: String,
    not_after: u64,
}

/// A file for the device.
struct Handed {
    path: PathBuf,
    readers: Readers,
    content: String,
}

impl Credentials {
    fn of(args: &AddArgs, site: &Site, registry: &Registry) -> Result<Self, Failure> {
        let name = &args.name;
        if args.no_certificate {
            return Ok(Self::default());
        }
        let authority = |folder: &Path| {
            registry.authority().map(|pem| Handed {
                path: folder.join("ca.pem"),
                readers: Readers::All,
                content: pem.to_owned(),
            })
        };
        if let Some(path) = &args.certificate {
            let (_, inspection) = certs::usable(path)?;
            return Ok(Self {
                attached: Some(Attached {
                    id: inspection.id,
                    subject: inspection.subject,
                    not_after: inspection.not_after,
                }),
                authority: args.out.as_deref().and_then(authority),
                ..Self::default()
            });
        }
        let folder = args.out.clone();
        let folder = folder.unwrap_or_else(|| PathBuf::from(format!("{name}-credentials")));
        let issuer = Authority::open(&site.directory)?;
        let Issued {
            certificate,
            certificate_pem,
            key_pem,
        } = match &args.csr {
            Some(request) => issuer.sign_request(name, request)?,
            None => issuer.issue_device(name, args.key.into())?,
        };
        Ok(Self {
            attached: Some(Attached {
                id: certificate.id(),
                subject: format!("issued for {name}"),
                not_after: certificate.not_after(),
            }),
            issued: Some(site.directory.issued_certificate(&certificate.id())),
            certificate: Some(Handed {
                path: folder.join(format!("{name}.pem")),
                readers: Readers::All,
                content: certificate_pem,
            }),
            key: key_pem.map(|content| Handed {
                path: folder.join(format!("{name}.key")),
                readers: Readers::Owner,
                content,
            }),
            authority: authority(&folder),
        })
    }

    /// Writes all files, or none.
    fn write(&self) -> Result<Written, Failure> {
        let mut written = Written {
            files: self.issued.iter().cloned().collect(),
            folder: None,
        };
        let all = [&self.certificate, &self.key, &self.authority];
        for file in all.into_iter().flatten() {
            if let Some(folder) = file.path.parent().filter(|folder| !folder.exists()) {
                create_folder(folder)?;
                written.folder = Some(folder.to_owned());
            }
            create(&file.path, file.content.as_bytes(), file.readers)?;
            written.files.push(file.path.clone());
        }
        Ok(written)
    }
}

/// Files that go again, unless all goes well: a certificate that no thing has is of no use.
#[derive(Default)]
struct Written {
    files: Vec<PathBuf>,
    /// The folder that was made for them.
    folder: Option<PathBuf>,
}

impl Written {
    fn keep(mut self) {
        self.files.clear();
        self.folder = None;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Why they go is what is told.
        for file in &self.files {
            fs::remove_file(file).ok();
        }
        if let Some(folder) = &self.folder {
            fs::remove_dir(folder).ok();
        }
    }
}

fn told(thing: &Thing, credentials: &Credentials, site: &Site) -> String {
    let mut text = format!("{} is added. {PICKED_UP}", thing.name);
    text += &format!("  policies     {}\n", shown(&joined(&thing.policies)));
    text += &format!("  groups       {}\n", shown(&joined(&thing.groups)));
    for group in &thing.groups {
        let file = site.directory.groups().join(format!("{group}.toml"));
        if !file.exists() {
            let file = file.display();
            text += &format!(
                "               {} has no policies: {file} is not there\n",
                shown(group)
            );
        }
    }
    match &credentials.attached {
        Some(attached) => {
            let (subject, until) = (shown(&attached.subject), day(attached.not_after));
            text += &format!("  certificate  {}\n", attached.id);
            text += &format!("               {subject}, valid until {until}\n");
        }
        None => text += "  certificate  none\n",
    }
    let names = addresses::server_names(&site.access.names);
    let path = |file: &Option<Handed>| file.as_ref().map(|file| file.path.clone());
    let handout = Handout {
        thing: &thing.name,
        endpoints: Endpoints::of(&site.config.listeners, &names),
        authority: path(&credentials.authority)
            .unwrap_or_else(|| site.directory.authority_certificate()),
        certificate: path(&credentials.certificate),
        key: path(&credentials.key),
        has_certificate: credentials.attached.is_some(),
    };
    format!("{text}\n{handout}")
}
