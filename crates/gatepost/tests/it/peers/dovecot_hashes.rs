//! What Dovecot keeps for DIGEST-MD5, written by Dovecot.

use gatepost_sasl::{DigestMd5Hashes, Secret};

use super::server_peer::{Program, in_root};

// DIG-22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dig_22_hashes_written_by_doveadm_know_their_password() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["fred", "fred@example.com", "Müller@Example.com", "a@b@c"] {
        let mut command = in_root(Program::PostfixDovecot, directory.path());
        command.args([
            "doveadm",
            "pw",
            "-s",
            "DIGEST-MD5",
            "-p",
            "pässword",
            "-u",
            name,
        ]);
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let value = text.trim().strip_prefix("{DIGEST-MD5}").unwrap();
        let hashes = DigestMd5Hashes::parse_dovecot(name, value).unwrap();
        assert!(hashes.are_of(&Secret::new("pässword")), "{name}: {text}");
        assert!(!hashes.are_of(&Secret::new("password")), "{name}: {text}");
    }
}
