//! AUTH that succeeds, by every mechanism and in every form the field has for it.

use super::{IN_CLEAR, Setting, TRUSTED_WIRE, UNDER_TLS, authentication};
use crate::client::{Authentication, ClientCommand, InitialResponsePolicy, MechanismChoice};
use gatepost_sasl::mechanism::{CRAM_MD5, LOGIN, PLAIN, SCRAM_SHA_256};

const TLS: Setting = Setting {
    commands: || vec![ClientCommand::Authenticate(authentication())],
    ..UNDER_TLS
};
const CLEAR: Setting = Setting {
    commands: TLS.commands,
    ..IN_CLEAR
};
const WIRE: Setting = Setting {
    commands: TLS.commands,
    ..TRUSTED_WIRE
};

const EAGER: Setting = Setting {
    commands: || with(InitialResponsePolicy::Eager),
    ..UNDER_TLS
};
const WITHHELD: Setting = Setting {
    commands: || with(InitialResponsePolicy::Withheld),
    ..UNDER_TLS
};

fn with(initial_response: InitialResponsePolicy) -> Vec<ClientCommand> {
    vec![ClientCommand::Authenticate(Authentication {
        initial_response,
        ..authentication()
    })]
}

fn offering(line: &str, rest: &str) -> String {
    format!("S: 220 x\nC: EHLO client.example.com\nS: 250-x\nS: 250 {line}\n{rest}")
}

const SERVER_FIRST: &str = "S: 334 cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRixzPU1ERXlNelExTmpjNE9XRmlZMlJsWmc9PSxpPTQwOTY=";
const CLIENT_FINAL: &str = "C: Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYscD1DckRoTUpDTng0RVNJd3lMNUJJMnpLRzJKZXJXNGZjN3g1eUQvOEZoMUJVPQ==";

/// AUTH-20, SCR-24, LS-16: the server's proof comes in a 334, is verified, and is answered by an empty line. No EHLO follows (CLI-09).
#[test]
fn auth_20_scram() {
    let dialogue = format!(
        "C: AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=
        {SERVER_FIRST}
        {CLIENT_FINAL}
        S: 334 dj0zT3ZBN1h4dU1VNnRzUVJMQWY3U3cxTHJQeG9rdmJxOVlCellBNWQ2VXJVPQ==
        C:
        S: 235 2.7.0 OK Authenticated"
    );
    for setting in [TLS, CLEAR] {
        let ends = setting.play(&offering(
            "AUTH LOGIN CRAM-MD5 PLAIN SCRAM-SHA-256",
            &dialogue,
        ));
        assert_eq!(ends, ["connected", "authenticated by SCRAM-SHA-256"]);
    }
}

#[test]
fn cram_02_cram_md5() {
    let dialogue = "C: AUTH CRAM-MD5
        S: 334 PDFAeD4=
        C: dXNlciA0NDUzYzNkMGZkMTY4NzkyZDU2NWM3MjhiNGRmNjczOQ==
        S: 235 ok";
    assert_eq!(
        CLEAR.end(&offering("AUTH CRAM-MD5 PLAIN", dialogue)),
        "authenticated by CRAM-MD5"
    );
}

/// AUTH-22: "235 directly *or* one extra empty 334: answer an empty line once".
#[test]
fn auth_22_one_empty_challenge_more() {
    let cram = "C: AUTH CRAM-MD5
        S: 334 PDFAeD4=
        C: dXNlciA0NDUzYzNkMGZkMTY4NzkyZDU2NWM3MjhiNGRmNjczOQ==
        S: 334 
        C:\n";
    let once = offering("AUTH CRAM-MD5", &format!("{cram}S: 235 ok"));
    assert_eq!(CLEAR.end(&once), "authenticated by CRAM-MD5");
    let twice = offering("AUTH CRAM-MD5", &format!("{cram}S: 334 \nC: *\nS: 501 no"));
    let end = "AUTH CRAM-MD5 was given up: the server goes on after the exchange was over";
    assert_eq!(CLEAR.end(&twice), end);
    let scram = format!(
        "C: AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=
        {SERVER_FIRST}
        {CLIENT_FINAL}
        S: 334 dj0zT3ZBN1h4dU1VNnRzUVJMQWY3U3cxTHJQeG9rdmJxOVlCellBNWQ2VXJVPQ==
        C:
        S: 334 
        C:
        S: 235 ok"
    );
    assert_eq!(
        TLS.end(&offering("AUTH SCRAM-SHA-256", &scram)),
        "authenticated by SCRAM-SHA-256"
    );
}

/// LOG-02, LS-02, LS-07: "Ignore prompt text; step 1 = username, step 2 = password, by position".
#[test]
fn log_02_login_by_position() {
    let prompts = [
        ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"),
        ("dXNlcm5hbWU6", "cGFzc3dvcmQ6"),
        ("VXNlciBOYW1lAA==", "UGFzc3dvcmQA"),
        ("", ""),
        ("QmVudXR6ZXJuYW1l", "S2Vubndvcnq="),
    ];
    for (first, second) in prompts {
        let dialogue = format!(
            "C: AUTH LOGIN\nS: 334 {first}\nC: dXNlcg==\nS: 334 {second}\nC: c2VjcmV0\nS: 235 ok"
        );
        assert_eq!(
            TLS.end(&offering("AUTH=LOGIN", &dialogue)),
            "authenticated by LOGIN",
            "{first}"
        );
    }
}

/// LS-01, netscape-era server: the name on the line; LS-08: a server that ignores it there; LS-09: one that refuses it.
#[test]
fn log_05_login_with_the_name_on_the_line() {
    let rows = [
        "S: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok",
        "S: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok",
        "S: 535 no\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok",
        "S: 501 no\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok",
    ];
    for rest in rows {
        let dialogue = offering("AUTH LOGIN", &format!("C: AUTH LOGIN dXNlcg==\n{rest}"));
        assert_eq!(EAGER.end(&dialogue), "authenticated by LOGIN", "{rest}");
    }
}

/// LS-04, LS-05, LS-06, CLI-07, CLI-08: whatever the prompt says, the message that was withheld follows.
#[test]
fn prompts_for_plain_in_the_field() {
    for prompt in [
        "334",
        "334 ",
        "334  ",
        "334\t",
        "334 PLAIN supported",
        "334 VXNlcm5hbWU6",
        "334-a\nS: 334 b",
    ] {
        let dialogue = format!("C: AUTH PLAIN\nS: {prompt}\nC: AHVzZXIAc2VjcmV0\nS: 235 ok");
        assert_eq!(
            WITHHELD.end(&offering("AUTH PLAIN", &dialogue)),
            "authenticated by PLAIN",
            "{prompt}"
        );
    }
}

/// PLAIN-05, LS-10: Exim without `server_prompts` wants the message on the line.
#[test]
fn plain_05_on_the_line_after_all() {
    let dialogue = "C: AUTH PLAIN\nS: 535 Incorrect authentication data\nC: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 ok";
    assert_eq!(
        WITHHELD.end(&offering("AUTH PLAIN", dialogue)),
        "authenticated by PLAIN"
    );
}

/// AUTH-14: "MUST NOT use IR" when the line would be longer than 512 octets. LOG-11: nothing is wrapped.
#[test]
fn auth_14_a_long_message_waits() {
    const LONG: fn(InitialResponsePolicy) -> Vec<ClientCommand> = |initial_response| {
        let authcid = "u".repeat(400);
        vec![ClientCommand::Authenticate(Authentication {
            authcid,
            initial_response,
            ..authentication()
        })]
    };
    let message = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("\0{}\0secret", "u".repeat(400)))
    };
    assert_eq!(message.len(), 544);
    let waits = format!("C: AUTH PLAIN\nS: 334 \nC: {message}\nS: 235 ok");
    let at_once = format!("C: AUTH PLAIN {message}\nS: 235 ok");
    let default = Setting {
        commands: || LONG(InitialResponsePolicy::WhenItFits),
        ..UNDER_TLS
    };
    let long = Setting {
        commands: || LONG(InitialResponsePolicy::Long),
        ..UNDER_TLS
    };
    assert_eq!(
        default.end(&offering("AUTH PLAIN", &waits)),
        "authenticated by PLAIN"
    );
    assert_eq!(
        long.end(&offering("AUTH PLAIN", &at_once)),
        "authenticated by PLAIN"
    );
    // CODE-03, LS-21: "500 5.5.6 → shorter or no IR".
    let refused = format!("C: AUTH PLAIN {message}\nS: 500 5.5.2 Line too long\n{waits}");
    assert_eq!(
        long.end(&offering("AUTH PLAIN", &refused)),
        "authenticated by PLAIN"
    );
}

/// LS-36: "when the initial response had to be withheld and 5 s bring no 334, send the response line anyway, once, only where the
/// password may be sent on this channel". A prompt that comes late is answered by what was sent already.
#[test]
fn ls_36_the_silent_server() {
    let ends = ["S: 235 ok", "S: 334 \nS: 235 ok", "S: 334 go on\nS: 235 ok"];
    for end in ends {
        let dialogue = format!("C: AUTH PLAIN\n[4 s]\n[1 s]\nC: AHVzZXIAc2VjcmV0\n{end}");
        assert_eq!(
            WITHHELD.end(&offering("AUTH PLAIN", &dialogue)),
            "authenticated by PLAIN",
            "{end}"
        );
    }
    let twice = "C: AUTH PLAIN\n[5 s]\nC: AHVzZXIAc2VjcmV0\n[5 s]\n[590 s]";
    assert_eq!(
        WITHHELD.play(&offering("AUTH PLAIN", twice))[1],
        "the server did not answer in time at AUTH"
    );
    // LOGIN speaks second: nothing waits to be sent unasked.
    let login = "C: AUTH LOGIN\n[5 s]\n[595 s]";
    assert_eq!(
        WITHHELD.play(&offering("AUTH LOGIN", login))[1],
        "the server did not answer in time at AUTH"
    );
}

/// SASL-09, SASL-10, LS-03, CRAM-10: the choice depends on the channel. T-17: a password is never offered to the wire.
#[test]
fn sasl_09_the_strongest_that_the_channel_may_carry() {
    /// The list, and the choice under TLS, in clear, and on a trusted wire.
    type Row = (&'static str, [Option<&'static str>; 3]);
    let lists: &[Row] = &[
        ("AUTH PLAIN LOGIN", [Some("PLAIN"), None, Some("PLAIN")]),
        (
            "AUTH LOGIN PLAIN CRAM-MD5",
            [Some("PLAIN"), Some("CRAM-MD5"), Some("CRAM-MD5")],
        ),
        (
            "AUTH CRAM-MD5 LOGIN",
            [Some("LOGIN"), Some("CRAM-MD5"), Some("CRAM-MD5")],
        ),
        (
            "AUTH CRAM-MD5",
            [Some("CRAM-MD5"), Some("CRAM-MD5"), Some("CRAM-MD5")],
        ),
        (
            "AUTH CRAM-MD5 SCRAM-SHA-256 PLAIN",
            [
                Some("SCRAM-SHA-256"),
                Some("SCRAM-SHA-256"),
                Some("SCRAM-SHA-256"),
            ],
        ),
        (
            "AUTH SCRAM-SHA-1 CRAM-MD5 PLAIN",
            [
                Some("SCRAM-SHA-1"),
                Some("SCRAM-SHA-1"),
                Some("SCRAM-SHA-1"),
            ],
        ),
        (
            "AUTH SCRAM-SHA-1 SCRAM-SHA-512 SCRAM-SHA-256",
            [
                Some("SCRAM-SHA-512"),
                Some("SCRAM-SHA-512"),
                Some("SCRAM-SHA-512"),
            ],
        ),
        ("auth plain", [Some("PLAIN"), None, Some("PLAIN")]),
        ("AUTH=LOGIN", [Some("LOGIN"), None, Some("LOGIN")]),
        ("X-EXPS LOGIN", [Some("LOGIN"), None, Some("LOGIN")]),
        ("AUTH GSSAPI NTLM", [None, None, None]),
        ("AUTH SCRAM-SHA-256-PLUS", [None, None, None]),
        ("AUTH", [None, None, None]),
        ("SIZE", [None, None, None]),
    ];
    for (list, [tls, clear, wire]) in lists {
        for (setting, expected) in [(&TLS, tls), (&CLEAR, clear), (&WIRE, wire)] {
            let mut sent = first_command(setting, list);
            sent.truncate(sent.find(' ').map_or(sent.len(), |at| {
                sent[at + 1..]
                    .find(' ')
                    .map_or(sent.len(), |next| at + 1 + next)
            }));
            let expected = expected.map_or(String::new(), |name| format!("AUTH {name}"));
            assert_eq!(
                sent, expected,
                "{list} {} {}",
                setting.tls, setting.clear_password
            );
        }
    }
}

fn first_command(setting: &Setting, list: &str) -> String {
    use crate::client::{ClientInput, ClientOutput, ClientProfile, ClientSession, HelloName};
    use gatepost_sasl::ClientAnswer;
    let now = super::some_time();
    let profile = ClientProfile {
        start_tls: setting.start_tls,
        clear_password: setting.clear_password,
        ..ClientProfile::new(HelloName::parse("c").unwrap())
    };
    let mut session = ClientSession::new(profile, setting.tls.then(crate::TlsFacts::default), now);
    session.handle(ClientInput::Bytes(b"220 x\r\n"), now);
    session.handle(
        ClientInput::Bytes(format!("250-x\r\n250 {list}\r\n").as_bytes()),
        now,
    );
    session.pending_output().clear();
    for command in (setting.commands)() {
        session.handle(ClientInput::Command(command), now);
    }
    while let Some(output) = session.poll() {
        if let ClientOutput::Ask(id, _) = output {
            let password = gatepost_sasl::Secret::new("secret");
            session.handle(
                ClientInput::Answer(id, ClientAnswer::Password(password)),
                now,
            );
        }
    }
    String::from_utf8(session.pending_output().clone())
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn a_given_mechanism_and_no_other() {
    fn only(choice: MechanismChoice, assume_offered: bool) -> Vec<ClientCommand> {
        vec![ClientCommand::Authenticate(Authentication {
            choice,
            assume_offered,
            ..authentication()
        })]
    }
    for (mechanism, command) in [
        (&PLAIN, "C: AUTH PLAIN AHVzZXIAc2VjcmV0"),
        (&LOGIN, "C: AUTH LOGIN"),
        (&CRAM_MD5, "C: AUTH CRAM-MD5"),
    ] {
        let commands = only(MechanismChoice::Only(mechanism), false);
        assert_eq!(
            UNDER_TLS.play_with(
                commands,
                &offering("AUTH SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5", command)
            ),
            ["connected"]
        );
    }
    let commands = only(MechanismChoice::Only(&SCRAM_SHA_256), false);
    let ends = UNDER_TLS.play_with(commands, &offering("AUTH PLAIN", ""));
    assert_eq!(ends[1], "none of the mechanisms offered can be used: PLAIN");
    // LS-32: "unadvertised AUTH works (policy hides by IP)".
    let commands = only(MechanismChoice::Only(&LOGIN), true);
    assert_eq!(
        UNDER_TLS.play_with(commands, &offering("SIZE", "C: AUTH LOGIN")),
        ["connected"]
    );
}

/// LS-18, CAP-12: a server that wants TLS before AUTH gets it, also where it was not demanded.
#[test]
fn ls_18_tls_on_demand() {
    let tls = "C: STARTTLS
        S: 220 go
        [TLS]
        C: EHLO client.example.com
        S: 250-x
        S: 250 AUTH PLAIN
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 235 ok";
    for refusal in [
        "530 5.7.0 Must issue a STARTTLS command first",
        "538 5.7.11 no",
        "523 5.7.10 no",
        "524 5.7.11 no",
    ] {
        let dialogue = format!(
            "S: 220 x\nC: EHLO client.example.com\nS: 250-x\nS: 250-AUTH CRAM-MD5\nS: 250 STARTTLS\nC: AUTH CRAM-MD5\nS: {refusal}\n{tls}"
        );
        assert_eq!(CLEAR.end(&dialogue), "authenticated by PLAIN", "{refusal}");
    }
    let hidden = format!("S: 220 x\nC: EHLO client.example.com\nS: 250-x\nS: 250 STARTTLS\n{tls}");
    assert_eq!(CLEAR.end(&hidden), "authenticated by PLAIN");
}

/// CODE-03, LS-35, LS-17: EHLO once more, and then again; a server that says "already identified" is taken at its word.
#[test]
fn ls_35_ehlo_first() {
    for answer in [
        "S: 250-x\nS: 250 AUTH PLAIN",
        "S: 503 5.5.1 Invalid command: Already identified",
    ] {
        for refusal in ["503 AUTH command used when not advertised", "502 no"] {
            let dialogue = format!(
                "C: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: {refusal}\nC: EHLO client.example.com\n{answer}\nC: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: 235 ok"
            );
            assert_eq!(
                WIRE.end(&offering("AUTH PLAIN", &dialogue)),
                "authenticated by PLAIN",
                "{answer} {refusal}"
            );
        }
    }
}
