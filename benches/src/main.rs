//! Measures the gateway beside mosquitto, rumqttd and a script: the same work for each in one run,
//! rounds interleaved, with the CPU time and memory that the operating system counts for each.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::{
    brokers::{Acks, Broker, Setup},
    table::{Sample, Table},
    works::{Effort, WORKS, Work},
};

mod brokers;
mod client;
mod devices;
mod endpoint;
mod firehose;
mod inbox;
mod load;
mod outage;
mod plot;
mod process;
mod seen;
mod session;
mod table;
mod uplink;
mod upstream;
mod wire;
mod works;

/// Measures the gateway, mosquitto, rumqttd and a script that forwards to Firehose side by side.
///
/// Build the gateway first (`cargo build --release`), then run everything, which takes about
/// an hour, or a part of it: `--only ingest,fanin --rounds 3`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The gateway's binary [default: `perennial` beside this one]
    #[arg(long, value_name = "PATH", global = true)]
    gateway: Option<PathBuf>,

    /// Only these works: ingest, fanin, fanout, fanin0, pairs, crowd, slow, offline, paced, idle,
    /// idle4k, burst, restart, topics, tls-connects, tls-connects12, tls-resumes, tls-resumes12,
    /// tls-idle, tls-qos1, uplink, latency, partial, away, killed, allkilled
    #[arg(long, value_name = "WORK", value_delimiter = ',')]
    only: Vec<String>,

    /// A Python with boto3 and paho-mqtt, for the script
    #[arg(long, value_name = "PATH", env = "PERENNIAL_TEST_PYTHON")]
    python: Option<PathBuf>,

    /// Only these brokers: mosquitto, rumqttd, script, perennial
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    brokers: Vec<String>,

    /// How often each work is done
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// How long a round of a timed work lasts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,

    /// One round of one second, smaller works: shows that all runs, not how fast
    #[arg(long, global = true)]
    quick: bool,

    /// Where the brokers keep their data; must be on the disk that is to be measured
    /// [default: the folder of this binary]
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,

    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Be rumqttd on a port of the loopback address; how this binary starts it as a process
    #[command(hide = true)]
    Rumqttd { port: u16 },

    /// Draw what an outage of the upstream does to the gateway
    ///
    /// 2000 messages of 256 B a second for a minute, through the outage, and until all that was
    /// queued has left.
    Outage {
        /// The picture
        #[arg(long, value_name = "FILE")]
        svg: PathBuf,

        /// How long the upstream is away (--quick: 10 s)
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
        minutes: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.role {
        Some(Role::Rumqttd { port }) => brokers::rumqttd::serve(*port).map(|()| true),
        Some(Role::Outage { svg, minutes }) => draw_outage(&arguments, svg, *minutes),
        None => measure(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the works that were asked for and prints a table after each; false if a round failed.
fn measure(arguments: &Arguments) -> io::Result<bool> {
    let effort = Effort {
        time: Duration::from_secs(if arguments.quick {
            1
        } else {
            arguments.seconds
        }),
        quick: arguments.quick,
        directory: directory(arguments)?,
    };
    let brokers = chosen_brokers(arguments)?;
    let rounds = if arguments.quick {
        1
    } else {
        usize::from(arguments.rounds)
    };
    let mut all_well = true;
    for work in chosen_works(arguments)? {
        println!("{}: {}", work.name, work.summary);
        let (table, failures) = run_work(work, &brokers, rounds, &effort);
        if !table.is_empty() {
            println!("\n{}", table.render(work.baselines));
        }
        for failure in &failures {
            println!("FAILED {failure}");
        }
        all_well &= failures.is_empty();
    }
    Ok(all_well)
}

/// Runs the gateway through an outage, draws it and says it in one line; false if it lost anything.
fn draw_outage(arguments: &Arguments, svg: &Path, minutes: u64) -> io::Result<bool> {
    let gateway = Broker::Gateway(gateway(arguments)?, Setup::Default);
    let plan = match arguments.quick {
        true => outage::Plan::quick(),
        false => outage::Plan::of_minutes(minutes),
    };
    let record = outage::run(&gateway, &directory(arguments)?, &plan)?;
    std::fs::write(svg, record.draw())?;
    println!("{}", record.summary());
    Ok(record.lost == 0)
}

/// The folder of this binary.
fn own_folder() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    Ok(own.parent().map(Path::to_owned).unwrap_or_default())
}

fn gateway(arguments: &Arguments) -> io::Result<PathBuf> {
    match &arguments.gateway {
        Some(gateway) => std::path::absolute(gateway),
        None => Ok(own_folder()?.join("perennial")),
    }
}

/// Where data is kept.
fn directory(arguments: &Arguments) -> io::Result<PathBuf> {
    let directory = match &arguments.dir {
        Some(directory) => std::path::absolute(directory)?,
        None => own_folder()?,
    };
    if process::is_in_memory(&directory)? {
        eprintln!(
            "{} is in memory: syncing costs nothing there",
            directory.display()
        );
    }
    Ok(directory)
}

/// All rounds of one work, the brokers in turn in each.
fn run_work(
    work: &Work,
    brokers: &[Broker],
    rounds: usize,
    effort: &Effort,
) -> (Table, Vec<String>) {
    let brokers: Vec<Broker> = brokers
        .iter()
        .filter(|broker| work.among.contains(&broker.name()))
        .flat_map(|broker| broker.variants(work.setups))
        .collect();
    let reference = work.reference.iter().map(|reference| reference.name);
    let mut table = Table::new(reference.chain(brokers.iter().map(Broker::name)));
    let mut failures = Vec::new();
    let mut take =
        |table: &mut Table, name: &str, round: usize, result: io::Result<Sample>| match result {
            Ok(sample) => table.push(name, sample),
            Err(error) => failures.push(format!("{} round {round}: {name}: {error}", work.name)),
        };
    let rounds = rounds.min(work.rounds);
    for round in 1..=rounds {
        if let Some(reference) = &work.reference {
            eprintln!("{} round {round}/{rounds}: {}", work.name, reference.name);
            take(&mut table, reference.name, round, (reference.run)(effort));
        }
        for broker in &brokers {
            eprintln!("{} round {round}/{rounds}: {}", work.name, broker.name());
            take(&mut table, broker.name(), round, (work.run)(broker, effort));
        }
    }
    (table, failures)
}

fn chosen_works(arguments: &Arguments) -> io::Result<Vec<&'static Work>> {
    let known: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
    check_names("work", &arguments.only, &known)?;
    let chosen = |work: &&Work| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == work.name)
    };
    Ok(WORKS.iter().filter(chosen).collect())
}

fn chosen_brokers(arguments: &Arguments) -> io::Result<Vec<Broker>> {
    let mut brokers = vec![Broker::Mosquitto, Broker::Rumqttd];
    match &arguments.python {
        Some(python) => {
            let python = std::path::absolute(python)?;
            brokers.push(Broker::Script(python.clone(), Acks::Early));
            brokers.push(Broker::Script(python, Acks::Late));
        }
        None => eprintln!("no --python: measuring without the script"),
    }
    let gateway = gateway(arguments)?;
    if gateway.is_file() {
        brokers.push(Broker::Gateway(gateway, Setup::Default));
    } else {
        eprintln!("no gateway at {}: measuring without it", gateway.display());
    }
    check_names(
        "broker",
        &arguments.brokers,
        &["mosquitto", "rumqttd", "script", "perennial"],
    )?;
    brokers.retain(|broker| {
        let name = broker.name().split(',').next().unwrap_or_default();
        arguments.brokers.is_empty() || arguments.brokers.iter().any(|asked| asked == name)
    });
    Ok(brokers)
}

fn check_names(what: &str, asked: &[String], known: &[&str]) -> io::Result<()> {
    match asked.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(io::Error::other(format!(
            "no {what} is called {name:?}; there are {}",
            known.join(", ")
        ))),
        None => Ok(()),
    }
}
