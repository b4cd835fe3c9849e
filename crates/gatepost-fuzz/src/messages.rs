//! Mechanisms whose client says all it has to say in one message, or in one to each prompt: what is asked of the directory is what the
//! message holds, and nobody is let in whom the directory refuses.

use gatepost_sasl::mechanism::{ANONYMOUS, CRAM_MD5, EXTERNAL, LOGIN, OAUTHBEARER, PLAIN, XOAUTH2};
use gatepost_sasl::{
    Answer, Authzid, Mechanism, Outcome, Question, Refusal, ServerParams, ServerStep, Verdict,
};

/// The forms of RFC 4616 §4 and RFC 4954 §4.1, and each with a NUL too few, too many, or in another place.
const PLAIN_MESSAGES: [&str; 11] = [
    "test\0test\x001234",
    "\0tim\0tanstaaftanstaaf",
    "Ursel\0Kurt\0xipj3plmq",
    "shared@example.com\0user@example.com\0secret",
    "user@example.com\0\0secret",
    "\0\0secret",
    "user@example.com\0secret",
    "\0user@example.com\0secret\0",
    "\0user@example.com\0s\u{e9}cret",
    "\0\r\n\0x",
    "\0\0\0",
];

const LOGIN_MESSAGES: [&str; 7] = [
    "tim",
    "tanstaaftanstaaf",
    "user@example.com\r\n",
    "user@example.com\0",
    "user\n",
    "QUIT",
    "",
];

/// RFC 2195 §2, and responses of devices.
const CRAM_MESSAGES: [&str; 8] = [
    "tim b913a602c7eda7a495b4e6e7334d3890",
    "a user with spaces B913A602C7EDA7A495B4E6E7334D3890\r\n",
    " b913a602c7eda7a495b4e6e7334d3890",
    "tim b913a602c7eda7a495b4e6e7334d389",
    "tim  b913a602c7eda7a495b4e6e7334d3890\0",
    "tim\tb913a602c7eda7a495b4e6e7334d3890",
    "tim",
    "",
];

const NAME_MESSAGES: [&str; 8] = [
    "fred@example.com",
    "sirhc",
    "J\u{fc}rgen",
    "",
    "\0",
    "\0\0\0",
    "fred\0",
    "a\r\nEHLO b",
];

/// RFC 7628 §4, Google's and Microsoft's forms, and what libraries send.
const BEARER_MESSAGES: [&str; 13] = [
    "n,a=user@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
    "n,user=someuser@example.com,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01",
    "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=\x01\x01",
    "n,,\x01auth=Bearer ya29.tok\x01\x01",
    "y,a=a=2Cb=3Dc,\x01auth=bearer ya29.tok\x01\x01",
    "p=tls-exporter,,\x01auth=Bearer x\x01\x01",
    "user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01",
    "user=user@example.com\x01auth=bearer ya29.tok\x01\x01",
    "user=username\x01auth=Bearer password\x01\x01",
    "n,,\x01port=65536\x01auth=Bearer x\x01\x01",
    "n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
    "\x01",
    "",
];

/// Each field of PLAIN comes to the directory as it was sent (V-46).
pub fn plain(octets: &[u8]) {
    let Some(question) = asked(&PLAIN, Some(octets), &[]) else {
        return;
    };
    let fields: Vec<&[u8]> = octets.split(|octet| *octet == 0).collect();
    let ([authzid, authcid, sent], Question::Password { password, .. }) = (&fields[..], &question)
    else {
        return assert!(octets.is_empty(), "a question about no message");
    };
    assert_eq!(password.expose(), *sent);
    assert!(!sent.is_empty() && !authcid.is_empty());
    // Names that are not UTF-8 are read as Windows-1252.
    if let Ok(name) = str::from_utf8(authcid) {
        let known = question.authcid().map(gatepost_sasl::Authcid::as_str);
        assert_eq!(known, Some(name));
    }
    if let Ok(name) = str::from_utf8(authzid) {
        let acts_as = question.authzid().map_or("", Authzid::as_str);
        assert_eq!(acts_as, name);
    }
}

/// Name and password, apart by an octet FF.
pub fn login(octets: &[u8]) {
    let mut messages = octets.splitn(2, |octet| *octet == 0xff);
    let name = messages.next().unwrap_or_default();
    let sent = messages.next().unwrap_or_default();
    for initial in [Some(name), None] {
        let responses = if initial.is_some() {
            vec![sent]
        } else {
            vec![name, sent]
        };
        if let Some(Question::Password {
            password, authzid, ..
        }) = asked(&LOGIN, initial, &responses)
        {
            assert_eq!(password.expose(), sent);
            assert!(!name.is_empty() && authzid.is_none());
        }
    }
}

/// The name of a response ends at its last space (CRAM-03).
pub fn cram_md5(octets: &[u8]) {
    let Some(question) = asked(&CRAM_MD5, None, &[octets]) else {
        return assert!(!is_response(octets), "a good response is refused");
    };
    let name = question
        .authcid()
        .map_or("", gatepost_sasl::Authcid::as_str);
    if octets.is_ascii() {
        assert!(octets.starts_with(format!("{name} ").as_bytes()));
    }
    assert!(question.authzid().is_none());
}

/// A name of ASCII, a space, 32 hexadecimal digits.
fn is_response(octets: &[u8]) -> bool {
    let mut parts = octets.rsplitn(2, |octet| *octet == b' ');
    let digest = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let is_name = name.iter().all(|octet| matches!(octet, b' '..=b'~'));
    digest.len() == 32
        && digest.iter().all(u8::is_ascii_hexdigit)
        && is_name
        && (1..=1024).contains(&name.len())
}

/// EXTERNAL's message is whom to act as (EXT-02, V-08).
pub fn external(octets: &[u8]) {
    if let Some(question) = asked(&EXTERNAL, Some(octets), &[]) {
        let acts_as = question.authzid().map_or("", Authzid::as_str);
        assert_eq!(acts_as.as_bytes(), octets);
    }
}

/// ANONYMOUS' message is a remark, and never a name (ANON-01).
pub fn anonymous(octets: &[u8]) {
    let question = asked(&ANONYMOUS, Some(octets), &[]);
    if let Some(Question::Anonymous { trace, .. }) = &question {
        assert_eq!(trace.as_deref().unwrap_or_default().as_bytes(), octets);
        assert!(!octets.iter().any(u8::is_ascii_control));
    }
    assert!(question.is_none_or(|it| it.authcid().is_none() && it.authzid().is_none()));
}

/// A token is what stands behind `Bearer`, visible, and one line; an empty one never opens anything.
pub fn bearer(octets: &[u8]) {
    for mechanism in [&OAUTHBEARER, &XOAUTH2] {
        let Some(Question::Token { token, host, .. }) = asked(mechanism, Some(octets), &[]) else {
            continue;
        };
        let token = token.expose();
        assert!(token.iter().all(u8::is_ascii_graphic));
        assert!(holds(octets, token) && holds(octets, host.unwrap_or_default().as_bytes()));
    }
    // Whatever a server says of a refused token, the client says no more than that it has heard it, and shows nothing that can
    // move a cursor.
    crate::mechanisms::refused_token(octets);
}

/// Messages of PLAIN.
pub fn plain_seeds() -> Vec<Vec<u8>> {
    alone(&PLAIN_MESSAGES)
}

/// Messages of LOGIN: each name with each password.
pub fn login_seeds() -> Vec<Vec<u8>> {
    let pairs = LOGIN_MESSAGES
        .iter()
        .flat_map(|name| LOGIN_MESSAGES.map(|password| [name.as_bytes(), password.as_bytes()]));
    pairs.map(|pair| pair.join(&0xff)).collect()
}

/// Responses of CRAM-MD5.
pub fn cram_seeds() -> Vec<Vec<u8>> {
    alone(&CRAM_MESSAGES)
}

/// Messages of EXTERNAL and ANONYMOUS.
pub fn name_seeds() -> Vec<Vec<u8>> {
    alone(&NAME_MESSAGES)
}

/// Messages of OAUTHBEARER and XOAUTH2, and error documents.
pub fn bearer_seeds() -> Vec<Vec<u8>> {
    let documents = [
        r#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/.well-known/openid-configuration"}"#,
        "{\"status\":\"401\",\"schemes\":\"bearer mac\",\"scope\":\"https://mail.google.com/\"}\n",
        r#"{"status":"\u001b[2J"}"#,
        r#"{"status":{"status":"#,
    ];
    let mut seeds = alone(&BEARER_MESSAGES);
    seeds.extend(alone(&documents));
    seeds
}

fn alone(messages: &[&str]) -> Vec<Vec<u8>> {
    messages
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

fn holds(octets: &[u8], part: &[u8]) -> bool {
    part.is_empty() || octets.windows(part.len()).any(|window| window == part)
}

/// What the directory is asked, which refuses. A client whom it refuses is refused, and one that is not even asked about too.
fn asked(
    mechanism: &'static Mechanism,
    initial: Option<&[u8]>,
    responses: &[&[u8]],
) -> Option<Question> {
    let params = ServerParams {
        host: "mail.example.com".to_owned(),
        nonce: "3rfcNHYJY1ZVvWVs7jfuzz".to_owned(),
        ..ServerParams::default()
    };
    let mut responses = responses.iter();
    let mut step = (mechanism.server)(params, initial);
    let mut asked = None;
    loop {
        step = match step {
            ServerStep::Challenge(_, next) => {
                next.respond(responses.next().copied().unwrap_or(b"\x01"))
            }
            ServerStep::Ask(question, next) => {
                let answer = refusal(&question);
                asked = Some(question);
                next.answer(answer)
            }
            ServerStep::Done(outcome) => {
                assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
                return asked;
            }
        };
    }
}

fn refusal(question: &Question) -> Answer {
    match question {
        Question::Verifier { .. } => Answer::SecretKept,
        Question::Response { .. } => Answer::Checked {
            verdict: Verdict::Refused(Refusal::CredentialsInvalid),
            proof: None,
        },
        Question::Token { .. } => Answer::TokenRefused {
            document: b"{}".to_vec(),
        },
        _ => Answer::Verdict(Verdict::Refused(Refusal::CredentialsInvalid)),
    }
}
