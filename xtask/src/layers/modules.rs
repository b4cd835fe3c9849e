//! The layer table inside the crate `gatepost`: who may name whom.
//!
//! An arrow is any mention of `crate::<module>` in production code, whether in a `use` or in an expression.

use super::Violation;
use crate::source::Source;
use crate::workspace::Workspace;

const PROGRAM: &str = "crates/gatepost/src/";

/// Module → the modules it may name. What is not listed may name nothing.
const MAY_NAME: [(&str, &[&str]); 18] = [
    // 0 ground
    ("config", &["config"]),
    ("observe", &["observe", "config"]),
    ("store", &["store", "config"]),
    // 1 decisions: pure
    // A decision carries the reason it is counted under, and rests on the header as `message` cut it (one parser decides and writes).
    (
        "policy",
        &["policy", "message", "config", "observe::reason"],
    ),
    ("message", &["message", "config"]),
    (
        "queue::entry",
        &["queue::entry", "queue::schedule", "config", "policy"],
    ),
    (
        "queue::schedule",
        &["queue::entry", "queue::schedule", "config"],
    ),
    // 2 services
    (
        "auth",
        &["auth", "policy", "message", "config", "observe", "store"],
    ),
    (
        "queue",
        &["queue", "policy", "message", "config", "observe", "store"],
    ),
    (
        "delivery",
        &[
            "delivery", "queue", "policy", "message", "config", "observe", "store",
        ],
    ),
    // 3 edges
    (
        "net",
        &[
            "net", "auth", "queue", "delivery", "policy", "message", "config", "observe",
        ],
    ),
    (
        "control",
        &[
            "control", "auth", "queue", "delivery", "policy", "message", "config", "observe",
            "store",
        ],
    ),
    ("admin", &["admin", "control", "config", "observe"]),
    // 4 root
    ("serve", &["*"]),
    ("cli", &["*"]),
    ("main", &["*"]),
    ("lib", &["*"]),
    ("version", &[]),
];

/// Every mention of another module points to the same layer's allowed neighbours or below.
pub(super) fn only_downward(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    for arrow in arrows(workspace) {
        let allowed = may_name(&arrow.from);
        let fits = allowed
            .iter()
            .any(|name| *name == "*" || covers(name, &arrow.to));
        if !fits {
            found.push(arrow.violation("a module uses its own layer's named neighbours and the layers below; nothing imports admin"));
        }
    }
    found
}

/// `auth` and `queue` stay strangers: what they share passes through policy or the edges.
pub(super) fn auth_and_queue_do_not_know_each_other(workspace: &Workspace) -> Vec<Violation> {
    arrows(workspace)
        .into_iter()
        .filter(|arrow| {
            (covers("auth", &arrow.from) && covers("queue", &arrow.to))
                || (covers("queue", &arrow.from) && covers("auth", &arrow.to))
        })
        .map(|arrow| arrow.violation("auth and queue do not know each other"))
        .collect()
}

struct Arrow {
    from: String,
    to: String,
    place: String,
}

impl Arrow {
    fn violation(self, rule: &'static str) -> Violation {
        Violation {
            rule,
            place: self.place,
            found: format!("{} names {}", self.from, self.to),
        }
    }
}

/// The longest listed name that `module` lies in decides.
fn may_name(module: &str) -> &'static [&'static str] {
    MAY_NAME
        .iter()
        .filter(|(name, _)| covers(name, module))
        .max_by_key(|(name, _)| name.len())
        .map_or(&[][..], |(_, allowed)| *allowed)
}

fn covers(name: &str, module: &str) -> bool {
    module
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn arrows(workspace: &Workspace) -> Vec<Arrow> {
    let mut found = Vec::new();
    for (path, text) in workspace.rust_below(PROGRAM) {
        let from = module_of(path);
        let source = Source::production(text);
        for (line, code) in source.lines() {
            for to in named_in(code) {
                found.push(Arrow {
                    from: from.clone(),
                    to,
                    place: format!("{path}:{line}"),
                });
            }
        }
    }
    found
}

/// `crates/gatepost/src/queue/spool/segment.rs` → `queue::spool::segment`.
fn module_of(path: &str) -> String {
    let inner = path
        .trim_start_matches(PROGRAM)
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    inner.replace('/', "::")
}

/// The module paths (two segments at most, in lower case) that follow `crate::` in a line.
fn named_in(code: &str) -> Vec<String> {
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| {
            let group = rest
                .strip_prefix('{')
                .and_then(|group| group.split('}').next());
            match group {
                Some(group) => group
                    .split(',')
                    .map(|part| path_head(part.trim()))
                    .collect(),
                None => vec![path_head(rest)],
            }
        })
        .filter(|path: &String| !path.is_empty())
        .collect()
}

fn path_head(text: &str) -> String {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .next()
        .unwrap_or("")
        .split("::")
        .take_while(|part| part.starts_with(|c: char| c.is_ascii_lowercase()))
        .take(2)
        .collect::<Vec<_>>()
        .join("::")
}

#[cfg(test)]
mod tests {
    use super::super::tests::planted;
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        only_downward(&planted(path, text)).len()
    }

    #[test]
    fn an_arrow_upward_is_found_in_every_form() {
        let policy = "crates/gatepost/src/policy/relay.rs";
        assert_eq!(found(policy, "use crate::config::resolved::Route;\n"), 0);
        assert_eq!(found(policy, "use crate::net::tls;\n"), 1);
        assert_eq!(found(policy, "fn a() { crate::delivery::run() }\n"), 1);
        assert_eq!(found(policy, "use crate::{config, auth};\n"), 1);
        assert_eq!(
            found(
                policy,
                "// use crate::net;\n#[cfg(test)]\nmod tests { use crate::net; }\n"
            ),
            0
        );
    }

    #[test]
    fn the_pure_parts_of_the_queue_are_a_layer_of_their_own() {
        assert_eq!(
            found(
                "crates/gatepost/src/queue/entry.rs",
                "use crate::queue::spool::Log;\n"
            ),
            1
        );
        assert_eq!(
            found(
                "crates/gatepost/src/queue/mod.rs",
                "use crate::queue::spool::Log;\n"
            ),
            0
        );
    }

    #[test]
    fn nothing_below_the_root_imports_admin_and_net_never_sees_the_store() {
        assert_eq!(
            found(
                "crates/gatepost/src/control/x.rs",
                "use crate::admin::pages;\n"
            ),
            1
        );
        assert_eq!(
            found("crates/gatepost/src/net/x.rs", "use crate::store::Store;\n"),
            1
        );
        assert_eq!(
            found(
                "crates/gatepost/src/admin/x.rs",
                "use crate::queue::Queue;\n"
            ),
            1
        );
        assert_eq!(
            found(
                "crates/gatepost/src/unheard_of.rs",
                "use crate::config::x;\n"
            ),
            1
        );
    }

    #[test]
    fn auth_and_queue_are_strangers() {
        let workspace = planted(
            "crates/gatepost/src/queue/x.rs",
            "use crate::auth::Ticket;\n",
        );
        assert_eq!(auth_and_queue_do_not_know_each_other(&workspace).len(), 1);
    }
}
