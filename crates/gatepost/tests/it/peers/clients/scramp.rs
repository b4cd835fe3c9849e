//! scramp, a SCRAM library for Python, bound to TLS of `pyOpenSSL`: what GNU SASL does by `GnuTLS`, by another library on either side.

use super::{Lane, TEXT, exercise_writer_over};
use tokio::process::Command;

const SCRAMP: &str = r"
import base64, socket, sys
from OpenSSL import SSL, crypto
from scramp import ScramClient, core, make_channel_binding
# It knows the certificate's binding itself; the exporter is only a name to it that it has not heard.
core.CHANNEL_TYPES += ('tls-exporter',)
port, tls, mechanism, ca, text, binding = sys.argv[1:]
buffer = b''

def reply(wire, code):
    global buffer
    while True:
        line, found, rest = buffer.partition(b'\r\n')
        if not found:
            more = wire.recv(4096)
            if not more:
                sys.exit('closed')
            buffer += more
            continue
        buffer = rest
        if line[3:4] != b'-':
            if not line.startswith(code):
                sys.exit(line.decode())
            return line[4:]

def ask(wire, line, code):
    wire.sendall(line + b'\r\n')
    return reply(wire, code)

plain = socket.create_connection(('localhost', int(port)))
if tls == 'starttls':
    reply(plain, b'220')
    ask(plain, b'EHLO client.example', b'250')
    ask(plain, b'STARTTLS', b'220')
context = SSL.Context(SSL.TLS_CLIENT_METHOD)
context.load_verify_locations(ca)
context.set_verify(SSL.VERIFY_PEER)
wire = SSL.Connection(context, plain)
wire.set_tlsext_host_name(b'localhost')
wire.set_connect_state()
wire.do_handshake()
if tls == 'implicit':
    reply(wire, b'220')
ask(wire, b'EHLO client.example', b'250')
if binding == 'tls-exporter':
    bound = (binding, wire.export_keying_material(b'EXPORTER-Channel-Binding', 32, b''))
else:
    class Socket:
        def getpeercert(self, binary_form):
            return crypto.dump_certificate(crypto.FILETYPE_ASN1, wire.get_peer_certificate())
    bound = make_channel_binding(binding, Socket())
client = ScramClient([mechanism], 'dev@localhost', 'gatepost', channel_binding=bound)
encode = lambda text: base64.b64encode(text.encode())
decode = lambda octets: base64.b64decode(octets).decode()
first = encode(client.get_client_first())
client.set_server_first(decode(ask(wire, b'AUTH ' + mechanism.encode() + b' ' + first, b'334')))
client.set_server_final(decode(ask(wire, encode(client.get_client_final()), b'334')))
ask(wire, b'', b'235')
ask(wire, b'MAIL FROM:<dev@localhost>', b'250')
ask(wire, b'RCPT TO:<you@example.com>', b'250')
ask(wire, b'DATA', b'354')
ask(wire, b'From: dev@localhost\r\n\r\n' + text.encode() + b'\r\n.', b'250')
ask(wire, b'QUIT', b'221')
";

const MECHANISMS: [&str; 3] = [
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-512-PLUS",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scramp_binds_by_exporter_and_certificate() {
    let lanes = [Lane::StartTls, Lane::Implicit];
    for binding in ["tls-exporter", "tls-server-end-point"] {
        let peer = format!("scramp 1.4.6, {binding}");
        exercise_writer_over(&lanes, &peer, &MECHANISMS, |submission| {
            let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers/python");
            // The interpreter that python3-openssl is installed for.
            let mut command = Command::new("/usr/bin/python3");
            command
                .env("PYTHONPATH", library)
                .args(["-c", SCRAMP, &submission.address.port().to_string()])
                .args([submission.lane.word(), submission.mechanism])
                .arg(submission.ca)
                .args([TEXT, binding]);
            command
        })
        .await;
    }
}
