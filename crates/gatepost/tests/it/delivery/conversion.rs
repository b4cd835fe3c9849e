//! Mail for a next hop that takes less than it needs, as the next hop gets it and as another program reads it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gatepost::observe::event::DeliveryOutcome;
use gatepost::observe::reason::Reason;

use super::smarthost::{Arrived, Smarthost};
use super::world::{World, capture_notices, route_to};

/// Shows subject, authors and every text of a message as Python reads them.
const READER: &str = r#"
import sys, email, email.policy
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print(message["subject"], "|", message["from"].addresses[0].display_name, "|", end="")
for part in message.walk():
    if not part.is_multipart():
        text = part.get_content()
        print(part["content-transfer-encoding"], part.get_filename(), text.replace("\r\n", "\n") if isinstance(text, str) else text.hex(), end="|")
"#;

fn read_by_python(message: &str) -> String {
    let mut reader = Command::new("python3")
        .args(["-X", "utf8", "-c", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reader.stdin.take().unwrap();
    input.write_all(message.as_bytes()).unwrap();
    drop(input);
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Sends a message to a next hop that offers these extensions.
async fn delivered(offer: &'static str, message: &str) -> Arrived {
    let hop = Smarthost::start(move |line| {
        line.starts_with("EHLO")
            .then(|| format!("250-hop.example\r\n250 {offer}\r\n"))
    })
    .await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    world
        .submit("me@own.example", &["you@next.example"], message)
        .await;
    let event = world.attempt("you@next.example").await;
    assert_eq!(event.outcome, DeliveryOutcome::Delivered, "{event:?}");
    world.stop().await;
    hop.messages().remove(0)
}

/// A message with every kind of text, and what a reader makes of it.
const MESSAGE: &str = "From: J\u{fc}rgen <me@own.example>\r\nSubject: Gr\u{fc}\u{df}e\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.Sch\u{f6}ne Gr\u{fc}\u{df}e = \r\nFrom here\r\n--b\r\n\
    Content-Type: application/octet-stream; name=x\r\nContent-Disposition: attachment; filename=\"\u{fc}.bin\"\r\n\r\n\u{ff}\u{fe}\r\n--b--\r\n";

// MIME-01, SIZE-02, SUBM-07: what arrives at a next hop without 8BITMIME says the same.
#[tokio::test]
async fn mail_is_converted_for_a_next_hop_without_8bitmime() {
    let arrived = delivered("SIZE 1000000", MESSAGE).await;
    assert!(arrived.data.is_ascii(), "{}", arrived.data);
    assert!(!arrived.mail.contains("BODY="), "{}", arrived.mail);
    let content = arrived.data.replace("\r\n..", "\r\n.");
    let size = format!(" SIZE={}", content.len());
    assert!(arrived.mail.contains(&size), "{} for {size}", arrived.mail);
    assert_eq!(
        read_by_python(&content),
        "Gr\u{fc}\u{df}e | J\u{fc}rgen |quoted-printable None .Sch\u{f6}ne Gr\u{fc}\u{df}e = \nFrom here|base64 \u{fc}.bin c3bfc3be|"
    );
}

// SMTP-06: "Text lines > 998: … re-encode (SUBM-07) rather than cut".
#[tokio::test]
async fn long_lines_are_converted_for_every_next_hop() {
    let line = "word and w\u{f6}rd ".repeat(200);
    let message = format!(
        "From: Me <me@own.example>\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{line}.\r\n"
    );
    let arrived = delivered("8BITMIME", &message).await;
    assert!(arrived.data.lines().all(|line| line.len() <= 998));
    assert_eq!(
        read_by_python(&arrived.data),
        format!("x | Me |quoted-printable None {line}.\n|")
    );
}

// BDAT-03, SUBM-04, SUBM-07: "unless signed, else bounce 5.6.3".
#[tokio::test]
async fn signed_mail_that_would_have_to_be_changed_is_returned() {
    let hop = Smarthost::start(|line| {
        line.starts_with("EHLO")
            .then(|| "250 hop.example\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![capture_notices(), route_to(&[hop.port()])]);
    let signed = MESSAGE.replace("multipart/mixed", "multipart/signed");
    world
        .submit("me@own.example", &["you@next.example"], &signed)
        .await;
    let event = world.attempt("you@next.example").await;
    assert_eq!(
        (event.outcome, event.reason),
        (DeliveryOutcome::Bounced, Reason::ExtensionMissing)
    );
    let (_, notice) = world.only_captured().await;
    assert!(
        notice.contains("Status: 5.6.3\r\n") && notice.contains("only when converted"),
        "{notice}"
    );
    assert!(!hop.lines().iter().any(|line| line.starts_with("MAIL")));
    world.stop().await;
}

// EAI-04: "Next hop without SMTPUTF8: bounce `5.6.7`, or downgrade only if domain → A-label suffices and local-part ASCII."
#[tokio::test]
async fn internationalized_mail_is_downgraded_or_returned() {
    let hop = Smarthost::start(|_| None).await;
    let mut world = World::start(|_| vec![capture_notices(), route_to(&[hop.port()])]);
    let to = ["you@m\u{fc}ller.example", "j\u{fc}rgen@next.example"];
    world
        .submit(
            "me@own.example",
            &to,
            "From: Me <me@m\u{fc}ller.example>\r\nSubject: \u{fc}\r\n\r\nx\r\n",
        )
        .await;
    let sent = world.attempt(to[0]).await;
    assert_eq!(sent.outcome, DeliveryOutcome::Delivered, "{sent:?}");
    let returned = world.attempt(to[1]).await;
    assert_eq!(returned.outcome, DeliveryOutcome::Bounced, "{returned:?}");
    let arrived = hop.messages().remove(0);
    assert_eq!(arrived.recipients, ["RCPT TO:<you@xn--mller-kva.example>"]);
    assert!(
        arrived
            .data
            .starts_with("From: Me <me@xn--mller-kva.example>\r\nSubject: =?utf-8?Q?=C3=BC?=\r\n"),
        "{}",
        arrived.data
    );
    let (_, notice) = world.only_captured().await;
    assert!(notice.contains("Status: 5.6.7\r\n"), "{notice}");
    world.stop().await;
}
