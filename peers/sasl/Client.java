import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.NameCallback;
import javax.security.auth.callback.PasswordCallback;
import javax.security.sasl.RealmCallback;
import javax.security.sasl.RealmChoiceCallback;
import javax.security.sasl.Sasl;
import javax.security.sasl.SaslClient;

/**
 * Submits mail in clear text with the SASL of the JDK and its security layers.
 *
 * <p>{@code java Client.java PORT USER PASSWORD FILE}, with lines {@code MECHANISM QOP CIPHER MAXBUF HOW} on standard input. QOP is auth, auth-int
 * or auth-conf; CIPHER and MAXBUF may be {@code -}; with HOW {@code eager} the first commands follow the last response in the same segment, before the server said
 * 235; otherwise it is {@code polite}. For each line it submits FILE, whose lines end in CRLF, over a connection of its own, and says {@code done QOP}; the first
 * failure is the end, with status 1.
 */
public class Client {
    private final SaslClient sasl;
    private final DataInputStream in;
    private final OutputStream out;
    private boolean layer;
    private byte[] opened = new byte[0];
    private int next;

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[0]);
        byte[] message = Files.readAllBytes(Path.of(arguments[3]));
        BufferedReader ways = new BufferedReader(new InputStreamReader(System.in));
        for (String way = ways.readLine(); way != null; way = ways.readLine()) {
            String[] words = way.split(" ");
            Map<String, Object> wishes = new HashMap<>();
            wishes.put(Sasl.QOP, words[1]);
            if (!words[2].equals("-")) {
                wishes.put("com.sun.security.sasl.digest.cipher", words[2]);
            }
            if (!words[3].equals("-")) {
                wishes.put(Sasl.MAX_BUFFER, words[3]);
            }
            SaslClient sasl = Sasl.createSaslClient(new String[] {words[0]}, null, "smtp", "localhost", wishes,
                callbacks -> answer(callbacks, arguments[1], arguments[2]));
            try (Socket socket = new Socket("127.0.0.1", port)) {
                socket.setSoTimeout(60_000);
                socket.setTcpNoDelay(true);
                new Client(sasl, socket).submit(words[0], words[4].equals("eager"), arguments[1], message);
            }
            Object qop = sasl.getNegotiatedProperty(Sasl.QOP);
            System.out.println("done " + (qop == null ? "auth" : qop));
        }
    }

    private static void answer(Callback[] callbacks, String user, String password) {
        for (Callback callback : callbacks) {
            if (callback instanceof NameCallback name) {
                name.setName(user);
            } else if (callback instanceof PasswordCallback secret) {
                secret.setPassword(password.toCharArray());
            } else if (callback instanceof RealmCallback realm) {
                realm.setText(realm.getDefaultText());
            } else if (callback instanceof RealmChoiceCallback realm) {
                realm.setSelectedIndex(0);
            }
        }
    }

    private Client(SaslClient sasl, Socket socket) throws IOException {
        this.sasl = sasl;
        in = new DataInputStream(socket.getInputStream());
        out = socket.getOutputStream();
    }

    private void submit(String mechanism, boolean eager, String sender, byte[] message) throws IOException {
        expect("220");
        ask("EHLO client.example", "250");
        String commands = "EHLO client.example\r\nMAIL FROM:<" + sender + ">\r\nRCPT TO:<you@example.com>\r\nDATA\r\n";
        boolean sent = authenticate(mechanism, eager ? commands : null);
        if (!sent) {
            send(commands.getBytes(StandardCharsets.UTF_8));
        }
        expect("250");
        expect("250");
        expect("250");
        expect("354");
        send(stuffed(message));
        expect("250");
        ask("QUIT", "221");
    }

    /** Whether the commands went out with the last response. */
    private boolean authenticate(String mechanism, String commands) throws IOException {
        byte[] response = sasl.hasInitialResponse() ? sasl.evaluateChallenge(new byte[0]) : null;
        String command = "AUTH " + mechanism + (response == null ? "" : " " + (response.length == 0 ? "=" : encoded(response)));
        out.write((command + "\r\n").getBytes(StandardCharsets.US_ASCII));
        boolean sent = false;
        String reply = reply();
        while (reply.startsWith("334")) {
            response = sasl.evaluateChallenge(Base64.getDecoder().decode(reply.substring(4)));
            byte[] line = ((response == null ? "" : encoded(response)) + "\r\n").getBytes(StandardCharsets.US_ASCII);
            ByteArrayOutputStream segment = new ByteArrayOutputStream();
            segment.write(line);
            if (commands != null && sasl.isComplete()) {
                segment.write(protect(commands.getBytes(StandardCharsets.UTF_8), layered()));
                sent = true;
            }
            out.write(segment.toByteArray());
            reply = reply();
        }
        if (!reply.startsWith("235") || !sasl.isComplete()) {
            throw new IOException("not authenticated: " + reply);
        }
        layer = layered();
        return sent;
    }

    private boolean layered() {
        Object qop = sasl.getNegotiatedProperty(Sasl.QOP);
        return qop != null && !qop.equals("auth");
    }

    private static String encoded(byte[] octets) {
        return Base64.getEncoder().encodeToString(octets);
    }

    private static byte[] stuffed(byte[] message) {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        boolean begins = true;
        for (byte octet : message) {
            if (begins && octet == '.') {
                data.write('.');
            }
            data.write(octet);
            begins = octet == '\n';
        }
        data.writeBytes(".\r\n".getBytes(StandardCharsets.US_ASCII));
        return data.toByteArray();
    }

    private void ask(String command, String code) throws IOException {
        send((command + "\r\n").getBytes(StandardCharsets.UTF_8));
        expect(code);
    }

    private void expect(String code) throws IOException {
        String reply = reply();
        if (!reply.startsWith(code)) {
            throw new IOException("expected " + code + ": " + reply);
        }
    }

    /** The last line of a reply. */
    private String reply() throws IOException {
        StringBuilder line = new StringBuilder();
        while (true) {
            int octet = read();
            if (octet != '\n') {
                line.append((char) octet);
                continue;
            }
            String text = line.toString().strip();
            if (text.length() < 4 || text.charAt(3) != '-') {
                // Java's strip took the space of an empty challenge.
                return text.length() == 3 ? text + " " : text;
            }
            line.setLength(0);
        }
    }

    private int read() throws IOException {
        if (!layer) {
            int octet = in.read();
            if (octet < 0) {
                throw new EOFException("the server closed the connection");
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

    private void send(byte[] octets) throws IOException {
        out.write(protect(octets, layer));
    }

    /** In frames as large as the server takes. */
    private byte[] protect(byte[] octets, boolean layer) throws IOException {
        if (!layer) {
            return octets;
        }
        int most = Integer.parseInt((String) sasl.getNegotiatedProperty(Sasl.RAW_SEND_SIZE));
        ByteArrayOutputStream frames = new ByteArrayOutputStream();
        for (int at = 0; at < octets.length; at += most) {
            byte[] frame = sasl.wrap(octets, at, Math.min(most, octets.length - at));
            frames.writeBytes(new byte[] {(byte) (frame.length >> 24), (byte) (frame.length >> 16), (byte) (frame.length >> 8), (byte) frame.length});
            frames.writeBytes(frame);
        }
        return frames.toByteArray();
    }
}
