import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Properties;
import javax.mail.Session;
import javax.mail.internet.InternetAddress;
import javax.mail.internet.MimeMessage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** {@code Submit PORT TLS MECHANISM SECRET CA FILE}: submits FILE as dev@localhost. TLS is implicit, starttls or, for none, anything else. */
public class Submit {
    public static void main(String[] arguments) throws Exception {
        String port = arguments[0], tls = arguments[1], mechanism = arguments[2], secret = arguments[3], ca = arguments[4], file = arguments[5];
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
        transport.connect("localhost", Integer.parseInt(port), "dev@localhost", secret);
        try (FileInputStream message = new FileInputStream(file)) {
            transport.sendMessage(new MimeMessage(session, message), InternetAddress.parse("you@example.com"));
        }
        transport.close();
    }
}
