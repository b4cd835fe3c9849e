//! What is wrong with a mechanism's message, and the exact reply to it; the session goes on, and nobody is anybody.
//!
//! Each mechanism has its good exchange as well, so that what refuses the others is what is wrong with them. What is
//! malformed is 501 5.5.2; what is well-formed and does not hold is 535 5.7.8, whichever of its parts is wrong (RFC 4954 §4, §6).

use gatepost_sasl::mechanism::{
    ANONYMOUS, CRAM_MD5, DIGEST_MD5, EXTERNAL, InitialResponse, LOGIN, Mechanism, OAUTHBEARER,
    PLAIN, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, XOAUTH2,
};
use gatepost_testkit::server::ServerBench;
use gatepost_testkit::transcript::Account;

use crate::bench::{base64, codes, greeted, say};

const SUCCESS: &str = "235 2.7.0 Authentication successful";
const MALFORMED: &str = "501 5.5.2 Malformed authentication response";
const INVALID: &str = "535 5.7.8 Authentication credentials invalid";

/// The client's messages, and the last reply.
type Row<'a> = (&'a [&'a [u8]], &'a str);

/// Everybody is known to this server by the published name and password of each mechanism, the name of the certificate among them.
fn server(mechanism: &'static Mechanism) -> ServerBench {
    // -PLUS is offered where it can be: a client that says it saw none is lied to (SCR-12).
    let mut bench = greeted(&[mechanism, &SCRAM_SHA_256_PLUS]);
    let account = |name: &str, password: &str| Account {
        name: name.to_owned(),
        password: password.to_owned(),
        ..Account::default()
    };
    let directory = &mut bench.program.directory;
    directory.accounts = vec![account("user", "pencil"), account("chris", "secret")];
    directory.scram = Some(("W22ZaJ0SNY7soEsUEjb6gQ==".to_owned(), 4096));
    directory.realms = vec!["elwood.innosoft.com".to_owned()];
    directory.tokens = vec![("ya29.tok".to_owned(), "user".to_owned())];
    directory.token_error = Some(br#"{"status":"invalid_token"}"#.to_vec());
    directory.certificate_of = Some("user".to_owned());
    directory.guests_are = Some("user".to_owned());
    let (host, nonce) = if mechanism == &DIGEST_MD5 {
        ("elwood.innosoft.com", "OA6MG9tEQGm2hh")
    } else {
        ("mail.example.com", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    };
    let params = &mut bench.program.params;
    params.realms = vec!["elwood.innosoft.com".to_owned()];
    host.clone_into(&mut params.host);
    nonce.clone_into(&mut params.nonce);
    bench
}

/// Plays each row on a connection of its own: on the AUTH line where the mechanism takes that, and behind an empty challenge too.
#[track_caller]
fn check(mechanism: &'static Mechanism, rows: &[Row<'_>]) {
    assert_eq!(rows[0].1, SUCCESS, "the good one is first");
    for (messages, expected) in rows {
        let client_first = matches!(
            mechanism.initial_response,
            InitialResponse::Optional | InitialResponse::EqualsMeansAbsent
        );
        for initial in [true, false] {
            if initial && !client_first {
                continue;
            }
            let mut bench = server(mechanism);
            let reply = play(&mut bench, mechanism, messages, initial);
            let shown: Vec<_> = messages
                .iter()
                .map(|it| it.escape_ascii().to_string())
                .collect();
            assert_eq!(reply, *expected, "{mechanism} {shown:?} {initial}");
            let next = say(&mut bench, "MAIL FROM:<user@example.com>");
            let nobody = codes(&next) == ["530 5.7.0"];
            assert_eq!(nobody, *expected != SUCCESS, "{next}");
        }
    }
}

/// The last reply, without the id at its end. A client with nothing more to say answers with an empty line.
fn play(
    bench: &mut ServerBench,
    mechanism: &Mechanism,
    messages: &[&[u8]],
    initial: bool,
) -> String {
    let mut messages = messages.iter();
    let mut reply = match messages.as_slice().first() {
        Some(first) if initial => {
            messages.next();
            let first = if first.is_empty() {
                "=".to_owned()
            } else {
                base64(first)
            };
            say(bench, &format!("AUTH {mechanism} {first}"))
        }
        _ => say(bench, &format!("AUTH {mechanism}")),
    };
    while reply.starts_with("334") {
        let message = messages.next().copied().unwrap_or_default();
        reply = say(bench, &base64(message));
    }
    assert_eq!(
        messages.as_slice().len(),
        0,
        "{mechanism}: not all was said before {reply}"
    );
    let reply = reply.trim_end();
    reply
        .rsplit_once(" [")
        .map_or(reply, |(text, _)| text)
        .to_owned()
}

// PLAIN-02, PLAIN-08, CODE-04.
#[test]
fn plain_02_messages_of_plain() {
    let long = [&b"\0user\0"[..], &[b'x'; 1025]].concat();
    check(
        &PLAIN,
        &[
            (&[b"\0user\0pencil"], SUCCESS),
            (&[b"user\0pencil"], MALFORMED),
            (&[b"\0user\0pencil\0"], MALFORMED),
            (&[b"user"], MALFORMED),
            (&[b"\0us\rer\0pencil"], MALFORMED),
            (&[b"a\nb\0user\0pencil"], MALFORMED),
            (&[&long], MALFORMED),
            (&[b""], INVALID),
            (&[b"\0\0"], INVALID),
            (&[b"user\0\0pencil"], INVALID),
            (&[b"\0user\0"], INVALID),
            (&[b"chris\0user\0pencil"], INVALID),
            (&[b"\0user\0\xe9"], INVALID),
        ],
    );
}

// LOG-06, LOG-07.
#[test]
fn log_06_messages_of_login() {
    let long = [b'x'; 1025];
    let rows: &[Row<'_>] = &[
        (&[b"user", b"pencil"], SUCCESS),
        (&[b"user", b"pen\0cil"], MALFORMED),
        (&[b"user", &long], MALFORMED),
        (&[b"us\x07er", b"pencil"], MALFORMED),
        (&[&long, b"pencil"], MALFORMED),
        (&[b"user", b""], INVALID),
        (&[b"\0", b"pencil"], INVALID),
        (&[b"chris", b"pencil"], INVALID),
    ];
    check(&LOGIN, rows);
}

// CRAM-05, CRAM-03.
#[test]
fn cram_05_responses_of_cram_md5() {
    let mut bench = server(&CRAM_MD5);
    let refused = say(&mut bench, &format!("AUTH CRAM-MD5 {}", base64("user x")));
    assert!(
        refused.starts_with("501 5.7.0 Mechanism does not take an initial response"),
        "{refused}"
    );
    let challenge = "<%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0@mail.example.com>";
    let contexts = gatepost_sasl::HmacMd5Contexts::derive(&gatepost_sasl::Secret::new("pencil"));
    let digest = contexts
        .mac(challenge.as_bytes())
        .map(|octet| format!("{octet:02x}"))
        .concat();
    let right = format!("user {digest}");
    let others = format!("chris {digest}");
    let rows: &[Row<'_>] = &[
        (&[right.as_bytes()], SUCCESS),
        (&[b"user"], MALFORMED),
        (&[digest.as_bytes()], MALFORMED),
        (&[&right.as_bytes()[..right.len() - 1]], MALFORMED),
        (&[b"user zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"], MALFORMED),
        (&[b"us\0er 00000000000000000000000000000000"], MALFORMED),
        (&[b" 00000000000000000000000000000000"], INVALID),
        (&[b""], INVALID),
        (&[b"user 00000000000000000000000000000000"], INVALID),
        (&[others.as_bytes()], INVALID),
    ];
    check(&CRAM_MD5, rows);
}

// DIG-03, DIG-08, DIG-13, DIG-16, DIG-24.
#[test]
fn dig_03_responses_of_digest_md5() {
    let right = r#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="smtp/elwood.innosoft.com",response=52ff44907f72314481b5c098c708ebf3,qop=auth"#;
    check(&DIGEST_MD5, &[(&[right.as_bytes()], SUCCESS)]);
    let changed = |from: &str, to: &str| {
        assert!(right.contains(from));
        right.replace(from, to)
    };
    let rows = [
        (changed("username=\"chris\",", ""), MALFORMED),
        (
            changed("charset=utf-8", "charset=utf-8,charset=utf-8"),
            MALFORMED,
        ),
        (changed("qop=auth", "qop=auth,qop=auth"), MALFORMED),
        (changed("qop=auth", "qop=auth-zip"), MALFORMED),
        (changed("qop=auth", "qop=auth-conf"), MALFORMED),
        (changed("qop=auth", "maxbuf=16"), MALFORMED),
        (
            changed("nonce=\"OA6MG9tEQGm2hh\"", "nonce=\"a\",nonce=\"b\""),
            MALFORMED,
        ),
        (changed("nc=00000001", "nc=1"), MALFORMED),
        (changed("response=52ff", "response=52fg"), MALFORMED),
        (changed("response=", "response"), MALFORMED),
        (changed("\"chris\"", "\"chris"), MALFORMED),
        (changed("OA6MG9tEQGm2hh", "OA6MG9tEQGm2hi"), INVALID),
        (changed("nc=00000001", "nc=00000002"), INVALID),
        (changed("response=52ff", "response=52fe"), INVALID),
        (changed("smtp/elwood", "smtp/jake"), INVALID),
        (changed("\"chris\"", "\"jake\""), INVALID),
        (changed("realm=\"elwood", "realm=\"jake"), INVALID),
        (changed("qop=auth", "qop=auth-int"), MALFORMED),
        (String::new(), INVALID),
    ];
    for (response, expected) in rows {
        let messages: &[&[u8]] = &[response.as_bytes()];
        check(
            &DIGEST_MD5,
            &[(&[right.as_bytes()], SUCCESS), (messages, expected)],
        );
    }
}

/// RFC 7677 §3.
const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const LAST: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

// SCR-03, SCR-05, SCR-12, SCR-14, SCR-15, SCR-16.
#[test]
fn scr_03_messages_of_scram() {
    let changed = |from: &str, to: &str| {
        let last = str::from_utf8(LAST).unwrap();
        assert!(last.contains(from));
        last.replace(from, to).into_bytes()
    };
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let lasts = [
        (changed(proof, "!"), MALFORMED),
        (changed(&format!(",p={proof}"), ""), MALFORMED),
        (changed("c=biws,", ""), MALFORMED),
        (changed(",p=", ",m=x,p="), MALFORMED),
        (changed("c=biws", "c=biws,c=biws"), MALFORMED),
        (changed("c=biws", "c=bi\0ws"), MALFORMED),
        (
            changed(proof, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            INVALID,
        ),
        (changed(proof, "AAAA"), INVALID),
        (changed(proof, ""), INVALID),
        (changed("c=biws", "c=eSws"), INVALID),
        (changed("lF$k0", "lF$k"), INVALID),
        (changed("lF$k0", "lF$k00"), INVALID),
    ];
    let mut rows: Vec<(Vec<&[u8]>, &str)> = vec![(vec![FIRST, LAST], SUCCESS)];
    rows.extend(
        lasts
            .iter()
            .map(|(last, reply)| (vec![FIRST, last], *reply)),
    );
    let firsts: [(&[u8], &str); 16] = [
        (b"n,,m=x,n=user,r=x", MALFORMED),
        (b"n,,n=,r=x", MALFORMED),
        (b"n,,n=a=2,r=x", MALFORMED),
        (b"n,,n=a=2x,r=x", MALFORMED),
        (b"n,,n=user", MALFORMED),
        (b"n,,n=user,r=", MALFORMED),
        (b"n,,n=user,r=a b", MALFORMED),
        (b"n,,r=x,n=user", MALFORMED),
        (b"n,,n=us\0er,r=x", MALFORMED),
        (b"n,,n=\xff,r=x", MALFORMED),
        (b"F,n,,n=user,r=x", MALFORMED),
        (b"n,user,n=user,r=x", MALFORMED),
        (b"n=user,r=x", MALFORMED),
        (b"", INVALID),
        (b"y,,n=user,r=x", INVALID),
        (b"p=tls-nothing,,n=user,r=x", INVALID),
    ];
    rows.extend(firsts.iter().map(|(first, reply)| (vec![*first], *reply)));
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(said, reply)| (&said[..], *reply))
        .collect();
    check(&SCRAM_SHA_256, &rows);
}

// SCR-12, SCR-14, CB-08.
#[test]
fn scr_14_messages_of_scram_plus() {
    let first = b"p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    let last = "c=cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=";
    let other_channel = last.replace("Hh8f", "Hh8g").replace("HR4f", "HR4g");
    assert_ne!(last, other_channel);
    let rows: &[Row<'_>] = &[
        (&[first, last.as_bytes()], SUCCESS),
        (&[first, other_channel.as_bytes()], INVALID),
        (&[first, LAST], INVALID),
        (&[FIRST], INVALID),
        (&[b"y,,n=user,r=x"], INVALID),
        (&[b"p=tls-unique,,n=user,r=x"], INVALID),
        (&[b"p=,,n=user,r=x"], INVALID),
        (&[b"p=tls exporter,,n=user,r=x"], MALFORMED),
    ];
    check(&SCRAM_SHA_256_PLUS, rows);
}

// EXT-02, EXT-03, V-08.
#[test]
fn ext_02_messages_of_external() {
    let long = [b'x'; 1025];
    let rows: &[Row<'_>] = &[
        (&[b""], SUCCESS),
        (&[b"user"], SUCCESS),
        (&[b"\0"], MALFORMED),
        (&[b"user\0"], MALFORMED),
        (&[b"\xff"], MALFORMED),
        (&[&long], MALFORMED),
        (&[b"chris"], INVALID),
    ];
    check(&EXTERNAL, rows);
    let mut without = server(&EXTERNAL);
    without.program.directory.certificate_of = None;
    assert_eq!(play(&mut without, &EXTERNAL, &[b""], true), INVALID);
}

// ANON-01.
#[test]
fn anon_01_messages_of_anonymous() {
    let long = "\u{fc}".repeat(256);
    let rows: &[Row<'_>] = &[
        (&[b"sirhc"], SUCCESS),
        (&[long.as_bytes()], MALFORMED),
        (&[b"sirhc\r\nEHLO x"], MALFORMED),
        (&[b"\0"], MALFORMED),
        (&[b"\xff"], MALFORMED),
    ];
    check(&ANONYMOUS, rows);
    let mut without = server(&ANONYMOUS);
    without.program.directory.guests_are = None;
    assert_eq!(play(&mut without, &ANONYMOUS, &[b"sirhc"], true), INVALID);
}

// OAB-01..05.
#[test]
fn oab_02_messages_of_oauthbearer() {
    let heard = b"\x01";
    let rows: &[Row<'_>] = &[
        (&[b"n,a=user,\x01auth=Bearer ya29.tok\x01\x01"], SUCCESS),
        (
            &[b"p=tls-exporter,a=user,\x01auth=Bearer ya29.tok\x01\x01"],
            MALFORMED,
        ),
        (&[b"n,a=us=er,\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (&[b"n,b=user,\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (&[b"n,a=user\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (&[b"n,a=user,\x01auth=Bearer ya29.tok\x01"], MALFORMED),
        (&[b"n,a=user,\x01auth=Bearer ya29.tok"], MALFORMED),
        (&[b"n,a=user,\x01auth\x01\x01"], MALFORMED),
        (
            &[b"n,a=user,\x01auth=Bearer a\x01auth=Bearer b\x01\x01"],
            MALFORMED,
        ),
        (&[b"n,a=user,\x01auth=Bearer a b\x01\x01"], MALFORMED),
        (
            &[b"n,a=user,\x01port=65536\x01auth=Bearer ya29.tok\x01\x01"],
            MALFORMED,
        ),
        (&[b"n,a=\xff,\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (&[b"no commas\x01\x01"], MALFORMED),
        (&[b"\x01"], INVALID),
        (&[b""], INVALID),
        (&[b"n,a=user,\x01auth=\x01\x01", heard], INVALID),
        (
            &[b"n,a=user,\x01auth=Basic ya29.tok\x01\x01", heard],
            INVALID,
        ),
        (
            &[b"n,a=user,\x01auth=Bearer ya29.forged\x01\x01", heard],
            INVALID,
        ),
        (
            &[b"n,a=user,\x01auth=Bearer ya29.forged\x01\x01", b"anything"],
            INVALID,
        ),
        (&[b"n,a=chris,\x01auth=Bearer ya29.tok\x01\x01"], INVALID),
    ];
    check(&OAUTHBEARER, rows);
}

// XOA-01, XOA-04.
#[test]
fn xoa_01_messages_of_xoauth2() {
    let rows: &[Row<'_>] = &[
        (&[b"user=user\x01auth=Bearer ya29.tok\x01\x01"], SUCCESS),
        (&[b"user=user\x01auth=Bearer ya29.tok\x01"], MALFORMED),
        (&[b"user=user"], MALFORMED),
        (&[b"user\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (
            &[b"user=a\x01user=b\x01auth=Bearer ya29.tok\x01\x01"],
            MALFORMED,
        ),
        (&[b"user=us\0er\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (&[b"user=\xff\x01auth=Bearer ya29.tok\x01\x01"], MALFORMED),
        (&[b""], INVALID),
        (&[b"auth=Bearer ya29.tok\x01\x01", b""], INVALID),
        (&[b"user=user\x01\x01", b""], INVALID),
        (
            &[b"user=user\x01auth=Bearer ya29.forged\x01\x01", b""],
            INVALID,
        ),
    ];
    check(&XOAUTH2, rows);
}
