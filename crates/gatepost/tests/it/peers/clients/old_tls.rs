//! Programs of others that speak TLS 1.0 and 1.1: as old devices do, to a listener for them, and to one that is not.

use gatepost::config::resolved::OldVersion;
use tokio::process::Command;

use super::run;
use crate::dev::{Dev, LOOPBACK};
use crate::old_tls::add_old_listeners;
use crate::peer_table::passed;
use crate::server::Server;

/// The fourth listener takes STARTTLS, the fifth begins with TLS; both from TLS 1.0 on.
async fn server() -> Server {
    Server::start_with(|config| add_old_listeners(config, OldVersion::V1_0)).await
}

/// The ways in: how `openssl s_client` is told, how the table names it, and the port.
fn lanes(server: &Server) -> [(&'static str, &'static str, u16); 2] {
    [
        ("-starttls smtp", "STARTTLS", server.bound[3].port()),
        ("", "implicit", server.bound[4].port()),
    ]
}

/// What `openssl s_client` and the server behind it say to these octets; it takes any certificate, as devices do.
async fn s_client(options: &str, port: u16, octets: &str) -> String {
    let script = format!(
        "printf '{octets}' | openssl s_client -connect 127.0.0.1:{port} {options} -cipher DEFAULT@SECLEVEL=0 2>&1"
    );
    let mut command = Command::new("timeout");
    command.args(["60", "sh", "-c", &script]).kill_on_drop(true);
    let output = command.output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// TLS-01, LEG-18: "TLS 1.0/3DES devices: separate listener with own cert".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leg_18_openssl_submits_by_each_version() {
    let server = server().await;
    let message = "EHLO scanner\\r\\nAUTH PLAIN AGRldkBsb2NhbGhvc3QAZ2F0ZXBvc3Q=\\r\\nMAIL FROM:<dev@localhost>\\r\\n\
                   RCPT TO:<you@example.com>\\r\\nDATA\\r\\nFrom: dev@localhost\\r\\n\\r\\nscan\\r\\n.\\r\\nQUIT\\r\\n";
    for (version, name) in [
        ("-tls1", "TLSv1.0"),
        ("-tls1_1", "TLSv1.1"),
        ("-tls1_2", "TLSv1.2"),
        ("-tls1_3", "TLSv1.3"),
    ] {
        for (starttls, lane, port) in lanes(&server) {
            let before = server.queued().await;
            let options = format!("{version} {starttls} -quiet -ign_eof");
            let said = s_client(&options, port, message).await;
            assert!(said.contains("\r\n221 2.0.0 "), "{said}");
            assert_eq!(server.queued().await, before + 1, "{said}");
            let stored = String::from_utf8(server.newest().await).unwrap();
            // TRC-02, TRC-04.
            for text in ["with ESMTPSA ", &format!("({name}) tls TLS_")] {
                assert!(stored.contains(text), "{stored}");
            }
            server.log.wait_for(&format!("tls={name} ")).await;
            let lane = format!("{lane} {name}");
            passed("openssl s_client", "PLAIN", &lane, "to Gatepost");
        }
    }
}

/// What cannot be done any more fails on every other listener.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_01_other_listeners_refuse_old_versions() {
    let server = server().await;
    for version in ["-tls1", "-tls1_1"] {
        for (starttls, port) in [
            ("-starttls smtp", server.smtp.port()),
            ("", server.smtps.port()),
        ] {
            let failed = server.log.lines_with("event=tls-failed").len();
            let said = s_client(&format!("{version} {starttls}"), port, "").await;
            assert!(said.contains("SSL alert number"), "{said}");
            let told = "event=tls-failed";
            server.log.wait_for_count(told, failed + 1).await;
        }
    }
    for line in server.log.lines_with("event=tls-failed") {
        assert!(
            line.contains("the client is too old for the TLS of this listener"),
            "{line}"
        );
    }
}

/// CB-10: "keep renegotiation off". CB-02: "tls-unique only for a full (non-resumed) handshake", and there is no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cb_02_cb_10_no_second_handshake_and_no_session_taken_up() {
    let server = server().await;
    let [(starttls, _, quiet), (_, _, port)] = lanes(&server);
    for version in ["-tls1", "-tls1_2"] {
        // Behind STARTTLS the server waits: a greeting would come in between, and OpenSSL stumbles over that first.
        let said = s_client(&format!("{version} {starttls}"), quiet, "R\\n").await;
        assert!(said.contains("RENEGOTIATING"), "{said}");
        assert!(said.contains("no renegotiation"), "{said}");
        let said = s_client(&format!("{version} -reconnect"), port, "").await;
        assert_eq!(said.matches("\nNew, ").count(), 6, "{said}");
        assert!(!said.contains("\nReused, "), "{said}");
    }
    // In TLS 1.3 there is no renegotiation, and sessions are taken up by tickets.
    let said = s_client("-tls1_3", port, "QUIT\\r\\n").await;
    assert!(!said.contains("New Session Ticket"), "{said}");
}

/// RC4 and 3DES are not spoken, whatever OpenSSL has; nor anything without certificate or encryption.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ciphers_that_protect_nothing_are_refused() {
    let server = server().await;
    let port = server.bound[4].port();
    for cipher in ["aNULL", "eNULL"] {
        let script = format!(
            "openssl s_client -connect 127.0.0.1:{port} -tls1_2 -cipher {cipher}@SECLEVEL=0 </dev/null 2>&1"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("alert handshake failure"), "{cipher}: {said}");
    }
    let said = s_client("-tls1 -cipher AES128-SHA@SECLEVEL=0", port, "").await;
    assert!(said.contains("Protocol  : TLSv1\n"), "{said}");
}

const SMTPLIB: &str = r"
import base64, smtplib, ssl, sys
from scramp import ScramClient, make_channel_binding
port, tls, version, mechanism = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
context.set_ciphers('DEFAULT@SECLEVEL=0')
if tls == 'implicit':
    client = smtplib.SMTP_SSL('127.0.0.1', int(port), local_hostname='scanner', context=context)
else:
    client = smtplib.SMTP('127.0.0.1', int(port), local_hostname='scanner')
    client.starttls(context=context)
client.ehlo()
client.user, client.password = 'dev@localhost', 'gatepost'
if mechanism.startswith('SCRAM'):
    bound = make_channel_binding('tls-unique', client.sock)
    scram = ScramClient([mechanism], client.user, client.password, channel_binding=bound)
    encode = lambda text: base64.b64encode(text.encode()).decode()
    decode = lambda octets: base64.b64decode(octets).decode()
    def say(line, expected):
        code, text = client.docmd(line)
        if code != expected:
            sys.exit(f'{code} {text}')
        return text
    scram.set_server_first(decode(say(f'AUTH {mechanism} {encode(scram.get_client_first())}', 334)))
    scram.set_server_final(decode(say(encode(scram.get_client_final()), 334)))
    say('', 235)
else:
    client.auth(mechanism, getattr(client, 'auth_' + mechanism.lower().replace('-', '_')))
client.sendmail('dev@localhost', ['you@example.com'], b'From: dev@localhost\r\n\r\nscan\r\n')
client.quit()
";

/// CB-01: `tls-unique`, as Python's `ssl` computes it, for scramp; and what old devices do otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cb_01_smtplib_delivers_by_old_tls() {
    let server = server().await;
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers/python");
    let starttls = ("starttls", server.bound[3].port());
    let implicit = ("implicit", server.bound[4].port());
    for (version, name, lanes) in [
        ("TLSv1", "TLSv1.0", &[starttls, implicit][..]),
        ("TLSv1_1", "TLSv1.1", &[implicit]),
        ("TLSv1_2", "TLSv1.2", &[starttls]),
    ] {
        for &(lane, port) in lanes {
            for mechanism in [
                "LOGIN",
                "CRAM-MD5",
                "SCRAM-SHA-1-PLUS",
                "SCRAM-SHA-256-PLUS",
            ] {
                let before = server.queued().await;
                let mut command = Command::new("/usr/bin/python3");
                command.env("PYTHONPATH", library).args([
                    "-c",
                    SMTPLIB,
                    &port.to_string(),
                    lane,
                    version,
                    mechanism,
                ]);
                let what = format!("smtplib {mechanism} {lane} {name}");
                run(&mut command, &what).await;
                assert_eq!(server.queued().await, before + 1, "{what}");
                let stored = String::from_utf8(server.newest().await).unwrap();
                let tls = format!("({name}) tls TLS_ECDHE_RSA_WITH_AES_");
                assert!(stored.contains(&tls), "{what}: {stored}");
                let channel = format!("{lane} {name}");
                let scram = mechanism.starts_with("SCRAM");
                let peer = if scram {
                    "scramp 1.4.6, tls-unique"
                } else {
                    "smtplib"
                };
                passed(peer, mechanism, &channel, "to Gatepost");
            }
        }
    }
}

/// A device is often a small program around this library.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_delivers_by_tls_1_0() {
    let server = server().await;
    let message = server.directory.path().join("message");
    std::fs::write(&message, "From: dev@localhost\r\n\r\nscan\r\n").unwrap();
    for (scheme, port) in [
        ("smtp", server.bound[3].port()),
        ("smtps", server.bound[4].port()),
    ] {
        let before = server.queued().await;
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--verbose", "--max-time", "60"])
            .args(["--insecure", "--ssl-reqd", "--tlsv1.0", "--tls-max", "1.0"])
            .args(["--ciphers", "DEFAULT@SECLEVEL=0"])
            .args(["--url", &format!("{scheme}://127.0.0.1:{port}/scanner")])
            .args(["--user", "dev@localhost:gatepost"])
            .args(["--login-options", "AUTH=LOGIN"])
            .args(["--mail-from", "dev@localhost"])
            .args(["--mail-rcpt", "you@example.com"])
            .arg("--upload-file")
            .arg(&message);
        run(&mut command, &format!("curl {scheme}")).await;
        assert_eq!(server.queued().await, before + 1);
        passed("curl", "LOGIN", &format!("{scheme} TLSv1.0"), "to Gatepost");
    }
    let seen = server.log.lines_with("event=auth ");
    let by_old_tls = |line: &&String| line.contains(" tls=TLSv1.0 ");
    assert_eq!(seen.iter().filter(by_old_tls).count(), 2, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_speaks_old_tls_where_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&LOOPBACK[..], &["--old-tls", "127.0.0.1:0"]].concat();
    let dev = tokio::task::block_in_place(|| Dev::start(directory.path(), &arguments));
    let ca = directory.path().join("old-tls/ca.pem");
    let options = format!(
        "-tls1 -starttls smtp -verify_return_error -CAfile {}",
        ca.display()
    );
    let port = dev.address("old TLS").port();
    let said = s_client(&options, port, "EHLO scanner\\r\\nQUIT\\r\\n").await;
    assert!(said.contains("Protocol  : TLSv1\n"), "{said}");
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
}
