//! `JavaMail` (Jakarta Mail's former name, and that of Debian's package); CRAM-MD5 by the SASL of the JDK.

use tokio::process::Command;

use super::{exercise, run};

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

public class Submit {
    public static void main(String[] arguments) throws Exception {
        String port = arguments[0], tls = arguments[1], mechanism = arguments[2], ca = arguments[3], file = arguments[4];
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
        // Otherwise the From field tells, and a message need not have one.
        settings.put("mail.smtp.from", "dev@localhost");
        settings.put("mail.smtp.auth", "true");
        settings.put("mail.smtp.ssl.enable", String.valueOf(tls.equals("implicit")));
        settings.put("mail.smtp.starttls.enable", String.valueOf(tls.equals("starttls")));
        settings.put("mail.smtp.starttls.required", String.valueOf(tls.equals("starttls")));
        settings.put("mail.smtp.ssl.socketFactory", context.getSocketFactory());
        settings.put("mail.smtp.ssl.checkserveridentity", "true");
        if (mechanism.equals("CRAM-MD5")) {
            settings.put("mail.smtp.sasl.enable", "true");
            settings.put("mail.smtp.sasl.mechanisms", mechanism);
        } else {
            settings.put("mail.smtp.auth.mechanisms", mechanism);
        }
        Session session = Session.getInstance(settings);
        var transport = session.getTransport("smtp");
        transport.connect("localhost", Integer.parseInt(port), "dev@localhost", "gatepost");
        try (FileInputStream message = new FileInputStream(file)) {
            transport.sendMessage(new MimeMessage(session, message), InternetAddress.parse("you@example.com"));
        }
        transport.close();
    }
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javamail_submits_by_every_mechanism_it_has() {
    let classes = tempfile::tempdir().unwrap();
    let jars = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar";
    let source = classes.path().join("Submit.java");
    std::fs::write(&source, JAVAMAIL).unwrap();
    run(
        Command::new("javac").args(["-cp", jars]).arg(&source),
        "javac",
    )
    .await;
    let class_path = format!("{}:{jars}", classes.path().display());
    exercise(
        "JavaMail",
        &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"],
        |submission| {
            let mut command = Command::new("java");
            command
                .args([
                    "-cp",
                    &class_path,
                    "-Djava.net.preferIPv4Stack=true",
                    "Submit",
                ])
                .arg(submission.address.port().to_string())
                .args([submission.lane.word(), submission.mechanism])
                .arg(submission.ca)
                .arg(submission.message);
            command
        },
    )
    .await;
}
