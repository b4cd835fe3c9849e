//! Which crate may use which, from `cargo metadata`.

use super::Violation;
use crate::workspace::Workspace;

/// Member → the members it may depend on. A crate that is not listed may depend on none.
const MAY_USE: [(&str, &[&str]); 8] = [
    (
        "gatepost",
        &[
            "gatepost-client",
            "gatepost-smtp",
            "gatepost-gssapi",
            "gatepost-sasl",
        ],
    ),
    (
        "gatepost-client",
        &["gatepost-smtp", "gatepost-gssapi", "gatepost-sasl"],
    ),
    ("gatepost-gssapi", &["gatepost-sasl"]),
    ("gatepost-smtp", &["gatepost-sasl"]),
    ("gatepost-sasl", &[]),
    ("gatepost-testkit", &["gatepost-smtp", "gatepost-sasl"]),
    (
        "gatepost-fuzz",
        &[
            "gatepost",
            "gatepost-testkit",
            "gatepost-smtp",
            "gatepost-sasl",
        ],
    ),
    ("xtask", &[]),
];

/// What a library of pure protocol must not drag into its users' programs: runtimes, sockets, TLS, clocks, randomness, loggers.
const NOT_IN_PROTOCOL: [&str; 12] = [
    "tokio",
    "mio",
    "rustls",
    "socket2",
    "async-std",
    "smol",
    "openssl",
    "log",
    "tracing",
    "chrono",
    "time",
    "rand",
];

/// The dependency arrows between members point one way.
pub(super) fn only_downward(workspace: &Workspace) -> Vec<Violation> {
    let members: Vec<&String> = workspace.depends.keys().collect();
    let mut found = Vec::new();
    for (member, depends) in &workspace.depends {
        let allowed = MAY_USE
            .iter()
            .find(|(name, _)| name == member)
            .map_or(&[][..], |(_, allowed)| *allowed);
        for used in depends.iter().filter(|used| members.contains(used)) {
            if !allowed.contains(&used.as_str()) {
                found.push(Violation {
                    rule: "gatepost → gatepost-client → gatepost-smtp → gatepost-sasl, and never back",
                    place: format!("crate {member}"),
                    found: format!("depends on {used}"),
                });
            }
        }
    }
    found
}

/// The two protocol crates have no I/O, clock, log or randomness in their trees.
pub(super) fn protocol_trees_stay_small(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in ["gatepost-sasl", "gatepost-smtp"] {
        for used in workspace.reaches.get(member).into_iter().flatten() {
            if NOT_IN_PROTOCOL.contains(&used.as_str()) {
                found.push(Violation {
                    rule: "the protocol crates do no I/O, read no clock, draw no randomness and never log",
                    place: format!("crate {member}"),
                    found: format!("links {used}"),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn graph(member: &str, used: &str) -> Workspace {
        let mut workspace = Workspace::default();
        let one = BTreeSet::from([used.to_owned()]);
        workspace.depends.insert(used.to_owned(), BTreeSet::new());
        workspace.depends.insert(member.to_owned(), one.clone());
        workspace.reaches.insert(member.to_owned(), one);
        workspace
    }

    #[test]
    fn an_arrow_upward_is_found() {
        assert!(only_downward(&graph("gatepost-smtp", "gatepost-sasl")).is_empty());
        assert_eq!(
            only_downward(&graph("gatepost-sasl", "gatepost-smtp")).len(),
            1
        );
        assert_eq!(
            only_downward(&graph("gatepost-new", "gatepost-sasl")).len(),
            1
        );
    }

    #[test]
    fn a_runtime_in_a_protocol_crate_is_found() {
        assert!(protocol_trees_stay_small(&graph("gatepost-client", "tokio")).is_empty());
        assert_eq!(
            protocol_trees_stay_small(&graph("gatepost-smtp", "tokio")).len(),
            1
        );
    }
}
