//! Gatepost as `sendmail`: called by that name, and as `gatepost send -t`.

use std::path::{Path, PathBuf};
use std::process::Output;

use gatepost::queue::ListQuery;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::child;
use crate::server::Server;

/// A link to the program, under the name that programs look for.
fn sendmail(directory: &Path) -> PathBuf {
    let link = directory.join("sendmail");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gatepost"), &link).unwrap();
    }
    link
}

/// Its configuration, for this server and password.
fn configure(server: &Server, password: &str) -> PathBuf {
    let directory = server.directory.path();
    let file = directory.join("sendmail.toml");
    std::fs::write(directory.join("secret"), format!("{password}\n")).unwrap();
    let text = format!(
        "server = \"{}\"\nca = \"ca.pem\"\nuser = \"dev@localhost\"\npassword_file = \"secret\"\n",
        server.smtp
    );
    std::fs::write(&file, text).unwrap();
    file
}

async fn run(program: &Path, configuration: &Path, arguments: &[&str], input: &str) -> Output {
    child::run(
        Command::new(program)
            .args(arguments)
            .env("GATEPOST_SENDMAIL", configuration),
        input,
    )
    .await
}

/// The newest message, and its recipients.
async fn newest(server: &Server) -> (String, Vec<String>) {
    let query = ListQuery {
        state: None,
        before: None,
        limit: 10,
    };
    let entry = server.queue.list(query).await.unwrap().entries.remove(0);
    let mut content = String::new();
    let mut reader = server.queue.content(entry.id).await.unwrap();
    reader.read_to_string(&mut content).await.unwrap();
    let recipients = entry.recipients.iter().map(|it| it.0.address().to_string());
    (content, recipients.collect())
}

#[tokio::test]
async fn as_programs_call_it() {
    let server = Server::start().await;
    let program = sendmail(server.directory.path());
    let configuration = configure(&server, "gatepost");
    let message = "To: A <a@x.example>\nBcc: b@x.example\nSubject: s\n\ntext\n.\nmore\n";
    let arguments = ["-t", "-i", "-F", "Web Shop", "-N", "failure", "-oem"];
    let output = run(&program, &configuration, &arguments, message).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(output.stdout.is_empty() && said.is_empty(), "{said}");
    let (content, recipients) = newest(&server).await;
    assert!(
        content.contains("From: \"Web Shop\" <dev@localhost>\r\n"),
        "{content}"
    );
    assert!(
        content.ends_with("\r\n\r\ntext\r\n.\r\nmore\r\n"),
        "{content}"
    );
    assert!(!content.contains("b@x.example"), "{content}");
    assert_eq!(recipients.len(), 2, "{recipients:?}");
    assert!(
        recipients.iter().any(|it| it.contains("b@x.example")),
        "{recipients:?}"
    );
}

/// V-51: a recipient of the message that begins with `-` is an address.
#[tokio::test]
async fn v_51_an_address_is_never_an_option() {
    let server = Server::start().await;
    let program = sendmail(server.directory.path());
    let configuration = configure(&server, "gatepost");
    let message = "To: <-X/tmp/f@x.example>, -C@x.example\nSubject: s\n\ntext\n";
    let output = run(&program, &configuration, &["-t"], message).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let (_, mut recipients) = newest(&server).await;
    recipients.sort();
    assert_eq!(recipients, ["-C@x.example", "-X/tmp/f@x.example"]);
}

/// sysexits.h: what callers such as cron and mutt look at.
#[tokio::test]
async fn statuses_say_what_failed() {
    let server = Server::start().await;
    let program = sendmail(server.directory.path());
    let right = configure(&server, "gatepost");
    let table: &[(&[&str], &str, i32, &str)] = &[
        (&[], "Subject: s\n\n", 64, "no recipients"),
        (&["-bs"], "", 64, "only sends messages"),
        (&["-t"], "To: root\n\n", 65, "as arguments"),
        (&["not an address"], "", 64, "not a mail address"),
        (
            &["-C", "/nowhere.toml", "a@x.example"],
            "",
            78,
            "/nowhere.toml",
        ),
        (&["-f", "x@evil.example", "a@x.example"], "", 69, "5.7.1"),
    ];
    for (arguments, input, status, expected) in table {
        let output = run(&program, &right, arguments, input).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(*status), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let wrong = configure(&server, "another one");
    let output = run(&program, &wrong, &["a@x.example"], "").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(77), "{said}");
    assert!(!said.contains("another one"), "{said}");
    let nobody = server.directory.path().join("nobody.toml");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    std::fs::write(
        &nobody,
        format!("server = \"{closed}\"\nfrom = \"a@x.example\"\n"),
    )
    .unwrap();
    let output = run(&program, &nobody, &["a@x.example"], "").await;
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(server.queued().await, 0);
}

/// `gatepost send -t`, and `--trace`: the dialogue, only when something went wrong, without secrets.
#[tokio::test]
async fn send_takes_recipients_from_the_message() {
    let server = Server::start().await;
    let program = Path::new(env!("CARGO_BIN_EXE_gatepost"));
    let (to, ca) = (
        server.smtp.to_string(),
        server.directory.path().join("ca.pem"),
    );
    let arguments = [
        "send",
        &to,
        "-t",
        "--trace",
        "--user",
        "dev@localhost",
        "--password-stdin",
        "--ca",
        ca.to_str().unwrap(),
    ];
    let input = "gatepost\nFrom: dev@localhost\nTo: a@x.example\nBcc: b@x.example\n\nx\n";
    let output = run(program, Path::new(""), &arguments, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    let (content, recipients) = newest(&server).await;
    assert!(
        !content.contains("Bcc") && recipients.len() == 2,
        "{content}"
    );

    let output = run(
        program,
        Path::new(""),
        &arguments,
        &input.replacen("gatepost", "Hu5h-Hu5h", 1),
    )
    .await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("C: AUTH SCRAM") && said.contains("S: 535 "),
        "{said}"
    );
    assert!(!said.contains("Hu5h"), "{said}");
}
