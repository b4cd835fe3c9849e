//! Mail clients of others that send with a token.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use super::super::clients::javamail::JavaMail;

/// What a client is told to do.
pub(super) struct Submission<'a> {
    pub(super) server: SocketAddr,
    /// TLS from the first byte, else STARTTLS.
    pub(super) implicit: bool,
    pub(super) mechanism: &'a str,
    pub(super) token: &'a str,
    pub(super) ca: &'a Path,
    pub(super) message: &'a Path,
}

/// A client, and the mechanisms that it has and can be told to use.
pub(super) struct Client {
    pub(super) name: &'static str,
    pub(super) mechanisms: &'static [&'static str],
    pub(super) command: fn(&Submission<'_>) -> Command,
}

/// All but [`javamail`], which is compiled first.
pub(super) const CLIENTS: [Client; 3] = [
    // It takes OAUTHBEARER wherever it is offered.
    Client {
        name: "curl",
        mechanisms: &["OAUTHBEARER"],
        command: curl,
    },
    Client {
        name: "nodemailer",
        mechanisms: &["XOAUTH2"],
        command: nodemailer,
    },
    SMTPLIB,
];

/// Python's, which shows what it is sent.
pub(super) const SMTPLIB: Client = Client {
    name: "smtplib",
    mechanisms: &["OAUTHBEARER", "XOAUTH2"],
    command: smtplib,
};

fn curl(submission: &Submission<'_>) -> Command {
    let scheme = if submission.implicit { "smtps" } else { "smtp" };
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--verbose", "--max-time", "60"])
        .args([
            "--url",
            &format!(
                "{scheme}://localhost:{}/client.example",
                submission.server.port()
            ),
        ])
        .args([
            "--user",
            "dev@localhost",
            "--oauth2-bearer",
            submission.token,
        ])
        .args([
            "--mail-from",
            "dev@localhost",
            "--mail-rcpt",
            "you@example.com",
            "--cacert",
        ])
        .arg(submission.ca)
        .arg("--upload-file")
        .arg(submission.message);
    if !submission.implicit {
        command.arg("--ssl-reqd");
    }
    command
}

const NODEMAILER: &str = r"
const fs = require('node:fs');
const nodemailer = require('nodemailer');
const [port, tls, ca, file, accessToken] = process.argv.slice(1);
const transport = nodemailer.createTransport({
  host: 'localhost',
  port: Number(port),
  name: 'client.example',
  secure: tls === 'implicit',
  requireTLS: tls === 'starttls',
  tls: { ca: fs.readFileSync(ca) },
  auth: { type: 'OAuth2', user: 'dev@localhost', accessToken },
});
transport
  .sendMail({ envelope: { from: 'dev@localhost', to: ['you@example.com'] }, raw: fs.readFileSync(file) })
  .then(() => transport.close(), (error) => { console.error(error); process.exit(1); });
";

fn nodemailer(submission: &Submission<'_>) -> Command {
    let modules =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/node/node_modules");
    let mut command = Command::new("node");
    command
        .env("NODE_PATH", modules)
        .args(["--eval", NODEMAILER])
        .arg(submission.server.port().to_string())
        .arg(word(submission))
        .arg(submission.ca)
        .arg(submission.message)
        .arg(submission.token);
    command
}

/// It has no mechanism with tokens of its own: programs give it one as here (XOA-01, OAB-01).
const SMTPLIB_PROGRAM: &str = r"
import smtplib, ssl, sys
port, tls, mechanism, ca, path, token = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if tls == 'implicit':
    client = smtplib.SMTP_SSL('localhost', int(port), local_hostname='client.example', context=context)
else:
    client = smtplib.SMTP('localhost', int(port), local_hostname='client.example')
    client.starttls(context=context)
client.ehlo()
first, after_error = {
    'XOAUTH2': (f'user=dev@localhost\x01auth=Bearer {token}\x01\x01', ''),
    'OAUTHBEARER': (f'n,a=dev@localhost,\x01auth=Bearer {token}\x01\x01', '\x01'),
}[mechanism]
def answer(challenge=None):
    if challenge:
        print('error document', challenge.decode(), file=sys.stderr)
        return after_error
    return first
client.auth(mechanism, answer)
with open(path, 'rb') as message:
    client.sendmail('dev@localhost', ['you@example.com'], message.read())
client.quit()
";

fn smtplib(submission: &Submission<'_>) -> Command {
    let mut command = Command::new("python3");
    command
        .args(["-c", SMTPLIB_PROGRAM])
        .arg(submission.server.port().to_string())
        .args([word(submission), submission.mechanism])
        .arg(submission.ca)
        .arg(submission.message)
        .arg(submission.token);
    command
}

/// `JavaMail`, which has XOAUTH2.
pub(super) fn javamail(compiled: &JavaMail, submission: &Submission<'_>) -> Command {
    let (port, tls) = (submission.server.port(), word(submission));
    let mut command = compiled.submit(port, tls, "XOAUTH2", submission.token);
    command.arg(submission.ca).arg(submission.message);
    command
}

fn word(submission: &Submission<'_>) -> &'static str {
    if submission.implicit {
        "implicit"
    } else {
        "starttls"
    }
}
