//! `gatepost send` as people run it: what it prints, how it exits, what it never shows.

use std::net::SocketAddr;
use std::process::Output;
use std::time::SystemTime;

use gatepost::config::resolved::{AskedCertificates, CertificateName, CertificateRule};
use gatepost::net::tls::own_ca;
use gatepost::queue::{EntryState, ListQuery};
use gatepost_sasl::mechanism::{self, ALL};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::child;
use crate::server::Server;

const WITH_PASSWORD: [&str; 5] = [
    "--user",
    "dev@localhost",
    "--password-stdin",
    "--to",
    "you@example.com",
];

/// Runs `gatepost send` to this address, with this on standard input.
async fn send(to: SocketAddr, arguments: &[&str], input: &str) -> Output {
    child::run(
        Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .arg("send")
            .arg(to.to_string())
            .args(arguments),
        input,
    )
    .await
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn ca(server: &Server) -> String {
    server
        .directory
        .path()
        .join("ca.pem")
        .to_str()
        .unwrap()
        .to_owned()
}

/// What came last, as it is kept.
async fn newest(server: &Server) -> String {
    let query = ListQuery {
        state: Some(EntryState::Captured),
        before: None,
        limit: 1,
    };
    let newest = server.queue.list(query).await.unwrap().entries.remove(0);
    let mut content = String::new();
    server
        .queue
        .content(newest.id)
        .await
        .unwrap()
        .read_to_string(&mut content)
        .await
        .unwrap();
    content
}

#[tokio::test]
async fn a_message_from_standard_input_is_accepted() {
    let server = Server::start().await;
    let ca = ca(&server);
    for (address, more) in [
        (server.smtp, ["--ca", &ca, "--tls", "starttls"]),
        (server.smtps, ["--ca", &ca, "--tls", "implicit"]),
        (server.legacy, ["--auth", "cram-md5", "--tls", "none"]),
    ] {
        let input = "gatepost\nFrom: dev@localhost\nSubject: x\n\n.dot\n";
        let output = send(address, &[&WITH_PASSWORD[..], &more].concat(), input).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            text(&output.stdout)
                .starts_with("accepted for you@example.com: 250 2.0.0 Ok: queued as ")
        );
        let content = newest(&server).await;
        assert!(
            content.ends_with("\r\n\r\n.dot\r\n") && content.contains("\r\nSubject: x\r\n"),
            "{content}"
        );
    }
}

#[tokio::test]
async fn a_file_is_sent_and_told_of_in_json() {
    let server = Server::start().await;
    let file = server.directory.path().join("message.eml");
    std::fs::write(&file, "From: dev@localhost\r\n\r\ncaf\u{e9}\r\n").unwrap();
    let ca = ca(&server);
    let arguments = [
        &WITH_PASSWORD[..],
        &["--ca", &ca, "--json", file.to_str().unwrap()],
    ]
    .concat();
    let output = send(server.smtp, &arguments, "gatepost\n").await;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["mechanism"], "SCRAM-SHA-512-PLUS");
    assert_eq!(value["tls"], "TLSv1.3");
    assert_eq!(value["recipients"][0]["address"], "you@example.com");
    assert_eq!(value["recipients"][0]["accepted"], true);
}

#[tokio::test]
async fn the_dialogue_shows_no_secret() {
    let server = Server::start().await;
    for mechanism in ["plain", "login", "scram-sha-256", "cram-md5"] {
        let arguments = [
            &WITH_PASSWORD[..],
            &["--tls", "none", "-v", "--auth", mechanism],
        ]
        .concat();
        let output = send(server.legacy, &arguments, "gatepost\n").await;
        let (seen, name) = (text(&output.stderr), mechanism.to_ascii_uppercase());
        assert_eq!(output.status.code(), Some(0), "{seen}");
        assert!(
            seen.contains("S: 220 ")
                && seen.contains(&format!("C: AUTH {name}"))
                && seen.contains("C: QUIT"),
            "{seen}"
        );
        assert!(seen.contains("(hidden)"), "{seen}");
        // The password, its base64, and the PLAIN message that ends in it.
        for secret in ["gatepost\n", "Z2F0ZXBvc3Q", "AGRldkBsb2NhbGhvc3Q"] {
            assert!(!seen.contains(secret), "{mechanism}: {seen}");
        }
    }
}

// What failed, whose fault it was and what to do next; 1 = failed.
#[tokio::test]
async fn failures_say_what_to_do_next() {
    let server = Server::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ca = ca(&server);
    let table: &[(SocketAddr, &[&str], &str, [&str; 2])] = &[
        (
            server.smtp,
            &["--ca", &ca],
            "wrong\n",
            ["authentication: ", "check user name and password"],
        ),
        (
            server.smtp,
            &[],
            "gatepost\n",
            ["connection: TLS with ", "--ca"],
        ),
        (
            server.smtp,
            &["--ca", &ca, "--tls", "implicit"],
            "gatepost\n",
            ["connection: ", "--tls starttls"],
        ),
        (
            server.legacy,
            &["--ca", &ca],
            "gatepost\n",
            ["connection: TLS is required", "--tls none"],
        ),
        (
            closed,
            &[],
            "gatepost\n",
            ["connection: cannot connect", "check host and port"],
        ),
        (
            server.smtp,
            &["--ca", &ca, "--from", "x@evil.example"],
            "gatepost\n",
            ["server: ", "another sender (--from)"],
        ),
        (
            server.smtp,
            &["--ca", "/nowhere.pem"],
            "gatepost\n",
            ["cannot begin: ", "PEM file"],
        ),
    ];
    for (address, arguments, input, expected) in table {
        let default = ["--tls", "starttls"];
        let more = if arguments.contains(&"--tls") {
            &[]
        } else {
            &default[..]
        };
        let output = send(
            *address,
            &[&WITH_PASSWORD[..], arguments, more].concat(),
            input,
        )
        .await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
        assert!(
            !said.contains(input.trim_end()) || input.starts_with("gatepost"),
            "{said}"
        );
    }
}

// DIG-04, LAYER-08: for people who test a server, realm and layer can be chosen.
#[tokio::test]
async fn a_realm_and_a_layer_are_taken_or_nothing() {
    let server = Server::start_with(|config| {
        config.accounts.digest_realms = vec!["localhost".to_owned(), "example.org".to_owned()];
        config.listeners[2].auth.mechanisms = Some(mechanism::ALL.into());
    })
    .await;
    let input = "gatepost\nFrom: dev@localhost\nSubject: x\n\nx\n";
    let digest = ["--auth", "digest-md5", "--tls", "none"];
    let chosen = async |realm, layer| {
        let terms = ["--realm", realm, "--layer", layer];
        let arguments = [&WITH_PASSWORD[..], &digest, &terms].concat();
        send(server.legacy, &arguments, input).await
    };
    for (realm, layer, with) in [
        ("localhost", "none", "with ESMTPA id"),
        (
            "example.org",
            "integrity",
            "with ESMTPA (DIGEST-MD5/auth-int) id",
        ),
        (
            "Example.ORG",
            "confidentiality",
            "with ESMTPA (DIGEST-MD5/auth-conf/rc4) id",
        ),
    ] {
        let output = chosen(realm, layer).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let content = newest(&server).await;
        assert!(content.contains(with), "{layer}: {content}");
    }
    // Without a hash for it, nobody is let in there.
    let output = chosen("example.net", "none").await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));

    // Neither left out where there is TLS, nor where another mechanism would be stronger.
    let ca = ca(&server);
    let inside_tls = ["--ca", &ca, "--tls", "implicit", "--layer", "integrity"];
    let output = send(
        server.smtps,
        &[&WITH_PASSWORD[..], &inside_tls].concat(),
        input,
    )
    .await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let output = chosen("localhost", "some").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("none, integrity, confidentiality"));
}

// 2 = called in a way that cannot work; nothing is connected to.
#[tokio::test]
async fn wrong_usage_is_told_before_anything_is_sent() {
    let nobody: SocketAddr = ([127, 0, 0, 1], 1).into();
    let table: &[(&[&str], &str, &str)] = &[
        (&["--to", "you@example.com"], "", "--from"),
        (&["--from", "me@example.com"], "", "--to"),
        (
            &["--user", "me@example.com", "--to", "you@example.com"],
            "",
            "--password-stdin",
        ),
        (&WITH_PASSWORD, "", "no password"),
        (&WITH_PASSWORD, "\nFrom: x\n", "no password"),
        (&["--from", "me", "--to", "you@example.com"], "", "`me`"),
        (
            &[
                "--from",
                "me@example.com",
                "--to",
                "you@example.com>\r\nRCPT TO:<x@y",
            ],
            "",
            "not a mail address",
        ),
        (
            &[
                "--from",
                "<>",
                "--to",
                "you@example.com",
                "--auth",
                "foobar",
            ],
            "",
            "SCRAM-SHA-256",
        ),
    ];
    for (arguments, input, expected) in table {
        let output = send(nobody, arguments, input).await;
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        assert!(
            text(&output.stderr).contains(expected),
            "{}",
            text(&output.stderr)
        );
    }
}

/// A server that knows the certificate in `client.pem` as that of its account, and has guests on its legacy listener.
async fn server_with_certificate() -> (Server, [String; 2]) {
    let rule = CertificateRule {
        account: "dev@localhost".to_owned(),
        name: CertificateName::Email("dev@localhost".to_owned()),
    };
    let server = Server::start_with(|config| {
        config.client_certificates = [rule].into();
        let authority = config.data.join("ca.pem");
        for listener in &mut config.listeners {
            if listener.name == "legacy" {
                listener.auth.mechanisms = Some(ALL.into());
                listener.auth.anonymous_account = Some("dev@localhost".into());
            } else {
                listener.auth.client_certificates = Some(AskedCertificates {
                    authority: Some(authority.clone()),
                });
            }
        }
    })
    .await;
    let now = SystemTime::now();
    let files = own_ca::issue_client(server.directory.path(), "dev@localhost", now).unwrap();
    let files = [files.certificate, files.key].map(|path| path.to_str().unwrap().to_owned());
    (server, files)
}

/// ANON-02: to others, guests send nothing.
const MAIL: [&str; 4] = ["--from", "dev@localhost", "--to", "dev@localhost"];

/// LC-31, EXT-02, ANON-01.
#[tokio::test]
async fn lc_31_a_certificate_proves_who_sends_and_a_guest_needs_none() {
    let (server, [certificate, key]) = server_with_certificate().await;
    let ca = ca(&server);
    let shown = ["--ca", &ca, "--certificate", &certificate, "--key", &key];
    let (starttls, implicit) = (["--tls", "starttls"], ["--tls", "implicit"]);
    for (address, arguments, mechanism) in [
        (server.smtp, [&shown[..], &starttls].concat(), "EXTERNAL"),
        (
            server.smtps,
            [&shown[..], &implicit, &["--auth", "external"]].concat(),
            "EXTERNAL",
        ),
        (
            server.smtps,
            [&shown[..], &implicit, &["--user", "dev@localhost"]].concat(),
            "EXTERNAL",
        ),
        (
            server.smtp,
            [
                &shown[..],
                &[
                    "--user",
                    "dev@localhost",
                    "--password-stdin",
                    "--auth",
                    "plain",
                ],
            ]
            .concat(),
            "PLAIN",
        ),
        (
            server.legacy,
            vec![
                "--tls",
                "none",
                "--auth",
                "anonymous",
                "--user",
                "sirhc@example.com",
            ],
            "ANONYMOUS",
        ),
        (
            server.legacy,
            vec!["--tls", "none", "--auth", "anonymous"],
            "ANONYMOUS",
        ),
    ] {
        let arguments = [&MAIL[..], &arguments, &["--json"]].concat();
        let password = arguments.contains(&"--password-stdin");
        let input = if password { "gatepost\n" } else { "" };
        let output = send(address, &arguments, input).await;
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["mechanism"], mechanism, "{arguments:?}");
    }
    let guests = server.log.lines_with("mechanism=ANONYMOUS");
    assert!(
        guests.iter().any(|line| line.contains("sirhc@example.com")),
        "{guests:?}"
    );
}

/// EXT-04: what is wrong, where, and what next.
#[tokio::test]
async fn ext_04_a_certificate_that_does_not_do_is_explained() {
    let (server, [certificate, key]) = server_with_certificate().await;
    let ca = ca(&server);
    let directory = server.directory.path();
    let file = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let now = SystemTime::now();
    let (encrypted, junk, other) = (file("encrypted.key"), file("junk.key"), file("other.key"));
    let pem = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&encrypted, pem.replace("PRIVATE", "ENCRYPTED PRIVATE")).unwrap();
    std::fs::write(
        &junk,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    std::fs::copy(&key, &other).unwrap();
    let stranger = own_ca::issue_client(directory, "nobody@localhost", now).unwrap();
    let stranger = [&stranger.certificate, &stranger.key].map(|it| it.to_str().unwrap());
    let external = ["--auth", "external", "--ca", &ca];
    let (needs, unasked) = (["--auth", "external"], Server::start().await);
    let unasked_ca = self::ca(&unasked);
    for (address, arguments, status, told) in [
        (
            server.smtp,
            needs.to_vec(),
            2,
            "add --certificate FILE and --key FILE",
        ),
        (
            server.smtp,
            [&external[..], &["--certificate", &file("none.pem")]].concat(),
            1,
            "none.pem: it cannot be read",
        ),
        (
            server.smtp,
            [
                &external[..],
                &["--certificate", &certificate, "--key", &encrypted],
            ]
            .concat(),
            1,
            "openssl pkey -in FILE -out key.pem",
        ),
        (
            server.smtp,
            [
                &external[..],
                &["--certificate", stranger[0], "--key", &junk],
            ]
            .concat(),
            1,
            "it holds no private key in PEM form",
        ),
        (
            server.smtp,
            [
                &external[..],
                &["--certificate", stranger[0], "--key", &other],
            ]
            .concat(),
            1,
            "its private key is not that of the certificate in",
        ),
        (
            server.smtp,
            [
                &external[..],
                &["--certificate", stranger[0], "--key", stranger[1]],
            ]
            .concat(),
            1,
            "the server got our certificate and does not offer EXTERNAL",
        ),
        (
            unasked.smtp,
            vec![
                "--auth",
                "external",
                "--ca",
                &unasked_ca,
                "--certificate",
                stranger[0],
                "--key",
                stranger[1],
            ],
            1,
            "the server must ask for it (a Gatepost: listener.client_ca",
        ),
    ] {
        let output = send(address, &[&MAIL[..], &arguments].concat(), "").await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(server.log.lines_with("event=auth"), Vec::<String>::new());
}
