//! Every target over its seeds and over mutations of them that are the same in every run; more of them, and others, in a soak run.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::print_stdout))]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use gatepost_fuzz::mutation::Mutator;
use gatepost_fuzz::{TARGETS, by_name};

/// The seed of the mutations in a normal run.
const SEED: u64 = 20_261_121;

/// What one input may take, on a busy machine and unoptimised: what is quadratic takes much longer.
const PATIENCE: Duration = Duration::from_secs(5);

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })*

        #[test]
        fn no_target_is_left_out() {
            let here = [$(stringify!($name)),*];
            let there: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(here[..], there);
        }
    };
}

targets! {
    path xtext dsn_params command server_session data chunks reply client_session sasl_server sasl_client
    plain login cram_md5 external anonymous bearer scram_server scram_client gssapi_offer gssapi_choice gssapi_layer
    digest_challenge digest_response digest_layer headers mailboxes mime conversion notice proxy config control foreign_hash spool
}

/// Each target can be run under libFuzzer too, by its name.
#[test]
fn every_target_has_its_front() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let path = format!("fuzz_targets/{}.rs", target.name);
        assert!(fuzz.join(&path).is_file(), "no {path}");
        assert!(manifest.contains(&format!("path = \"{path}\"")), "{path}");
    }
    let fronts = fs::read_dir(fuzz.join("fuzz_targets")).unwrap();
    assert_eq!(fronts.count(), TARGETS.len());
}

fn smoke(name: &str) {
    let target = by_name(name).unwrap();
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    let soak = std::env::var_os("GATEPOST_SOAK").is_some();
    let (seed, mutations) = if soak {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        (u64::from(now.subsec_nanos()), target.mutations * 100)
    } else {
        (SEED, target.mutations)
    };
    println!(
        "{name}: {} seeds, {mutations} mutations from {seed}",
        seeds.len()
    );
    for input in &seeds {
        attempt(target.run, input);
    }
    let mut mutator = Mutator::new(seed);
    for _ in 0..mutations {
        attempt(target.run, &mutator.next(&seeds));
    }
}

fn attempt(run: fn(&[u8]), input: &[u8]) {
    let begun = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
    assert!(
        outcome.is_ok(),
        "the input was b\"{}\"",
        input.escape_ascii()
    );
    assert!(
        begun.elapsed() < PATIENCE,
        "{:?} for b\"{}\"",
        begun.elapsed(),
        input.escape_ascii()
    );
}
