//! What a sender asks for besides delivery, all the way: Python's smtplib says it to Gatepost, Gatepost to Postfix, and Postfix does it.

use std::process::Stdio;

use tokio::process::Command;

use super::server_peer::{Program, ServerPeer};
use super::smarthost::server_before;
use crate::server::Server;

const SMTPLIB: &str = r"
import smtplib, ssl, sys
port, ca, recipient, mail_options, rcpt_options, text = sys.argv[1:]
with smtplib.SMTP('127.0.0.1', int(port), local_hostname='client.example') as client:
    client.starttls(context=ssl.create_default_context(cafile=ca))
    client.login('dev@localhost', 'gatepost')
    client.sendmail('dev@localhost', [recipient], text.encode(), mail_options.split(), rcpt_options.split())
";

async fn smtplib(server: &Server, recipient: &str, mail: &str, rcpt: &str, text: &str) {
    let output = Command::new("python3")
        .args(["-c", SMTPLIB, &server.smtp.port().to_string()])
        .arg(server.directory.path().join("ca.pem"))
        .args([recipient, mail, rcpt, text])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

// DSN-02, DSN-03: a hop that offers DSN gets the wishes unchanged, and tells the sender itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_tells_of_success_as_the_sender_asked_gatepost() {
    let postfix = ServerPeer::start(Program::PostfixDovecot).await;
    let server = server_before(&postfix).await;
    smtplib(
        &server,
        "you@peer.test",
        "RET=HDRS ENVID=QQ+2B314159",
        "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+2Btry@peer.test",
        "From: dev@localhost\r\nSubject: wishes\r\n\r\nThe body that RET=HDRS keeps out.\r\n",
    )
    .await;
    postfix.message_to("you@peer.test").await;
    let notice = postfix.message_to("dev@localhost").await;
    let notice = String::from_utf8(notice.content).unwrap();
    for part in [
        "Original-Envelope-Id: QQ+314159",
        "Original-Recipient: rfc822;first+try@peer.test",
        "Status: 2.0.0",
        "Subject: wishes",
    ] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    assert!(!notice.contains("keeps out"), "{notice}");
    // AUTH identities are nobody's business but ours.
    assert!(!notice.contains("smtp.auth"), "{notice}");
}

// EAI-01, EAI-04: addresses and header fields beyond ASCII arrive as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_in_utf8_arrives_as_it_was() {
    for program in [Program::PostfixDovecot, Program::Exim, Program::Aiosmtpd] {
        let peer = ServerPeer::start(program).await;
        let server = server_before(&peer).await;
        smtplib(
            &server,
            "j\u{fc}rgen@peer.test",
            "SMTPUTF8 BODY=8BITMIME",
            "",
            "From: dev@localhost\r\nTo: J\u{fc}rgen <j\u{fc}rgen@peer.test>\r\nSubject: Gr\u{fc}\u{df}e\r\n\r\n\u{2709}\r\n",
        )
        .await;
        let stored = peer.message_to("j\u{fc}rgen@peer.test").await;
        let content = String::from_utf8(stored.content).unwrap();
        for part in [
            "To: J\u{fc}rgen <j\u{fc}rgen@peer.test>\r\n",
            "Subject: Gr\u{fc}\u{df}e\r\n",
            "\r\n\u{2709}\r\n",
            "with UTF8SMTPSA",
        ] {
            assert!(
                content.contains(part),
                "{}: {part}: {content}",
                program.name()
            );
        }
    }
}
