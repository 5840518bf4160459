//! `perennial run`: start, serve until told otherwise, stop.

use std::io;

use perennial::{config::Config, gateway::Gateway};
use tokio::{
    runtime::Builder,
    select,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info, warn};

use super::{Failure, RunArgs, banner::Banner, logs, place::Place, print};

/// Runs a gateway until a signal or its store ends it.
pub(super) fn run(args: RunArgs) -> Result<(), Failure> {
    let source = Place::source(args.config.as_ref(), args.data_dir.as_ref())?;
    let config = source.read()?;
    logs::start(args.log_json, args.log_level);
    let mut runtime = Builder::new_multi_thread();
    if let Some(threads) = config.worker_threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build().map_err(Failure::Process)?;
    let ended = runtime.block_on(serve(config, args.log_json));
    // A stop that a second signal cut short has left work behind, and nobody waits for it.
    runtime.shutdown_background();
    ended.map_err(|failure| {
        if !args.log_json {
            return failure;
        }
        error!(error = failure.in_words(), "failed");
        Failure::Logged
    })
}

async fn serve(config: Config, only_logs: bool) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::Process)?;
    // From here on it ends nothing, whether or not there is anything to read again.
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::Process)?;
    let banner = Banner::of(&config);
    let gateway = select! {
        gateway = Gateway::start(config) => gateway?,
        () = signals.next() => return Ok(()),
    };
    if !only_logs
        && let Err(failure) = print(&banner.running(gateway.addresses(), gateway.metrics_address()))
    {
        warn!(
            error = failure.in_words(),
            "running, but nobody could be told"
        );
    }

    let ended = loop {
        select! {
            () = signals.next() => break Ok(()),
            _ = gateway.failed() => break Err(Failure::Store),
            _ = hangup.recv() => gateway.reload(),
        }
    };
    info!("stopping; a second signal ends the process at once");
    select! {
        _ = gateway.stop() => ended,
        () = signals.next() => Err(Failure::Hurried),
    }
}

/// The signals that ask the process to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
