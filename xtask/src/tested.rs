//! `cargo xtask tested`: which mechanism was proven with which program of others.
//!
//! The tests with real peers write a line for each combination that passed; `./test` collects them. What `peers/tested.tsv` keeps of
//! that, and `docs/reference/mechanisms.md` shows, must have passed in this run too. What passed and is not kept yet is said, and no
//! fault: a page that claims too little misleads nobody.

use std::collections::BTreeSet;

/// What the page of mechanisms is made of.
const KEPT: &str = "peers/tested.tsv";

/// Checks what is kept against the table of a run; with `write`, keeps what the table has.
pub(crate) fn run(table: &str, write: bool) -> Result<String, String> {
    let passed = reduce(&read(table)?);
    if passed.is_empty() {
        return Err(format!("{table}: no mechanism passed against any peer"));
    }
    if write {
        let mut text = String::new();
        for line in &passed {
            text.push_str(line);
            text.push('\n');
        }
        std::fs::write(KEPT, text).map_err(|e| format!("{KEPT}: {e}"))?;
        return Ok(format!(
            "tested: {KEPT} has {} lines; now run `cargo xtask docs --write`",
            passed.len()
        ));
    }
    compare(&read(KEPT)?, &passed)
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

fn compare(kept: &str, passed: &BTreeSet<String>) -> Result<String, String> {
    let missing: Vec<&str> = kept
        .lines()
        .filter(|line| !passed.contains(*line))
        .collect();
    if !missing.is_empty() {
        return Err(format!(
            "{KEPT} and docs/reference/mechanisms.md claim what did not pass in this run:\n{}\nIf it is tested no more: `cargo xtask tested --write`",
            missing.join("\n")
        ));
    }
    let kept: BTreeSet<&str> = kept.lines().collect();
    let new: Vec<&String> = passed
        .iter()
        .filter(|line| !kept.contains(line.as_str()))
        .collect();
    let mut summary = format!("tested: all {} lines of {KEPT} passed", kept.len());
    for line in new {
        summary.push_str("\nnot on the page yet (`cargo xtask tested --write`): ");
        summary.push_str(line);
    }
    Ok(summary)
}

/// `peer, mechanism, TLS, direction, result` → `mechanism, peer, role`, without what differs in TLS or layers only.
fn reduce(table: &str) -> BTreeSet<String> {
    table.lines().filter_map(reduced).collect()
}

fn reduced(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [peer, mechanism, _tls, direction, "passed"] = fields[..] else {
        return None;
    };
    let role = match direction {
        "to Gatepost" => "server",
        _ if direction.starts_with("from ") => "client",
        _ if direction.ends_with("open Gatepost") => "issuer",
        _ => return None,
    };
    // "DIGEST-MD5 auth-conf/rc4" is of DIGEST-MD5, "scramp 1.4.6, tls-exporter" of scramp.
    let mechanism = mechanism.split(' ').next()?;
    let peer = peer.split(", ").next()?;
    let named = mechanism.starts_with(|c: char| c.is_ascii_uppercase());
    let ours = peer.starts_with("gatepost");
    (named && !ours).then(|| format!("{mechanism}\t{peer}\t{role}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "curl\tPLAIN\tSTARTTLS\tto Gatepost\tpassed\n\
        curl\tPLAIN\timplicit\tto Gatepost\tpassed\n\
        JDK\tDIGEST-MD5 auth-conf/des\tnone\tfrom gatepost-sasl\tpassed\n\
        scramp 1.4.6, tls-exporter\tSCRAM-SHA-1-PLUS\timplicit\tto Gatepost\tpassed\n\
        oidc-provider\tXOAUTH2\timplicit\tits JWTs open Gatepost\tpassed\n\
        oidc-provider\tXOAUTH2\timplicit\trotates its keys\tpassed\n\
        gatepost send\tGSSAPI\tnone\tto Gatepost\tpassed\n\
        Exim\tno AUTH\tnone\tfrom Gatepost (delivery)\tpassed\n";

    #[test]
    fn a_table_is_reduced_to_who_was_what() {
        let expected = [
            "DIGEST-MD5\tJDK\tclient",
            "PLAIN\tcurl\tserver",
            "SCRAM-SHA-1-PLUS\tscramp 1.4.6\tserver",
            "XOAUTH2\toidc-provider\tissuer",
        ];
        assert_eq!(reduce(TABLE), expected.map(str::to_owned).into());
    }

    #[test]
    fn a_claim_that_did_not_pass_fails_and_what_is_new_is_said() {
        let passed = reduce(TABLE);
        let fault = compare("PLAIN\tmutt\tserver\n", &passed).unwrap_err();
        assert!(fault.contains("PLAIN\tmutt"), "{fault}");
        let summary = compare("PLAIN\tcurl\tserver\n", &passed).unwrap();
        assert!(summary.contains("not on the page yet"), "{summary}");
        assert!(!summary.contains("PLAIN\tcurl"), "{summary}");
    }
}
