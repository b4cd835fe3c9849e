import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.sasl.AuthorizeCallback;
import javax.security.sasl.RealmCallback;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslServer;

/**
 * A submission server in clear text with the SASL of the JDK and its security layers.
 *
 * <p>{@code java Server.java DIR USER PASSWORD WAY...}, each way {@code MECHANISM/QOPS/CIPHERS/MAXBUF} with {@code -} for what the JDK would do; lists are
 * divided by commas. Each way gets a port of its own on 127.0.0.1; then it says {@code ready PORT...}, in the order of the ways. It ends with its standard
 * input. Mail of who has authenticated goes to {@code DIR/mail/ID.eml} and its envelope to {@code DIR/envelope/ID}, as with the other peers, with
 * a line {@code qop}.
 */
public class Server {
    private static final AtomicInteger MESSAGES = new AtomicInteger();

    private final Path directory;
    private final String mechanism;
    private final String ciphers;
    private final SaslServer sasl;
    private final DataInputStream in;
    private final OutputStream out;
    private boolean authenticated;
    private boolean layer;
    private byte[] opened = new byte[0];
    private int next;

    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        Files.createDirectories(directory.resolve("mail"));
        Files.createDirectories(directory.resolve("envelope"));
        StringBuilder ports = new StringBuilder("ready");
        for (int way = 3; way < arguments.length; way++) {
            String[] words = arguments[way].split("/");
            ServerSocket listener = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
            ports.append(' ').append(listener.getLocalPort());
            daemon(() -> {
                while (true) {
                    Socket socket = listener.accept();
                    daemon(() -> {
                        try (socket) {
                            new Server(directory, arguments[1], arguments[2], words, socket).serve();
                        }
                    });
                }
            });
        }
        System.out.println(ports);
        while (System.in.read() >= 0) {
            continue;
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private static void daemon(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Exception failure) {
                failure.printStackTrace();
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private Server(Path directory, String user, String password, String[] words, Socket socket) throws IOException {
        this.directory = directory;
        mechanism = words[0];
        ciphers = words[2];
        Map<String, Object> wishes = new HashMap<>();
        wishes.put("com.sun.security.sasl.digest.realm", "peer.test");
        if (!words[1].equals("-")) {
            wishes.put(Sasl.QOP, words[1]);
        }
        if (!words[3].equals("-")) {
            wishes.put(Sasl.MAX_BUFFER, words[3]);
        }
        sasl = Sasl.createSaslServer(mechanism, "smtp", "localhost", wishes, callbacks -> answer(callbacks, user, password));
        socket.setTcpNoDelay(true);
        in = new DataInputStream(socket.getInputStream());
        out = socket.getOutputStream();
    }

    private static void answer(Callback[] callbacks, String user, String password) {
        for (Callback callback : callbacks) {
            if (callback instanceof PasswordCallback secret) {
                secret.setPassword(password.toCharArray());
            } else if (callback instanceof AuthorizeCallback wish) {
                wish.setAuthorized(wish.getAuthenticationID().equals(user) && wish.getAuthorizationID().equals(user));
            } else if (callback instanceof NameCallback name) {
                name.setName(name.getDefaultName());
            } else if (callback instanceof RealmCallback realm) {
                realm.setText(realm.getDefaultText());
            }
        }
    }

    private void serve() throws IOException {
        say("220 jdk.peer.test ESMTP");
        String sender = null;
        List<String> recipients = new ArrayList<>();
        while (true) {
            String line = line();
            String verb = line.split(" ")[0].toUpperCase(Locale.ROOT);
            if (verb.equals("EHLO")) {
                say("250-jdk.peer.test", "250-SIZE 104857600", "250 AUTH " + mechanism);
            } else if (verb.equals("AUTH") && !authenticated) {
                authenticate(line.split(" "));
            } else if (verb.equals("QUIT")) {
                say("221 2.0.0 bye");
                return;
            } else if (!authenticated) {
                say("530 5.7.0 authenticate first");
            } else if (verb.equals("MAIL")) {
                sender = path(line);
                say("250 2.1.0 sender");
            } else if (verb.equals("RCPT")) {
                recipients.add(path(line));
                say("250 2.1.5 recipient");
            } else if (verb.equals("DATA")) {
                say("354 go on");
                store(sender, recipients, data());
                recipients.clear();
                say("250 2.0.0 stored");
            } else if (verb.equals("RSET") || verb.equals("NOOP")) {
                recipients.clear();
                say("250 2.0.0 fine");
            } else {
                say("500 5.5.1 what?");
            }
        }
    }

    private static String path(String line) {
        return line.substring(line.indexOf('<') + 1, line.indexOf('>'));
    }

    private void authenticate(String[] words) throws IOException {
        String given = words.length < 3 || words[2].equals("=") ? "" : words[2];
        try {
            byte[] challenge = sasl.evaluateResponse(Base64.getDecoder().decode(given));
            while (true) {
                // What proves the server goes out as a challenge that gets an empty answer (RFC 4954 §4).
                if (sasl.isComplete() && challenge == null) {
                    break;
                }
                say("334 " + Base64.getEncoder().encodeToString(only(ciphers, challenge)));
                byte[] response = Base64.getDecoder().decode(line());
                if (sasl.isComplete()) {
                    break;
                }
                challenge = sasl.evaluateResponse(response);
            }
        } catch (Exception refusal) {
            refusal.printStackTrace();
            say("535 5.7.8 no");
            return;
        }
        say("235 2.7.0 welcome " + sasl.getAuthorizationID());
        authenticated = true;
        layer = !qop().equals("auth");
    }

    /** The JDK offers all ciphers it has: the challenge of DIGEST-MD5 with these alone. */
    private static byte[] only(String ciphers, byte[] challenge) {
        if (ciphers.equals("-")) {
            return challenge;
        }
        String text = new String(challenge, StandardCharsets.UTF_8);
        return text.replaceAll("cipher=\"[^\"]*\"", "cipher=\"" + ciphers + "\"").getBytes(StandardCharsets.UTF_8);
    }

    private String qop() {
        Object qop = sasl.getNegotiatedProperty(Sasl.QOP);
        return qop == null ? "auth" : (String) qop;
    }

    private byte[] data() throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        while (true) {
            String line = line();
            if (line.equals(".")) {
                return content.toByteArray();
            }
            content.writeBytes((line.startsWith(".") ? line.substring(1) : line).getBytes(StandardCharsets.ISO_8859_1));
            content.writeBytes(new byte[] {'\r', '\n'});
        }
    }

    private void store(String sender, List<String> recipients, byte[] content) throws IOException {
        String id = "m" + MESSAGES.incrementAndGet();
        StringBuilder envelope = new StringBuilder("sender\t" + sender + "\nmethod\t" + mechanism + "\nuser\t" + sasl.getAuthorizationID() + "\nqop\t" + qop() + "\n");
        for (String recipient : recipients) {
            envelope.append("recipient\t").append(recipient).append('\n');
        }
        Files.writeString(directory.resolve("envelope").resolve(id), envelope);
        Path partial = directory.resolve("mail").resolve(id + ".partial");
        Files.write(partial, content);
        Files.move(partial, directory.resolve("mail").resolve(id + ".eml"));
    }

    private void say(String... lines) throws IOException {
        ByteArrayOutputStream reply = new ByteArrayOutputStream();
        for (String line : lines) {
            reply.writeBytes((line + "\r\n").getBytes(StandardCharsets.UTF_8));
        }
        byte[] octets = reply.toByteArray();
        if (layer) {
            byte[] frame = sasl.wrap(octets, 0, octets.length);
            reply.reset();
            reply.writeBytes(new byte[] {(byte) (frame.length >> 24), (byte) (frame.length >> 16), (byte) (frame.length >> 8), (byte) frame.length});
            reply.writeBytes(frame);
        }
        out.write(reply.toByteArray());
    }

    /** Without its end. */
    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (true) {
            int octet = read();
            if (octet == '\n') {
                String text = line.toString(StandardCharsets.ISO_8859_1);
                if (!text.endsWith("\r")) {
                    throw new IOException("a bare line feed after " + text);
                }
                return text.substring(0, text.length() - 1);
            }
            line.write(octet);
        }
    }

    private int read() throws IOException {
        if (!layer) {
            int octet = in.read();
            if (octet < 0) {
                throw new EOFException("the client closed the connection");
            }
            return octet;
        }
        while (next == opened.length) {
            byte[] frame = new byte[in.readInt()];
            in.readFully(frame);
            opened = sasl.unwrap(frame, 0, frame.length);
            next = 0;
        }
        return opened[next++] & 0xff;
    }
}
