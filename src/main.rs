//! `perennial`: arguments to one command, and its exit code.

mod cli;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    let Err(failure) = Cli::parse().execute() else {
        return ExitCode::SUCCESS;
    };
    if failure.is_news() {
        // Where nobody reads stderr, the exit code has to do.
        writeln!(io::stderr(), "{}", failure.in_words()).ok();
    }
    failure.exit_code()
}
