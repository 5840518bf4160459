//! The command line: what can be asked for, and the help that teaches it.

mod access_keys;
mod banner;
mod certs;
mod check;
mod connectors;
mod dead_letters;
mod endpoints;
mod files;
mod init;
mod logs;
mod place;
mod policy;
mod queues;
mod run;
mod site;
mod table;
mod things;
mod users;

use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use perennial::{
    access,
    admin::AccessError,
    config::{ConfigErrors, Source},
    gateway::StartError,
};
use perennial_certs::{Problem, RegistryError};
use serde::Serialize;
use tracing_subscriber::filter::Targets;

use self::{
    access_keys::AccessKeysCommand, certs::CertsCommand, dead_letters::DeadLettersCommand,
    init::InitArgs, policy::PolicyCommand, queues::QueuesArgs, things::ThingsCommand,
    users::UsersCommand,
};

const EXAMPLES: &str = "\
Without a configuration:
  MQTT is served on 127.0.0.1:1883, for programs on this machine only. What devices of the
  Greengrass V1 Firehose connector publish becomes lines of JSON below ./perennial-data, and
  so does everything under sensors/. An acknowledged message is on disk and survives a crash.

Examples:
  perennial                                    run like that
  perennial config > perennial.toml            take that configuration as a beginning
  perennial check --config perennial.toml      read one without running it
  perennial run --config perennial.toml        run it
  perennial queues --config perennial.toml     ask it how full its queues are

For devices on a network, with certificates:
  perennial init gateway                       make a configuration, an authority and a policy
  perennial things add NAME --config gateway/perennial.toml
                                               let a device in

Exit codes:
  0  done, or stopped by SIGINT or SIGTERM with everything kept
  1  failed while starting or running
  2  the configuration or the command line is wrong; nothing was started";

/// A local MQTT gateway that stands where an AWS IoT Greengrass V1 core stood.
///
/// Devices use it as their MQTT endpoint, unchanged. Rules take their publishes to
/// connectors, which send them upstream in batches and publish the status back.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway; the same as no command
    #[command(
        after_help = "The first SIGINT or SIGTERM stops the gateway and keeps what is \
        queued; a second one ends it at once, and then too nothing acknowledged is lost."
    )]
    Run(Box<RunArgs>),
    /// Read a configuration and report every error in it with line and column; start nothing
    Check(CheckArgs),
    /// Print the configuration that runs when none is given
    Config,
    /// List the contracts and upstreams that a connector can be made of
    Connectors,
    /// Show how full the queues are and how their records fare, also when no gateway runs
    Queues(QueuesArgs),
    /// Look at records that will not be sent, send them again or drop them, also when no gateway
    /// runs
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Make a folder with a configuration, a certificate authority and a first policy
    Init(InitArgs),
    /// Let devices in, with a certificate each, and keep them out
    #[command(subcommand)]
    Things(Box<ThingsCommand>),
    /// Show, renew, revoke and trust certificates
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Let in who has a user name and a password
    #[command(subcommand)]
    Users(UsersCommand),
    /// Let in who signs WebSocket requests as for AWS
    #[command(subcommand)]
    AccessKeys(AccessKeysCommand),
    /// Try and check what policies say
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Args, Debug)]
struct RunArgs {
    /// The configuration; without it the one that `perennial config` prints
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything is written, whatever `data_dir` the configuration has
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write logs as lines of JSON, and nothing but logs
    #[arg(long)]
    log_json: bool,
    /// What is logged to stderr: error, warn, info, debug, trace or off, for everything or for
    /// a module
    #[arg(
        long,
        value_name = "LEVEL",
        env = "PERENNIAL_LOG",
        default_value = logs::DEFAULT
    )]
    #[arg(value_parser = logs::parse_filter)]
    log_level: Targets,
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Cli {
    /// Does what was asked for.
    pub(crate) fn execute(self) -> Result<(), Failure> {
        match self.command {
            None => run::run(self.run),
            Some(Command::Run(args)) => run::run(*args),
            Some(Command::Check(args)) => check::check(&args.config),
            Some(Command::Config) => print(Source::embedded().as_str()),
            Some(Command::Connectors) => print(&connectors::list()),
            Some(Command::Queues(args)) => queues::queues(&args),
            Some(Command::DeadLetters(command)) => dead_letters::dead_letters(&command),
            Some(Command::Init(args)) => init::init(&args),
            Some(Command::Things(command)) => things::things(&command),
            Some(Command::Certs(command)) => certs::certs(&command),
            Some(Command::Users(command)) => users::users(&command),
            Some(Command::AccessKeys(command)) => access_keys::access_keys(&command),
            Some(Command::Policy(command)) => policy::policy(&command),
        }
    }
}

/// Writes `text` to stdout; a reader who has read enough is no failure.
fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes `bytes` to stdout as they are.
fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// `what` as a line of JSON.
fn json(what: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(what).map_err(|error| Failure::Output(error.into()))?;
    Ok(text + "\n")
}

/// The same of each of `rows`.
fn json_lines(rows: &[impl Serialize]) -> Result<String, Failure> {
    rows.iter().map(json).collect()
}

/// Why a command did not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error("cannot start")]
    Process(#[source] io::Error),
    #[error("cannot write to stdout")]
    Output(#[source] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "the store failed and takes nothing more; the log says why. What was acknowledged is on \
         disk; mend the cause and start again"
    )]
    Store,
    #[error("ended by a second signal, before everything had stopped")]
    Hurried,
    #[error("the log says why")]
    Logged,
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(
        "this would drop all dead letters; say which by name, by a filter such as `--reason CODE`, \
         or say `--yes`"
    )]
    NotAllWithoutYes,
    #[error("not all were done: {0}")]
    StoppedEarly(String),
    #[error("there are no dead letters {0}")]
    NoSuchLetters(String),
    #[error("some cannot be sent again")]
    Skipped,
    #[error(
        "{} has no [access], so there are no identities; `perennial init DIR` makes a \
         configuration that has",
        .0.display()
    )]
    NoAccess(PathBuf),
    #[error(
        "there is no folder {}, which [access] names; `perennial init DIR` makes one with all \
         that is needed",
        .0.display()
    )]
    NoDirectory(PathBuf),
    #[error(transparent)]
    Identities(#[from] RegistryError),
    #[error(transparent)]
    Unfit(#[from] access::AccessError),
    #[error(transparent)]
    NotDone(#[from] Problem),
    #[error("{0}")]
    Asked(String),
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("cannot read stdin")]
    Input(#[source] io::Error),
    #[error("it is not allowed")]
    NotAllowed,
}

impl Failure {
    /// The failure and its causes in one line; of a wrong configuration a line per error.
    pub(crate) fn in_words(&self) -> String {
        let program = match self {
            Self::Config(_) | Self::Identities(_) | Self::Unfit(_) | Self::NotDone(_) => "",
            _ => "perennial: ",
        };
        let mut words = format!("{program}{self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            words += &format!(": {error}");
            cause = error.source();
        }
        words
    }

    /// Whether nobody has been told yet.
    pub(crate) fn is_news(&self) -> bool {
        !matches!(self, Self::Logged | Self::NotAllowed)
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::NotAllWithoutYes
            | Self::NoAccess(_)
            | Self::NoDirectory(_)
            | Self::Identities(_)
            | Self::Unfit(_)
            | Self::Asked(_)
            | Self::Unreadable { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use perennial::config::Config;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_run() {
        let short = Cli::try_parse_from(["perennial", "--data-dir", "d", "--log-json"]).unwrap();
        assert!(short.command.is_none());
        let long = ["perennial", "run", "--data-dir", "d", "--log-json"];
        let Some(Command::Run(long)) = Cli::try_parse_from(long).unwrap().command else {
            panic!("`run` is another command");
        };
        assert_eq!(format!("{:?}", short.run), format!("{long:?}"));
        assert_eq!(long.data_dir, Some(PathBuf::from("d")));
    }

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let cause = io::Error::other("the disk is gone");
        let words = Failure::Process(cause).in_words();
        assert_eq!(words, "perennial: cannot start: the disk is gone");
    }

    #[test]
    fn a_wrong_configuration_is_told_as_it_is_for_editors_to_jump_to() {
        let source = Source::text("p.toml", "a = 1\nlimits = 2\n");
        let errors = source.read().map(|_: Config| ()).unwrap_err();
        let lines: Vec<_> = Failure::Config(errors)
            .in_words()
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(lines, ["p.toml:1:1:", "p.toml:2:10:"]);
    }
}
