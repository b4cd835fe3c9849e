//! The grammar: what is read, what is refused, and how often each directive may come.

use super::super::directive::{Directives, Malformed, Printer};
use super::super::message::{Challenge, Response, ResponseAuth};
use super::super::protection::{Cipher, Protection};
use crate::layer::{LayerPolicy, LayerStrength};

/// The challenge of RFC 2831 §4.
const CHALLENGE: &str = r#"realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8"#;

/// Its response, moved to mail submission.
const RESPONSE: &str = r#"charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,cnonce="OA6MHXh6VqTrRk",digest-uri="smtp/elwood.innosoft.com",response=52ff44907f72314481b5c098c708ebf3,qop=auth"#;

// DIG-24, DIG-01.
#[test]
fn dig_24_dig_01_quotes_blanks_and_empty_elements() {
    let list = Directives::parse(
        b",, Realm = \"a \\\"b\\\\c\\d\" ,\r\n\t nc\t=\t00000001,,qop=auth , empty=\"\",uri=smtp/host, ",
    )
    .unwrap();
    let one = |name| list.exactly_one(name).map(<[u8]>::to_vec);
    assert_eq!(one("realm"), Ok(b"a \"b\\cd".to_vec()));
    assert_eq!(one("nc"), Ok(b"00000001".to_vec()));
    assert_eq!(one("qop"), Ok(b"auth".to_vec()));
    assert_eq!(one("empty"), Ok(Vec::new()));
    assert_eq!(one("uri"), Ok(b"smtp/host".to_vec()));
    assert_eq!(one("other"), Err(Malformed("other")));
    assert!(Directives::parse(b" , ,").is_ok());

    let printer = Printer::default().quoted("a", b"a \"b\\c").bare("nc", "1");
    assert_eq!(printer.finish(), br#"a="a \"b\\c",nc=1"#);
}

#[test]
fn dig_24_what_is_no_list() {
    for (text, part) in [
        ("a", "directive list"),
        ("a=", "directive list"),
        ("=b", "directive list"),
        ("a=b c=d", "directive list"),
        ("a=\"b\"c", "directive list"),
        ("a b=c", "directive list"),
        ("a=b;c=d,e", "directive list"),
        ("a=\"b", "quoted string"),
        ("a=\"b\\", "quoted string"),
        ("a=\"b\0\"", "quoted string"),
        ("a=\"b\\\0\"", "quoted string"),
        ("a=b\0", "directive list"),
        ("a=\u{e9}", "directive list"),
        ("a=\\b", "directive list"),
    ] {
        assert_eq!(
            Directives::parse(text.as_bytes()),
            Err(Malformed(part)),
            "{text:?}"
        );
    }
}

// DIG-03: too many, too few, or of a value that does not exist.
#[test]
fn dig_03_dig_01_dig_23_challenges_that_are_none() {
    let parse = |text: &str| Challenge::parse(text.as_bytes());
    let with = |more: &str| format!("{CHALLENGE},{more}");
    for (text, part) in [
        (with("nonce=\"again\""), "nonce"),
        (with("qop=\"auth\""), "qop"),
        (with("stale=true,stale=true"), "stale"),
        (with("maxbuf=1024,maxbuf=1024"), "maxbuf"),
        (with("charset=utf-8"), "charset"),
        (with("algorithm=md5-sess"), "algorithm"),
        (with("cipher=\"rc4\",cipher=\"des\""), "cipher"),
        (with("maxbuf=16"), "maxbuf"),
        (with("maxbuf=16777216"), "maxbuf"),
        (with("maxbuf=+1024"), "maxbuf"),
        (with("maxbuf=\"\""), "maxbuf"),
        (CHALLENGE.replace("md5-sess", "md5"), "algorithm"),
        (CHALLENGE.replace("algorithm=md5-sess,", ""), "algorithm"),
        (CHALLENGE.replace("utf-8", "latin1"), "charset"),
        (CHALLENGE.replace("OA6MG9tEQGm2hh", ""), "nonce"),
        (CHALLENGE.replace("nonce=", "nance="), "nonce"),
        (
            CHALLENGE.replace("\"auth\"", "\"auth,auth-conf\""),
            "cipher",
        ),
        (with(&format!("x=\"{}\"", "y".repeat(2000))), "length"),
        (String::new(), "algorithm"),
    ] {
        assert_eq!(parse(&text), Err(Malformed(part)), "{text}");
    }
    let most = with(&format!("x=\"{}\"", "y".repeat(2047 - CHALLENGE.len() - 5)));
    assert_eq!(most.len(), 2047);
    assert!(parse(&most).is_ok());
}

// LS-25, DIG-02, DIG-03: several realms, none, lists without quotes, words with them, and words nobody knows.
#[test]
fn ls_25_dig_02_dig_03_odd_challenges_are_read() {
    let parse = |text: &str| Challenge::parse(text.as_bytes()).unwrap();
    let plain = parse(CHALLENGE);
    assert_eq!(plain.realms, [b"elwood.innosoft.com".to_vec()]);
    assert_eq!(plain.nonce, b"OA6MG9tEQGm2hh");
    assert_eq!(plain.strengths, [LayerStrength::None]);
    assert!(plain.utf8 && !plain.stale);
    assert_eq!(plain.maxbuf, 65_536);

    let two = parse(r#"realm="a",realm="b",nonce="n",algorithm=md5-sess"#);
    assert_eq!(two.realms, [b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(two.strengths, [LayerStrength::None]);
    assert!(!two.utf8);

    let quoted = parse(
        r#"nonce="n",algorithm="md5-sess",charset="utf-8",qop="auth, auth-zip,auth-int",stale="true",maxbuf="4096",cipher="3des,aes-ctr,rc4,rc4-56",fancy=yes,fancy=yes"#,
    );
    assert!(quoted.realms.is_empty() && quoted.utf8 && quoted.stale);
    assert_eq!(quoted.maxbuf, 4096);
    assert_eq!(
        quoted.strengths,
        [LayerStrength::None, LayerStrength::Integrity]
    );
    assert_eq!(
        quoted.ciphers,
        [Cipher::TripleDes, Cipher::Rc4, Cipher::Rc4With56Bits]
    );

    let bare = parse("nonce=n,qop=auth,auth-int , auth-conf,cipher=rc4,des,algorithm=md5-sess");
    assert_eq!(bare.strengths, LayerStrength::ALL);
    assert_eq!(bare.ciphers, [Cipher::Rc4, Cipher::Des]);
}

// DIG-02, DIG-16, DIG-23.
#[test]
fn dig_02_dig_16_dig_23_the_challenge_we_send() {
    let print = |realms: &[&str], layers| {
        let realms: Vec<_> = realms.iter().map(|realm| (*realm).to_owned()).collect();
        String::from_utf8(Challenge::print(&realms, "N", layers, false)).unwrap()
    };
    assert_eq!(
        print(&["a.example", "b \"c\""], LayerPolicy::NEVER),
        r#"realm="a.example",realm="b \"c\"",nonce="N",qop="auth",charset=utf-8,algorithm=md5-sess"#
    );
    assert_eq!(
        print(&[], LayerPolicy::ANY),
        r#"nonce="N",qop="auth,auth-int,auth-conf",cipher="3des,rc4",maxbuf=65536,charset=utf-8,algorithm=md5-sess"#
    );
    let weak = LayerPolicy {
        weak_ciphers: true,
        ..LayerPolicy::exactly(LayerStrength::Confidentiality)
    };
    assert_eq!(
        print(&[], weak),
        r#"nonce="N",qop="auth-conf",cipher="3des,rc4,des,rc4-56,rc4-40",maxbuf=65536,charset=utf-8,algorithm=md5-sess"#
    );
    assert_eq!(
        print(&[], LayerPolicy::exactly(LayerStrength::Integrity)),
        r#"nonce="N",qop="auth-int",maxbuf=65536,charset=utf-8,algorithm=md5-sess"#
    );
}

// DIG-11, DIG-16, DIG-23, DIG-08.
#[test]
fn dig_11_dig_16_dig_23_responses_that_are_none() {
    let with = |more: &str| format!("{RESPONSE},{more}");
    let confidential = RESPONSE.replace("qop=auth", "qop=auth-conf");
    let mut rows = vec![
        (with("qop=auth"), "qop"),
        (with("charset=utf-8"), "charset"),
        (with("realm=\"other\""), "realm"),
        (with("authzid=\"a\",authzid=\"a\""), "authzid"),
        (with("maxbuf=1024,maxbuf=1024"), "maxbuf"),
        (with("maxbuf=16"), "maxbuf"),
        (with("maxbuf=99999999"), "maxbuf"),
        (with("cipher=rc4,cipher=rc4"), "cipher"),
        (RESPONSE.replace("qop=auth", "qop=auth-zip"), "qop"),
        (confidential.clone(), "cipher"),
        (format!("{confidential},cipher=aes-ctr"), "cipher"),
        (format!("{confidential},cipher=des,maxbuf=24"), "maxbuf"),
        (RESPONSE.replace("nc=00000001", "nc=1"), "nc"),
        (RESPONSE.replace("nc=00000001", "nc=0000000g"), "nc"),
        (RESPONSE.replace("=52ff", "=52fg"), "response"),
        (RESPONSE.replace("=52ff", "=+2ff"), "response"),
        (RESPONSE.replace("=52ff", "=52f"), "response"),
        (RESPONSE.replace("utf-8", "utf-16"), "charset"),
        (RESPONSE.replace("OA6MHXh6VqTrRk", ""), "cnonce"),
        (with(&format!("x=\"{}\"", "y".repeat(4000))), "length"),
    ];
    for name in [
        "username",
        "nonce",
        "cnonce",
        "nc",
        "digest-uri",
        "response",
    ] {
        rows.push((RESPONSE.replace(&format!(",{name}="), ",other="), name));
        rows.push((with(&format!("{name}=00000001")), name));
    }
    for (text, part) in rows {
        assert_eq!(
            Response::parse(text.as_bytes()),
            Err(Malformed(part)),
            "{text}"
        );
    }
}

// LC-40, DIG-11: quotes where they do not belong, and no qop.
#[test]
fn lc_40_dig_11_odd_responses_are_read() {
    let standard = Response::parse(RESPONSE.as_bytes()).unwrap();
    assert_eq!(standard.protection, Protection::None);
    for odd in [
        RESPONSE.replace("qop=auth", "qop=\"auth\""),
        RESPONSE.replace("nc=00000001", "nc=\"00000001\""),
        RESPONSE
            .replace("response=", "response=\"")
            .replace(",qop", "\",qop"),
        RESPONSE.replace(",qop=auth", ""),
        RESPONSE.replace("qop=auth", "qop=AUTH"),
        RESPONSE.replace("52ff", "52FF"),
        RESPONSE.replace("utf-8", "\"UTF-8\""),
        RESPONSE.replace(',', " ,\r\n ,"),
        format!("{RESPONSE},maxbuf=65536,cipher=rc4,fancy=1,fancy=2"),
    ] {
        assert_eq!(
            Response::parse(odd.as_bytes()).as_ref(),
            Ok(&standard),
            "{odd}"
        );
    }
}

// DIG-09, DIG-08, DIG-24: what we send reads back, with quotes in names escaped.
#[test]
fn dig_09_dig_24_the_response_we_send() {
    let response = Response::parse(RESPONSE.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(response.print()).unwrap(), RESPONSE);
    let response = Response {
        username: br#"jo "ho" \x"#.to_vec(),
        realm: Vec::new(),
        protection: Protection::Confidentiality(Cipher::Rc4With40Bits),
        authzid: Some(b"other".to_vec()),
        utf8: false,
        ..response
    };
    let text = String::from_utf8(response.print()).unwrap();
    assert!(
        text.starts_with(r#"username="jo \"ho\" \\x",nonce="#),
        "{text}"
    );
    assert!(
        text.ends_with(r#",qop=auth-conf,cipher=rc4-40,maxbuf=65536,authzid="other""#),
        "{text}"
    );
    assert_eq!(Response::parse(text.as_bytes()), Ok(response));
}

#[test]
fn dig_14_the_servers_proof() {
    let digest = [0x0f; 16];
    let text = ResponseAuth::print(digest);
    assert_eq!(text, b"rspauth=0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f");
    assert_eq!(ResponseAuth::parse(&text), Ok(digest));
    for bad in ["", "rspauth=0f", "rspauth", "nonce=\"n\""] {
        assert!(ResponseAuth::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn no_noise_is_read_with_a_panic(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = Challenge::parse(&octets);
        let _ = Response::parse(&octets);
        let _ = ResponseAuth::parse(&octets);
    }
}
