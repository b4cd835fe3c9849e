//! GSSAPI: clients of others with tickets of a real key distribution centre, and our own client's tokens, bent.

mod cyrus;
mod kdc;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost::config::resolved::{Config, Kerberos, Listener, ListenerProfile, TlsMode};
use gatepost_gssapi::{Context, Credential, Library};
use gatepost_sasl::SecurityLayer;
use gatepost_sasl::gssapi::{Initiator, InitiatorStep, LayerSet};
use tokio::process::Command;

use self::kdc::Kdc;
use crate::child::run;
use crate::dev::{Dev, LOOPBACK};
use crate::peer_table::passed;
use crate::server::Server;
use crate::talk::Talk;

const ALICE: &str = "alice@EXAMPLE.TEST";
const SERVICE: &str = "smtp/localhost@EXAMPLE.TEST";

/// A server with this keytab. Its fourth listener is in clear text, and no legacy one.
async fn server(kdc: &Kdc, principal: Option<&str>) -> Server {
    let keytab = kdc.keytab();
    let server = Server::start_with(|config: &mut Config| {
        config.kerberos = Some(Kerberos {
            keytab,
            principal: principal.map(str::to_owned),
            realms: Vec::new(),
        });
        let clear = Listener {
            name: "clear".to_owned(),
            tls: TlsMode::None,
            profile: ListenerProfile::Submission,
            networks: Vec::new(),
            ..config.listeners[0].clone()
        };
        config.listeners.push(clear);
    })
    .await;
    server
        .add_account("alice@example.test", "x", &BTreeSet::new())
        .await;
    server
}

fn clear(server: &Server) -> SocketAddr {
    server.bound[3]
}

/// A message that takes several frames of any layer.
fn long_message() -> Vec<u8> {
    let line = "0123456789".repeat(7) + "\r\n";
    let text = "From: alice@example.test\r\nSubject: long\r\n\r\n".to_owned() + &line.repeat(4000);
    text.into_bytes()
}

fn ends_with_message(stored: &[u8], message: &[u8]) -> bool {
    stored.ends_with(message.split_at(message.len() - 100_000).1)
}

async fn succeeds(command: &mut Command, input: &str) -> String {
    let output = run(command, input).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{}\n{said}", output.status);
    said
}

// GSS-02, GSS-03, GSS-09, AUTH-25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_03_curl_and_gsasl_submit_with_a_ticket() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let server = server(&kdc, None).await;
    let cache = kdc.ticket(ALICE, &[]).await;
    let (message, octets) = (kdc.file("message"), long_message());
    std::fs::write(&message, &octets).unwrap();
    let ca = server.directory.path().join("ca.pem");
    for (address, tls, name) in [
        (clear(&server), "--no-ssl-reqd", "none"),
        (server.smtp, "--ssl-reqd", "STARTTLS"),
    ] {
        let mut curl = kdc.command("curl");
        curl.env("KRB5CCNAME", &cache)
            .args([
                "--silent",
                "--show-error",
                "--verbose",
                "--max-time",
                "60",
                tls,
            ])
            .args([
                "--url",
                &format!("smtp://localhost:{}/client.example", address.port()),
            ])
            .args([
                "--user",
                &format!("{ALICE}:"),
                "--login-options",
                "AUTH=GSSAPI",
            ])
            .args([
                "--mail-from",
                "alice@example.test",
                "--mail-rcpt",
                "you@example.com",
            ])
            .arg("--cacert")
            .arg(&ca)
            .arg("--upload-file")
            .arg(&message);
        succeeds(&mut curl, "").await;
        assert!(ends_with_message(&server.newest().await, &octets), "{name}");
        passed("curl", "GSSAPI", name, "to Gatepost");
    }
    let mut gsasl = kdc.command("gsasl");
    gsasl
        .env("KRB5CCNAME", &cache)
        .args([
            "--smtp",
            "--no-starttls",
            "--mechanism",
            "GSSAPI",
            "--authentication-id",
            "",
            "--authorization-id",
            "alice",
        ])
        .args(["--service", "smtp", "--hostname", "localhost"])
        .args(["--connect", &format!("localhost:{}", clear(&server).port())]);
    // At the end of its input it says QUIT; one of ours before that would close the connection under it.
    let said = succeeds(&mut gsasl, "").await;
    assert!(said.contains("235 2.7.0"), "{said}");
    passed("GNU SASL 2.2.0", "GSSAPI", "none", "to Gatepost");
    // GSS-09: "log principal".
    let logged = "result=ok mechanism=GSSAPI authcid=alice@EXAMPLE.TEST";
    server.log.wait_for_count(logged, 3).await;
    let told = server.log.lines_with(logged);
    assert!(
        told.iter()
            .all(|line| line.contains("account=alice@example.test credential=kerberos")),
        "{told:?}"
    );
}

/// An exchange of our own client up to its last response, which is not sent yet.
struct Exchange {
    talk: Talk,
    last: Vec<u8>,
    layer: Option<Box<dyn SecurityLayer>>,
}

/// Begins with `service` on localhost and the ticket of this cache, which holds it already: no centre is asked.
fn initiator(
    cache: &str,
    service: &str,
    layers: LayerSet,
    authzid: Option<&str>,
) -> (Vec<u8>, Initiator) {
    let library = Library::load().unwrap();
    let credential = Credential::from_cache(library, Some(cache)).unwrap();
    let (service, host) = service.split_once('/').unwrap();
    let host = host.split_once('@').map_or(host, |(host, _)| host);
    let context = Context::initiator(credential, service, host).unwrap();
    match Initiator::begin(Box::new(context), layers, authzid).unwrap() {
        InitiatorStep::Respond(token, initiator) => (token, initiator),
        InitiatorStep::Last { .. } => panic!("nothing is offered yet"),
    }
}

async fn hello(server: &Server) -> Talk {
    let mut talk = Talk::connect(clear(server)).await;
    talk.expect("220 ").await;
    let offered = talk.ask("EHLO client.example", "250 ").await;
    assert!(offered.contains(" GSSAPI"), "{offered}");
    talk.ask("AUTH GSSAPI", "334 ").await;
    talk
}

impl Exchange {
    async fn begin(
        server: &Server,
        cache: &str,
        service: &str,
        layers: LayerSet,
        authzid: Option<&str>,
    ) -> Self {
        let mut talk = hello(server).await;
        let (mut response, mut initiator) = initiator(cache, service, layers, authzid);
        loop {
            let reply = talk.ask(&STANDARD.encode(&response), "334 ").await;
            let challenge = STANDARD
                .decode(reply.trim_end().strip_prefix("334 ").unwrap())
                .unwrap();
            match initiator.challenge(&challenge).unwrap() {
                InitiatorStep::Respond(next, waiting) => (response, initiator) = (next, waiting),
                InitiatorStep::Last {
                    response: last,
                    layer,
                } => return Self { talk, last, layer },
            }
        }
    }

    async fn end(mut self) -> String {
        self.talk.send(STANDARD.encode(&self.last) + "\r\n").await;
        self.talk.reply().await
    }
}

const CONFIDENTIAL: LayerSet = LayerSet::CONFIDENTIALITY;

/// T-23: "two-realm KDC", "exact realm and one-component default rule; keytab service smtp only".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_23_whose_tickets_open_which_account() {
    let (admin, stranger) = ("alice/admin@EXAMPLE.TEST", "alice@OTHER.TEST");
    let host = "host/localhost@EXAMPLE.TEST";
    let bob = "bob@EXAMPLE.TEST";
    let kdc = Kdc::start(&[ALICE, admin, stranger, bob], &[SERVICE, host]).await;
    let named = server(&kdc, Some("smtp/elsewhere.example.test")).await;
    let server = server(&kdc, Some("smtp/localhost")).await;
    server
        .add_account("carol@example.test", "x", &BTreeSet::new())
        .await;
    let cache = kdc.ticket(ALICE, &[SERVICE, host]).await;
    for (authzid, reply) in [
        (None, "235 2.7.0 "),
        (Some("alice"), "235 2.7.0 "),
        (Some(ALICE), "235 2.7.0 "),
        (Some("Alice@example.test"), "235 2.7.0 "),
        (Some("carol@example.test"), "535 5.7.8 "),
        (Some("nobody@example.test"), "535 5.7.8 "),
        (Some("a\u{7}b"), "501 5.5.2 "),
    ] {
        let exchange = Exchange::begin(&server, &cache, SERVICE, LayerSet::NONE, authzid).await;
        let told = exchange.end().await;
        assert!(told.starts_with(reply), "{authzid:?}: {told}");
    }
    for user in [admin, bob] {
        let cache = kdc.ticket(user, &[SERVICE]).await;
        let exchange = Exchange::begin(&server, &cache, SERVICE, LayerSet::NONE, None).await;
        let told = exchange.end().await;
        assert!(told.starts_with("535 5.7.8 "), "{user}: {told}");
    }
    // Whoever is of another realm asks its centre for the way here, so that needs a client that knows the centre.
    let cache = kdc.ticket(stranger, &[SERVICE]).await;
    let mut curl = kdc.command("curl");
    curl.env("KRB5CCNAME", &cache)
        .args(["--silent", "--verbose", "--max-time", "60"])
        .args([
            "--url",
            &format!("smtp://localhost:{}/client.example", clear(&server).port()),
        ])
        .args(["--user", &format!("{stranger}:")])
        .args(["--login-options", "AUTH=GSSAPI"])
        .args(["--mail-from", "alice@example.test"])
        .args([
            "--mail-rcpt",
            "you@example.com",
            "--upload-file",
            "/dev/null",
        ]);
    let output = run(&mut curl, "").await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("< 535 5.7.8 "), "{said}");
    let cache = kdc.ticket(ALICE, &[SERVICE, host]).await;
    // A key of the keytab, and not of the service that the configuration names.
    let exchange = Exchange::begin(&named, &cache, SERVICE, LayerSet::NONE, None).await;
    let told = exchange.end().await;
    assert!(told.starts_with("535 5.7.8 "), "{told}");
    // A service of another kind does not get so far.
    let (token, _) = initiator(&cache, host, LayerSet::NONE, None);
    let mut talk = hello(&server).await;
    talk.ask(&STANDARD.encode(&token), "535 5.7.8 ").await;
    assert!(!server.log.lines_with("event=ticket-refused").is_empty());
}

/// GSS-08: "Kerberos failures (clock skew, replay) → 535 5.7.8; KDC/keytab trouble → 454 4.7.0."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_08_replayed_and_altered_tokens_and_a_keytab_that_is_gone() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let server = server(&kdc, None).await;
    let cache = kdc.ticket(ALICE, &[SERVICE]).await;
    let (token, _) = initiator(&cache, SERVICE, LayerSet::NONE, None);
    let replies = |begin: &'static str, token: Vec<u8>| {
        let server = &server;
        async move {
            let mut talk = hello(server).await;
            talk.ask(&STANDARD.encode(&token), begin).await;
        }
    };
    replies("334 ", token.clone()).await;
    replies("535 5.7.8 ", token.clone()).await;
    // The ticket and the authenticator in it; some of what is around them says nothing.
    let end = token.len();
    for place in [0, end / 2, end * 3 / 4, end - 1] {
        let (mut altered, _) = initiator(&cache, SERVICE, LayerSet::NONE, None);
        altered[place] ^= 1;
        replies("535 5.7.8 ", altered).await;
    }
    replies("535 5.7.8 ", Vec::new()).await;
    replies("535 5.7.8 ", b"hello".to_vec()).await;
    // V-40: a last message of 0 to 4 octets.
    for length in 0..=4 {
        let mut exchange = Exchange::begin(&server, &cache, SERVICE, LayerSet::NONE, None).await;
        exchange.last.truncate(length);
        let told = exchange.end().await;
        assert!(told.starts_with("535 5.7.8 "), "{length} octets: {told}");
    }
    std::fs::remove_file(kdc.keytab()).unwrap();
    let (token, _) = initiator(&cache, SERVICE, LayerSet::NONE, None);
    replies("454 4.7.0 ", token).await;
    server.log.wait_for("part=kerberos").await;
}

/// T-19: "`FFFFFFFF` frame → closed, 0 bytes allocated; each frame flipped/dropped/doubled/swapped → closed".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t_19_frames_too_long_altered_repeated_or_missing_end_the_connection() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let server = server(&kdc, None).await;
    let cache = kdc.ticket(ALICE, &[SERVICE]).await;
    let frames = |layer: &mut dyn SecurityLayer, lines: &[&str]| -> Vec<Vec<u8>> {
        let sealed = lines.iter().map(|line| {
            let mut wire = Vec::new();
            layer.seal(line.as_bytes(), &mut wire).unwrap();
            wire
        });
        sealed.collect()
    };
    for layers in [LayerSet::INTEGRITY, CONFIDENTIAL] {
        for fault in [
            "too long", "altered", "repeated", "missing", "swapped", "in clear",
        ] {
            let mut exchange = Exchange::begin(&server, &cache, SERVICE, layers, None).await;
            let mut layer = exchange.layer.take().unwrap();
            let two = frames(&mut *layer, &["NOOP\r\n", "NOOP\r\n"]);
            let [mut first, second] = <[Vec<u8>; 2]>::try_from(two).unwrap();
            let wire = match fault {
                "too long" => vec![0xff; 4],
                "altered" => {
                    *first.last_mut().unwrap() ^= 1;
                    first
                }
                "repeated" => [first.clone(), first].concat(),
                "missing" => second,
                "swapped" => [second, first].concat(),
                _ => b"QUIT\r\n".to_vec(),
            };
            let mut segment = (STANDARD.encode(&exchange.last) + "\r\n").into_bytes();
            segment.extend(wire);
            exchange.talk.send(segment).await;
            exchange.talk.expect("235 2.7.0 ").await;
            // Whatever comes is sealed; that the connection ends is what counts.
            exchange.talk.rest_of_octets().await;
        }
    }
}

/// All three layers, both sizes of frames, and commands in the segment of the last response, with the JDK's own Kerberos and SASL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_07_the_jdk_submits_under_every_layer() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let server = server(&kdc, None).await;
    let cache = kdc.ticket(ALICE, &[]).await;
    let (message, octets) = (kdc.file("message"), long_message());
    std::fs::write(&message, &octets).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../peers/sasl/Client.java");
    let ways = [
        ("auth", "-", "polite"),
        ("auth-int", "-", "polite"),
        ("auth-conf", "-", "polite"),
        ("auth-int", "4096", "eager"),
        ("auth-conf", "4096", "eager"),
    ];
    let wishes = ways.map(|(qop, most, how)| format!("GSSAPI {qop} - {most} {how}\n"));
    let mut java = kdc.command("java");
    java.env("KRB5CCNAME", &cache)
        .arg("-Djava.net.preferIPv4Stack=true")
        .arg("-Djavax.security.auth.useSubjectCredsOnly=false")
        .arg(format!(
            "-Djava.security.krb5.conf={}",
            kdc.file("krb5.conf").display()
        ))
        .arg(program)
        .arg(clear(&server).port().to_string())
        .args(["alice@example.test", "none"])
        .arg(&message);
    let said = succeeds(&mut java, &wishes.concat()).await;
    assert_eq!(server.queued().await, ways.len(), "{said}");
    for (qop, most, how) in ways {
        assert!(said.contains(&format!("done {qop}\n")), "{qop}: {said}");
        let name = format!("none, {qop} {most} {how}");
        passed("the SASL of JDK 17", "GSSAPI", &name, "to Gatepost");
    }
    // LAYER-09, of the last way.
    let stored = server.newest().await;
    assert!(ends_with_message(&stored, &octets));
    let head = String::from_utf8_lossy(&stored[..600]).into_owned();
    assert!(head.contains("GSSAPI confidentiality"), "{head}");
}

// GSS-01, LAYER-01, AUTH-25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gss_01_our_client_submits_with_a_ticket() {
    let kdc = Kdc::start(&[ALICE], &[SERVICE]).await;
    let server = server(&kdc, None).await;
    let cache = kdc.ticket(ALICE, &[]).await;
    let (message, octets) = (kdc.file("message"), long_message());
    std::fs::write(&message, &octets).unwrap();
    for (address, tls, layer) in [
        (clear(&server), "none", "GSSAPI confidentiality"),
        (server.smtp, "starttls", "with ESMTPSA id"),
    ] {
        let mut send = kdc.command(env!("CARGO_BIN_EXE_gatepost"));
        send.arg("send")
            .arg(format!("localhost:{}", address.port()))
            .arg(&message)
            .args(["--tls", tls, "--ticket-cache", &cache, "--verbose"])
            .args(["--from", "alice@example.test", "--to", "you@example.com"])
            .arg("--ca")
            .arg(server.directory.path().join("ca.pem"));
        let said = succeeds(&mut send, "").await;
        let stored = server.newest().await;
        assert!(ends_with_message(&stored, &octets), "{tls}: {said}");
        let head = String::from_utf8_lossy(&stored[..600]).into_owned();
        assert!(head.contains(layer), "{tls}: {head}");
        assert!(said.contains("AUTH GSSAPI"), "{said}");
        passed("gatepost send", "GSSAPI", tls, "to Gatepost");
    }
    // Without a ticket it says so.
    let mut send = kdc.command(env!("CARGO_BIN_EXE_gatepost"));
    send.arg("send")
        .arg(format!("localhost:{}", clear(&server).port()))
        .arg(&message)
        .args(["--tls", "none", "--auth", "gssapi"])
        .args(["--from", "alice@example.test", "--to", "you@example.com"]);
    let output = run(&mut send, "").await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("/nonexistent/ticket"),
        "{said}"
    );
}

// `dev` has no realm, and takes the tickets of anybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_takes_tickets_with_the_keytab_it_is_given() {
    let user = "dev@EXAMPLE.TEST";
    let kdc = Kdc::start(&[user], &[SERVICE]).await;
    let cache = kdc.ticket(user, &[]).await;
    let keytab = kdc.keytab();
    let arguments = [&LOOPBACK[..], &["--keytab", keytab.to_str().unwrap()]].concat();
    let directory = kdc.file("dev");
    let dev = tokio::task::block_in_place(|| Dev::start(&directory, &arguments));
    for (word, tls) in [("STARTTLS", "starttls"), ("legacy", "none")] {
        let mut send = kdc.command(env!("CARGO_BIN_EXE_gatepost"));
        send.args(["send", &format!("localhost:{}", dev.address(word).port())])
            .args(["--tls", tls, "--ticket-cache", &cache, "--verbose"])
            .args(["--from", "dev@localhost", "--to", "you@example.com"])
            .arg("--ca")
            .arg(directory.join("ca.pem"));
        let said = succeeds(&mut send, "").await;
        assert!(said.contains("AUTH GSSAPI"), "{said}");
    }
}
