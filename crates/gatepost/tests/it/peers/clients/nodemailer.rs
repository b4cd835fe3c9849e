//! nodemailer, from npm; `./test` installs it in `target/peers/node`.

use std::path::Path;

use tokio::process::Command;

use super::exercise;

const NODEMAILER: &str = r"
const fs = require('node:fs');
const nodemailer = require('nodemailer');
const [host, port, tls, method, ca, file] = process.argv.slice(1);
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  name: 'client.example',
  secure: tls === 'implicit',
  requireTLS: tls === 'starttls',
  ignoreTLS: tls === 'none',
  tls: { ca: fs.readFileSync(ca) },
  auth: { user: 'dev@localhost', pass: 'gatepost' },
  authMethod: method,
});
transport
  .sendMail({ envelope: { from: 'dev@localhost', to: ['you@example.com'] }, raw: fs.readFileSync(file) })
  .then(() => transport.close(), (error) => { console.error(error); process.exit(1); });
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodemailer_submits_by_every_mechanism_it_has() {
    let modules =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/node/node_modules");
    exercise(
        "nodemailer",
        &["PLAIN", "LOGIN", "CRAM-MD5"],
        |submission| {
            let mut command = Command::new("node");
            command
                .env("NODE_PATH", &modules)
                .args(["--eval", NODEMAILER, "127.0.0.1"])
                .arg(submission.address.port().to_string())
                .args([submission.lane.word(), submission.mechanism])
                .arg(submission.ca)
                .arg(submission.message);
            command
        },
    )
    .await;
}
