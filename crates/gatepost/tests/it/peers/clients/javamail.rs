//! `JavaMail` (Jakarta Mail's former name, and that of Debian's package); CRAM-MD5 and DIGEST-MD5 by the SASL of the JDK.

use tempfile::TempDir;
use tokio::process::Command;

use super::{exercise, run};

const JARS: &str = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar";

/// The program `Submit.java`, compiled.
pub(in super::super) struct JavaMail(TempDir);

impl JavaMail {
    pub(in super::super) async fn compile() -> Self {
        let classes = tempfile::tempdir().unwrap();
        let source = classes.path().join("Submit.java");
        std::fs::write(&source, include_str!("Submit.java")).unwrap();
        let mut javac = Command::new("javac");
        run(javac.args(["-cp", JARS]).arg(&source), "javac").await;
        Self(classes)
    }

    /// Submits to this port; the certificate authority and the message are to be added.
    pub(in super::super) fn submit(
        &self,
        port: u16,
        tls: &str,
        mechanism: &str,
        secret: &str,
    ) -> Command {
        let class_path = format!("{}:{JARS}", self.0.path().display());
        let mut command = Command::new("java");
        command
            .args(["-cp", &class_path, "-Djava.net.preferIPv4Stack=true"])
            .args(["Submit", &port.to_string(), tls, mechanism, secret]);
        command
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javamail_submits_by_every_mechanism_it_has() {
    let javamail = JavaMail::compile().await;
    let mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"];
    exercise("JavaMail", &mechanisms, |submission| {
        let (port, tls) = (submission.address.port(), submission.lane.word());
        let mut command = javamail.submit(port, tls, submission.mechanism, "gatepost");
        command.arg(submission.ca).arg(submission.message);
        command
    })
    .await;
}
