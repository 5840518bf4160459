//! `perennial policy`: what policies decide, and why.

mod answer;

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use perennial::config::Model;
use perennial_certs::{
    Action, AttachedCertificate, CertificateStatus, Connection, Identity, Permissions, Policy,
    Principal, Problem, Registry, RegistryError, Scope, Thing, ThingName,
};
use perennial_rules::{TopicFilter, TopicName};

use self::answer::Answer;
use super::{
    Failure,
    certs::usable,
    files, json, print,
    site::{Site, SiteArgs, the_thing},
};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say whether a thing may do something, by which statement, or why not by any
    #[command(after_help = "Exit codes: 0 where it may, 1 where it may not.")]
    Test(TestArgs),
    /// Read a policy document and report what is wrong with it
    Check(CheckArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    site: SiteArgs,
    /// The thing
    #[arg(long, value_name = "THING")]
    thing: ThingName,
    /// Connect, Publish, RetainPublish, Subscribe, Receive or Discover
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Action,
    /// The client id, topic, topic filter or thing that it is about
    #[arg(long, value_name = "RESOURCE")]
    resource: String,
    /// The client id of the connection [default: the thing's name; of Connect the resource]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Where the connection comes from
    #[arg(long, value_name = "IP")]
    source_ip: Option<IpAddr>,
    /// The certificate that is shown (PEM), for policies that ask about it
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The connection asks for a session that outlives it
    #[arg(long)]
    persistent: bool,
    /// The connection leaves a will
    #[arg(long)]
    will: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The document
    file: PathBuf,
}

/// Does what was asked for.
pub(super) fn policy(command: &PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::Test(args) => test(args),
        PolicyCommand::Check(args) => check(args),
    }
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let text = files::read(&args.file)?;
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    match Policy::parse(&name, &text) {
        Ok(_) => print(&format!("{}: no errors\n", args.file.display())),
        Err(error) => Err(Failure::Identities(RegistryError(vec![Problem {
            path: args.file.clone(),
            place: Some((error.line, error.column)),
            message: error.message,
        }]))),
    }
}

fn test(args: &TestArgs) -> Result<(), Failure> {
    let site = args.site.open()?;
    if site.access.model == Model::Subscriptions {
        return Err(Failure::Asked(format!(
            "the configuration has `model = \"subscriptions\"`: {} decides, and no policy does",
            site.directory.subscriptions().display()
        )));
    }
    let client_id = args.asked()?;
    let registry = site.registry()?;
    let thing = the_thing(&registry, &args.thing)?;
    let identity = identity(args, &site, &registry, thing)?;
    let is_discovery = args.action == Action::Discover;
    let connection = Connection {
        client_id: (!is_discovery).then_some(client_id),
        source_ip: args.source_ip,
        thing: Some(thing),
        certificate: match &identity.principal {
            Principal::Certificate(certificate) => Some(certificate),
            _ => None,
        },
        is_persistent: args.persistent,
        has_will: args.will,
    };
    let scope = Scope {
        region: site.access.region.clone(),
        account: site.access.account.clone(),
    };
    let policies = registry.policies_of(&identity, Some(thing), !is_discovery);
    let permissions = Permissions::new(&policies, &connection, &scope);

    let mut answer = Answer::new(args, &policies);
    answer.decide(permissions.decide(args.action, &args.resource));
    if args.action == Action::RetainPublish {
        let decision = permissions.decide(Action::Publish, &args.resource);
        answer.require("it may not publish there at all", decision);
    }
    if !is_discovery && args.action != Action::Connect {
        let decision = permissions.decide(Action::Connect, client_id);
        answer.require(&format!("it may not connect as {client_id}"), decision);
    }
    if thing.is_disabled {
        answer.overrule(format!(
            "{} is disabled and cannot connect at all",
            thing.name
        ));
    }
    if is_discovery && !answer.allowed && !thing.groups.is_empty() {
        let reason = "policies of its groups do not count for discovery";
        answer.note(reason);
    }
    if is_discovery && args.resource != thing.name.as_str() {
        answer.overrule(format!("nobody but {} learns about it", args.resource));
    }
    if let Err(refusal) = identity.thing(client_id, site.access.client_id)
        && !is_discovery
    {
        answer.overrule(format!("it cannot connect as {client_id}: {refusal}"));
    }
    if args.certificate.is_none() && has_own_policies(thing) {
        answer.note(
            "it has several certificates, whose own policies are left out: choose one with \
             `--certificate`",
        );
    }
    match args.json {
        true => print(&json(&answer)?)?,
        false => print(&answer.in_words())?,
    }
    match answer.allowed {
        true => Ok(()),
        false => Err(Failure::NotAllowed),
    }
}

impl TestArgs {
    /// The client id of the connection, if there is something that can be asked.
    fn asked(&self) -> Result<&str, Failure> {
        let resource = self.resource.as_str();
        if resource.starts_with("arn:") {
            let problem = "the resource is the client id, topic, topic filter or thing itself, \
                           not its ARN";
            return Err(Failure::Asked(problem.to_owned()));
        }
        let problem = match self.action {
            Action::Publish | Action::RetainPublish | Action::Receive => {
                let name = TopicName::parse(resource);
                name.err().map(|problem| problem.to_string())
            }
            Action::Subscribe => {
                let filter = TopicFilter::parse(resource);
                filter.err().map(|problem| problem.to_string())
            }
            Action::Discover => {
                let name = resource.parse::<ThingName>();
                name.err().map(|problem| problem.to_string())
            }
            Action::Connect => match &self.client_id {
                Some(other) if other != resource => {
                    let problem = "the resource of Connect is the client id: `--client-id` is \
                                   another one";
                    Some(problem.to_owned())
                }
                _ => return Ok(resource),
            },
        };
        match problem {
            Some(problem) => Err(Failure::Asked(problem)),
            None => Ok(self.client_id.as_deref().unwrap_or(self.thing.as_str())),
        }
    }
}

/// Whether a thing may come in with one of several certificates that have policies.
fn has_own_policies(thing: &Thing) -> bool {
    let is_active = |attached: &&AttachedCertificate| attached.status == CertificateStatus::Active;
    let active = || thing.certificates.iter().filter(is_active);
    active().count() > 1 && active().any(|attached| !attached.policies.is_empty())
}

/// Who asks: the thing with the certificate that is given, or else with the one that it has.
fn identity(
    args: &TestArgs,
    site: &Site,
    registry: &Registry,
    thing: &Arc<Thing>,
) -> Result<Identity, Failure> {
    let active = thing.certificates.iter();
    let mut active = active.filter(|attached| attached.status == CertificateStatus::Active);
    let only = active.next().filter(|_| active.next().is_none());
    let issued = only.map(|attached| site.directory.issued_certificate(&attached.id));
    let issued = issued.filter(|path| path.exists() && !thing.is_disabled);
    let Some(path) = args.certificate.as_ref().or(issued.as_ref()) else {
        return Ok(registry.supposed(thing, only));
    };
    let (certificate, _) = usable(path)?;
    let refused =
        |problem: &dyn fmt::Display| Failure::Asked(format!("{}: {problem}", path.display()));
    let identity = registry.by_certificate(&Arc::new(certificate));
    let identity = identity.map_err(|refusal| refused(&refusal))?;
    let is_it = |attached: &Arc<Thing>| attached.name == thing.name;
    match identity.things.iter().any(is_it) {
        true => Ok(identity),
        false => Err(refused(&"the certificate is attached to another thing")),
    }
}

/// `iot:Publish` or `publish`.
fn action(text: &str) -> Result<Action, String> {
    let is_meant = |action: &Action| {
        let name = action.name();
        let short = name.split(':').next_back().unwrap_or(name);
        text.eq_ignore_ascii_case(name) || text.eq_ignore_ascii_case(short)
    };
    Action::ALL.into_iter().find(is_meant).ok_or_else(|| {
        let names: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
        format!("there are: {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_named_as_in_policies_or_shorter() {
        for text in ["iot:Publish", "Publish", "publish"] {
            assert_eq!(action(text), Ok(Action::Publish));
        }
        assert_eq!(action("discover"), Ok(Action::Discover));
        let told = action("iot:GetThingShadow").unwrap_err();
        assert!(told.starts_with("there are: iot:Connect, "), "{told}");
    }
}
