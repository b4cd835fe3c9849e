//! Every dialogue in `transcripts/`, played to the sessions in memory: as it is written, octet by octet, and cut at random.
//!
//! One test per theme; each reports all of its files that fail.

use std::collections::BTreeSet;
use std::path::PathBuf;

use gatepost_testkit::client::ClientBench;
use gatepost_testkit::play::play;
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::split::Cuts;
use gatepost_testkit::transcript::{Scene, Side, Transcript};
use gatepost_testkit::wire::Split;

macro_rules! themes {
    ($($theme:ident)*) => {
        $(
            #[test]
            fn $theme() {
                check_theme(stringify!($theme));
            }
        )*

        /// A new folder needs a line here.
        #[test]
        fn every_theme_is_played() {
            let folders: BTreeSet<String> = std::fs::read_dir(root())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "README.md")
                .collect();
            assert_eq!(folders, BTreeSet::from([$(stringify!($theme).to_owned()),*]));
        }
    };
}

themes! { auth client data dsn eai legacy relay starttls }

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../transcripts"))
}

fn check_theme(theme: &str) {
    let transcripts =
        Transcript::load_folder(&root().join(theme)).unwrap_or_else(|fault| panic!("{fault}"));
    assert!(!transcripts.is_empty(), "{theme} is empty");
    let failures: Vec<String> = transcripts.iter().flat_map(failures).collect();
    assert!(failures.is_empty(), "\n\n{}\n", failures.join("\n\n"));
}

fn failures(transcript: &Transcript) -> Vec<String> {
    let mut failures = Vec::new();
    for scene in &transcript.scenes {
        for cuts in cuts(transcript) {
            if let Err(failure) = play_once(transcript, scene, cuts.clone()) {
                failures.push(format!("{failure}\n  (cut: {cuts:?})"));
                break;
            }
        }
    }
    failures
}

fn play_once(transcript: &Transcript, scene: &Scene, cuts: Cuts) -> Result<(), String> {
    let outcome = match &transcript.side {
        Side::Server(settings) => {
            let bench = ServerBench::of(settings).ok_or("these settings make no server")?;
            play(transcript, scene, &mut Split::new(bench, cuts))
        }
        Side::Client(settings) => {
            let bench = ClientBench::of(settings).ok_or("these settings make no client")?;
            play(transcript, scene, &mut Split::new(bench, cuts))
        }
    };
    outcome.map_err(|mismatch| mismatch.to_string())
}

fn cuts(transcript: &Transcript) -> Vec<Cuts> {
    let as_shown = match &transcript.side {
        Side::Server(settings) => settings.segments_as_shown,
        Side::Client(settings) => settings.segments_as_shown,
    };
    if as_shown {
        vec![Cuts::Whole]
    } else {
        vec![
            Cuts::Whole,
            Cuts::Octets,
            Cuts::Random(1),
            Cuts::Random(2),
            Cuts::Random(3),
        ]
    }
}
