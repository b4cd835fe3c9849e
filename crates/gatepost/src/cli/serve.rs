//! `gatepost serve -c FILE`: run the server until SIGTERM or SIGINT; SIGHUP reads the file again.

use std::path::Path;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::{CommandError, ConfigFile, process};
use crate::config;
use crate::config::resolved::Config;
use crate::observe::event::Level;
use crate::observe::log::LogFormat;
use crate::serve::{Program, ServeError, Telemetry};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    log: LogOptions,
}

/// How the log looks.
#[derive(Debug, Args)]
pub(super) struct LogOptions {
    /// Form of the log lines on standard error
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    log: LogFormat,
    /// Also log what matters only when looking closely
    #[arg(long)]
    debug: bool,
}

/// Runs the server of a configuration file.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let config = config::load(&arguments.file.config)
        .map_err(|error| CommandError::Failed(format!("configuration cannot be used\n{error}")))?;
    let telemetry = arguments.log.telemetry()?;
    let observer = telemetry.observer.clone();
    let served = process::runtime()?.block_on(serve(&arguments.file.config, config, telemetry));
    observer.flush();
    Ok(served?)
}

async fn serve(file: &Path, config: Config, telemetry: Telemetry) -> Result<(), ServeError> {
    let stop = stop_signal()?;
    // From here on, a reload asked for early is done late and does not end the process.
    let mut hangups = heard(SignalKind::hangup())?;
    let program = Program::build(config, telemetry).await?;
    let (tell, reloads) = mpsc::channel(1);
    let reread = async {
        loop {
            hangups.recv().await;
            // Where the program has ended, so has this.
            let _ = tell.send(config::load(file)).await;
        }
    };
    tokio::select! {
        ended = program.run(stop, reloads) => ended,
        never = reread => never,
    }
}

impl LogOptions {
    /// The log on standard error, and everybody else who sees what happens.
    pub(super) fn telemetry(&self) -> Result<Telemetry, ServeError> {
        let least = if self.debug {
            Level::Debug
        } else {
            Level::Info
        };
        Telemetry::new(self.log, least, std::io::stderr())
    }
}

/// Ready when the process is told to stop. From this call on, the signals no longer kill it.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, ServeError> {
    let mut terminate = heard(SignalKind::terminate())?;
    let mut interrupt = heard(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn heard(kind: SignalKind) -> Result<Signal, ServeError> {
    signal(kind).map_err(|error| ServeError::signals(&error))
}

impl From<ServeError> for CommandError {
    fn from(error: ServeError) -> Self {
        Self::Failed(error.to_string())
    }
}
