//! `cargo xtask layers`: a machine holds the boundaries of ARCHITECTURE.md.
//!
//! - [`crates`]: which workspace crate may depend on which, and what must never be in a protocol crate's tree.
//! - [`modules`]: the layer table inside the crate `gatepost`.
//! - [`absence`]: what must not be found anywhere but in one named place.
//!
//! A rule is a function from a [`Workspace`] to the violations it finds. Each has a test that plants one violation.

mod absence;
mod crates;
mod modules;

use std::fmt::Write as _;

use crate::workspace::Workspace;

/// One place where a boundary is crossed.
#[derive(Debug, PartialEq)]
pub(crate) struct Violation {
    /// The rule, in the words of ARCHITECTURE.md.
    rule: &'static str,
    /// Where: a file with its line, or a crate.
    place: String,
    /// What was found there.
    found: String,
}

type Rule = fn(&Workspace) -> Vec<Violation>;

const RULES: [(&str, Rule); 13] = [
    ("crate dependencies", crates::only_downward),
    ("protocol crate trees", crates::protocol_trees_stay_small),
    ("module layers", modules::only_downward),
    (
        "auth and queue apart",
        modules::auth_and_queue_do_not_know_each_other,
    ),
    ("pure decisions", absence::decisions_are_pure),
    (
        "no clock or log in protocol crates",
        absence::protocol_crates_neither_log_nor_read_clocks,
    ),
    ("reply codes at home", absence::only_reply_knows_codes),
    ("disk writers", absence::only_named_places_write_files),
    ("long-lived tasks", absence::only_the_root_spawns),
    ("unsafe in its fence", absence::only_the_fence_is_unsafe),
    ("one library for TLS", absence::openssl_is_for_old_tls),
    ("no test branch", absence::no_test_branch_in_production),
    (
        "no mechanism in the AUTH loop",
        absence::auth_loop_names_no_mechanism,
    ),
];

/// Runs every rule. `Err` holds the report of what is violated.
pub(crate) fn run(workspace: &Workspace) -> Result<String, String> {
    let mut report = String::new();
    for (name, rule) in RULES {
        for violation in rule(workspace) {
            let Violation { rule, place, found } = violation;
            let _ = writeln!(report, "{place}: {found}\n    {name}: {rule}");
        }
    }
    if report.is_empty() {
        Ok(format!(
            "layers: {} rules hold over {} files",
            RULES.len(),
            workspace.files.len()
        ))
    } else {
        Err(format!(
            "{report}layers: violated; move the code to where it belongs, or change the rule and its reason"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace holding one file, or a file and its crates' dependencies.
    pub(super) fn planted(path: &str, text: &str) -> Workspace {
        let mut workspace = Workspace::default();
        workspace.files.insert(path.to_owned(), text.to_owned());
        workspace
    }

    #[test]
    fn every_rule_is_named_once() {
        let mut names: Vec<_> = RULES.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn a_violation_fails_the_run_and_is_reported_with_its_place() {
        let workspace = planted("crates/gatepost/src/policy/x.rs", "use crate::net::tls;\n");
        let report = run(&workspace).unwrap_err();
        assert!(
            report.contains("crates/gatepost/src/policy/x.rs:1"),
            "{report}"
        );
    }
}
