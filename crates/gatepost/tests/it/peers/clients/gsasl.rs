//! GNU SASL's `gsasl` as a client; it has STARTTLS and no implicit TLS.
//!
//! After authentication it sends what it reads from its standard input, one line each time that there is something to read: the rest of a
//! block stays in its buffer until more comes. So it is driven by a script that waits for each reply, and pushes with NOOP what is stuck.

use super::{Lane, Submission, TEXT, exercise_writer_over};
use tokio::process::Command;

const PEER: &str = "GNU SASL 2.2.0";

const GSASL: &str = r"
import os, selectors, subprocess, sys
port, tls, mechanism, ca, text = sys.argv[1:]
arguments = ['gsasl', '--smtp', '--connect', 'localhost:' + port, '-m', mechanism, '-a', 'dev@localhost', '-p', 'gatepost', '--realm', 'localhost']
arguments += ['--quality-of-protection', 'qop-auth' if tls == 'starttls' else 'qop-int']
arguments += ['--starttls', '--x509-ca-file', ca] if tls == 'starttls' else ['--no-starttls']
# Told to use a mechanism that does not bind, it says that it could, and is refused where those that bind are offered.
if tls == 'starttls' and not mechanism.endswith('-PLUS'):
    arguments += ['--no-cb']
gsasl = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
output, said = gsasl.stdout.fileno(), b''

def hear(wait):
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        if selector.select(wait):
            heard = os.read(output, 65536)
            if not heard:
                sys.exit(said.decode())
            return heard
    return b''

def ask(lines, reply, push=b''):
    global said
    gsasl.stdin.write(lines)
    gsasl.stdin.flush()
    before = len(said)
    while reply not in said[before:]:
        heard = hear(0.02 if push else 60)
        said += heard
        if not heard:
            if not push:
                sys.exit(said.decode())
            gsasl.stdin.write(push)
            gsasl.stdin.flush()

ask(b'', b'Enter application data')
ask(b'EHLO client.example\r\n', b'\n250 ')
ask(b'MAIL FROM:<dev@localhost>\r\n', b'250 2.1.0')
ask(b'RCPT TO:<you@example.com>\r\n', b'250 2.1.5')
ask(b'DATA\r\n', b'354 ')
ask(b'From: dev@localhost\r\n\r\n' + text.encode() + b'\r\n.\r\n', b'250 2.0.0', push=b'NOOP\r\n')
ask(b'QUIT\r\n', b'221 ', push=b'NOOP\r\n')
# At the end of its input it would say QUIT once more, and outside of a security layer.
gsasl.kill()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gsasl_submits_by_every_mechanism_it_has() {
    let lanes = [Lane::StartTls, Lane::Clear];
    let mechanisms = [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "DIGEST-MD5",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
    ];
    let submission = |submission: &Submission<'_>| {
        let mut command = Command::new("python3");
        command
            .args(["-c", GSASL, &submission.address.port().to_string()])
            .args([submission.lane.word(), submission.mechanism])
            .arg(submission.ca)
            .arg(TEXT);
        command
    };
    exercise_writer_over(&lanes, PEER, &mechanisms, submission).await;
    let binding = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"];
    exercise_writer_over(&[Lane::StartTls], PEER, &binding, submission).await;
}
