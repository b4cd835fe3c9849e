//! Mail clients of others that send with a token.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

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

const JAVAMAIL: &str = r#"
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.mail.Session;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class SubmitWithToken {
    public static void main(String[] arguments) throws Exception {
        String port = arguments[0], tls = arguments[1], ca = arguments[2], file = arguments[3], token = arguments[4];
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream certificate = new FileInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(certificate));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);

        Properties settings = new Properties();
        settings.put("mail.smtp.localhost", "client.example");
        settings.put("mail.smtp.from", "dev@localhost");
        settings.put("mail.smtp.auth", "true");
        settings.put("mail.smtp.auth.mechanisms", "XOAUTH2");
        settings.put("mail.smtp.ssl.enable", String.valueOf(tls.equals("implicit")));
        settings.put("mail.smtp.starttls.enable", String.valueOf(tls.equals("starttls")));
        settings.put("mail.smtp.starttls.required", String.valueOf(tls.equals("starttls")));
        settings.put("mail.smtp.ssl.socketFactory", context.getSocketFactory());
        settings.put("mail.smtp.ssl.checkserveridentity", "true");
        Session session = Session.getInstance(settings);
        var transport = session.getTransport("smtp");
        transport.connect("localhost", Integer.parseInt(port), "dev@localhost", token);
        try (FileInputStream message = new FileInputStream(file)) {
            transport.sendMessage(new MimeMessage(session, message), InternetAddress.parse("you@example.com"));
        }
        transport.close();
    }
}
"#;

const JARS: &str = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar";

/// Compiles the program for [`javamail`].
pub(super) async fn compile_javamail(directory: &Path) {
    let source = directory.join("SubmitWithToken.java");
    std::fs::write(&source, JAVAMAIL).unwrap();
    let mut javac = Command::new("javac");
    let output = javac
        .args(["-cp", JARS])
        .arg(&source)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// `JavaMail`, which has XOAUTH2.
pub(super) fn javamail(compiled: &Path, submission: &Submission<'_>) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-cp", &format!("{}:{JARS}", compiled.display())])
        .args(["-Djava.net.preferIPv4Stack=true", "SubmitWithToken"])
        .arg(submission.server.port().to_string())
        .arg(word(submission))
        .arg(submission.ca)
        .arg(submission.message)
        .arg(submission.token);
    command
}

fn word(submission: &Submission<'_>) -> &'static str {
    if submission.implicit {
        "implicit"
    } else {
        "starttls"
    }
}
