//! What a long-running command asks of the system first.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::runtime::{Builder, Runtime};

use crate::cli::{CommandError, complain};

/// The runtime of a server; the process is prepared for it: as many open files as the system allows, and no image of its memory for
/// others (T-50).
pub(super) fn runtime() -> Result<Runtime, CommandError> {
    raise_open_files();
    keep_memory_private();
    keep_panics_private();
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            CommandError::Failed(format!(
                "cannot start threads: {error}\n    the system is short of them: check its limits"
            ))
        })
}

/// What a panic says may hold what a peer or a user sent: the place is enough to find the fault.
fn keep_panics_private() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        complain(&format!(
            "internal fault at {}: please report this line",
            place.as_deref().unwrap_or("an unknown place")
        ));
    }));
}

/// Every session is an open file; the usual soft limit is 1,024.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        complain("the limit of open files could not be raised; sessions beyond it will be refused");
    }
}

/// Secrets pass through memory. No core file holds them, and other processes of the same user cannot read them.
fn keep_memory_private() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = setrlimit(Resource::Core, none).is_ok();
    if set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() || !limited {
        complain("memory images could not be switched off; a crash might write secrets to disk");
    }
}
