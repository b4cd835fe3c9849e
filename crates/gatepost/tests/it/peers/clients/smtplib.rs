//! Python's smtplib.

use tokio::process::Command;

use super::exercise;

const SMTPLIB: &str = r"
import smtplib, ssl, sys
host, port, tls, mechanism, ca, path = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if tls == 'implicit':
    client = smtplib.SMTP_SSL(host, int(port), local_hostname='client.example', context=context)
else:
    client = smtplib.SMTP(host, int(port), local_hostname='client.example')
if tls == 'starttls':
    client.starttls(context=context)
client.ehlo()
client.user, client.password = 'dev@localhost', 'gatepost'
client.auth(mechanism, getattr(client, 'auth_' + mechanism.lower().replace('-', '_')))
with open(path, 'rb') as message:
    client.sendmail('dev@localhost', ['you@example.com'], message.read())
client.quit()
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smtplib_submits_by_every_mechanism_it_has() {
    exercise("smtplib", &["PLAIN", "LOGIN", "CRAM-MD5"], |submission| {
        let mut command = Command::new("python3");
        command
            .args([
                "-c",
                SMTPLIB,
                "127.0.0.1",
                &submission.address.port().to_string(),
                submission.lane.word(),
                submission.mechanism,
            ])
            .arg(submission.ca)
            .arg(submission.message);
        command
    })
    .await;
}
