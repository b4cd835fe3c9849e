//! Sessions for probes.

use gatepost_sasl::Mechanism;
use gatepost_smtp::Address;
use gatepost_smtp::client::{
    Authentication, ClientCommand, ClientProfile, Envelope, HelloName, MechanismChoice, StartTlsUse,
};
use gatepost_smtp::server::{Profile, TlsPolicy};
use gatepost_testkit::client::{ClientBench, User};
use gatepost_testkit::program::Program;
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::tls;

pub(crate) const NAME: &str = "user@example.com";
pub(crate) const PASSWORD: &str = "secret";

/// A server inside TLS that offers `mechanisms` to the one user there is.
pub(crate) fn server(mechanisms: &[&'static Mechanism]) -> ServerBench {
    let mut program = Program::with(NAME, PASSWORD);
    program.offer = Some(mechanisms.to_vec());
    let profile = Profile {
        tls: TlsPolicy::Implicit,
        ..Profile::submission("mail.example.com")
    };
    ServerBench::new(profile, program, Some(tls::facts())).unwrap()
}

/// The same, behind EHLO.
pub(crate) fn greeted(mechanisms: &[&'static Mechanism]) -> ServerBench {
    let mut bench = server(mechanisms);
    bench.send(b"EHLO client.example.com\r\n");
    bench.take_output();
    bench
}

/// A client inside TLS.
pub(crate) fn client(commands: impl IntoIterator<Item = ClientCommand>) -> ClientBench {
    let profile = ClientProfile {
        start_tls: StartTlsUse::Required,
        ..ClientProfile::new(HelloName::parse("client.example.com").unwrap())
    };
    let facts = tls::facts_with_certificate();
    ClientBench::new(profile, User::with(PASSWORD, commands), Some(facts))
}

pub(crate) fn authenticate(mechanism: &'static Mechanism) -> ClientCommand {
    let nonces = [(); Authentication::ATTEMPTS].map(|()| "rOprNGfwEbeRWgbNEkqO".to_owned());
    ClientCommand::Authenticate(Authentication {
        choice: MechanismChoice::Only(mechanism),
        ..Authentication::new(NAME, "mail.example.com", nonces)
    })
}

pub(crate) fn send_message(content: &[u8]) -> ClientCommand {
    let address = |text: &str| Address::parse(text).unwrap();
    let recipients = [address("a@example.net"), address("b@example.net")];
    ClientCommand::Send(Envelope::new(address(NAME), recipients, content))
}

/// Says a line; the replies, with LF.
pub(crate) fn say(bench: &mut ServerBench, line: &str) -> String {
    bench.send(format!("{line}\r\n").as_bytes());
    hear(bench)
}

/// What the server has said, with LF.
pub(crate) fn hear(bench: &mut ServerBench) -> String {
    assert_eq!(bench.breaches, Vec::<String>::new());
    String::from_utf8(bench.take_output())
        .unwrap()
        .replace("\r\n", "\n")
}

/// Code and enhanced code of each reply.
pub(crate) fn codes(replies: &str) -> Vec<String> {
    let last_lines = replies
        .lines()
        .filter(|line| line.as_bytes().get(3) != Some(&b'-'));
    last_lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let code = words.next().unwrap_or_default();
            let enhanced = words
                .next()
                .filter(|word| word.matches('.').count() == 2 && word.len() < 8);
            enhanced.map_or(code.to_owned(), |enhanced| format!("{code} {enhanced}"))
        })
        .collect()
}

pub(crate) fn base64(octets: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(octets)
}
