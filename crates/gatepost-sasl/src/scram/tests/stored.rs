//! Published keys, derivation in slices, and the stored text form.

use super::*;
use crate::Progress;
use crate::pairing::unhex;
use crate::verifier::VerifierFault;

// SCR-09, SCR-20: RFC 7677 §3, MailKit, and one password in all its derivations.
#[test]
fn published_keys() {
    let salt = BASE64.decode(SALT).unwrap();
    assert_eq!(
        salted(Hash::Sha256, b"pencil", &salt, 4096).expose(),
        unhex("c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d")
    );
    for (hash, password, salt, stored_key, server_key) in [
        (
            Hash::Sha1,
            "pencil",
            "QSXCR+Q6sek8bf92",
            "6dlGYMOdZcOPutkcNY8U2g7vK9Y=",
            "D+CSWLOshSulAsxiupA+qs2/fTE=",
        ),
        (
            Hash::Sha1,
            "test",
            "GetyLXdBuHzf1FWf8SLz2Q==",
            "NA/OqmF4hhrsrB9KR7po+dliTGM=",
            "QBiURvQaE6H6qYTmeghDHLANBFQ=",
        ),
        (
            Hash::Sha256,
            "pencil",
            SALT,
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        ),
        (
            Hash::Sha512,
            "pencil",
            SALT,
            "6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==",
            "jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA==",
        ),
        (
            Hash::Sha256,
            "test",
            "LfNGSFqiFykEZ1xDAYlnKQ==",
            "HACNf9CII7cMz3XjRy/Oh3Ae2LHApoDyNw74d3YtFws=",
            "AQH0j7Hf8J12g8eNBadvzlNB2am3PxgNwFCFd3RxEaw=",
        ),
        (
            Hash::Sha256,
            "correct horse battery staple",
            "MDEyMzQ1Njc4OWFiY2RlZg==",
            "5uVcxEsM9g7qPWkT/Usq98S+VIB8ZwsV7h8MtqvDrsw=",
            "w3JcoKUbh5ZrGRqalbS6V0TZabsE2hsOQi9C15FvDZk=",
        ),
        (
            Hash::Sha512,
            "correct horse battery staple",
            "MDEyMzQ1Njc4OWFiY2RlZg==",
            "2C9Y0MKhBP9OwjlsYD3g6POPJngJmHzcx7SnHiyZrdsazLDNftLzX+HHdvGGMbrgdKjUxLo1/9hLVoigk92Q7A==",
            "V9yjY7E0FN0jbKQ1mGP47qB3s3JEONs/oAZ/qQZkkiwjMSfMvLcShtXZepzSVuO9mg0oxwvA0GrjzMWAvDok+A==",
        ),
    ] {
        let salt = BASE64.decode(salt).unwrap();
        let verifier = ScramVerifier::derive(hash, &Secret::new(password), salt, 4096).unwrap();
        assert_eq!(
            BASE64.encode(verifier.stored_key()),
            stored_key,
            "{hash:?} {password}"
        );
        assert_eq!(
            BASE64.encode(verifier.server_key()),
            server_key,
            "{hash:?} {password}"
        );
    }
}

#[test]
fn slices_yield_what_one_run_yields_and_can_be_dropped_in_between() {
    let derivation = Derivation {
        hash: Hash::Sha256,
        password: Secret::new("pencil"),
        salt: BASE64.decode(SALT).unwrap(),
        iterations: 4096,
    };
    for slice in [0, 1, 7, 1000, 4095, 4096, u32::MAX] {
        let (mut work, mut turns) = (derivation.start(), 1_u32);
        let key = loop {
            match work.run(slice) {
                Progress::Working(rest) => (work, turns) = (rest, turns + 1),
                Progress::Done(key) => break key,
            }
        };
        assert!(key.ct_eq(&derivation.run()), "{slice}");
        assert_eq!(turns, 4095_u32.div_ceil(slice.max(1)));
    }
    assert!(matches!(derivation.start().run(1), Progress::Working(_)));
}

// SCR-21: Dovecot's own test suite has these for the password "test".
#[test]
fn what_dovecot_keeps_is_read() {
    for text in [
        "{SCRAM-SHA-1}4096,GetyLXdBuHzf1FWf8SLz2Q==,NA/OqmF4hhrsrB9KR7po+dliTGM=,QBiURvQaE6H6qYTmeghDHLANBFQ=",
        "{SCRAM-SHA-256}4096,LfNGSFqiFykEZ1xDAYlnKQ==,HACNf9CII7cMz3XjRy/Oh3Ae2LHApoDyNw74d3YtFws=,AQH0j7Hf8J12g8eNBadvzlNB2am3PxgNwFCFd3RxEaw=",
        "{scram-sha-256}4096,LfNGSFqiFykEZ1xDAYlnKQ==,HACNf9CII7cMz3XjRy/Oh3Ae2LHApoDyNw74d3YtFws=,AQH0j7Hf8J12g8eNBadvzlNB2am3PxgNwFCFd3RxEaw=",
    ] {
        let verifier = ScramVerifier::parse_dovecot(text).unwrap();
        assert!(verifier.matches(&Secret::new("test")), "{text}");
        assert!(!verifier.matches(&Secret::new("Test")), "{text}");
        let written = verifier.to_text();
        let read = ScramVerifier::parse(&written).unwrap();
        assert_eq!(read.to_text(), written);
    }
    for (text, fault) in [
        ("SCRAM-SHA-1$4096:x$y:z", VerifierFault::Syntax),
        ("{SCRAM-SHA-1}4096,c2FsdA==,AAAA", VerifierFault::Syntax),
        (
            "{SCRAM-SHA-1}4096,c2FsdA==,AAAA,AAAA,AAAA",
            VerifierFault::Syntax,
        ),
        (
            "{SCRAM-SHA-1}4096,c2FsdA==,AAAA,AAAA",
            VerifierFault::KeyLength,
        ),
        (
            "{SCRAM-SHA-1}1,c2FsdA==,AAAA,AAAA",
            VerifierFault::Iterations,
        ),
        (
            "{SSHA}4096,c2FsdA==,AAAA,AAAA",
            VerifierFault::UnknownScheme,
        ),
    ] {
        assert_eq!(
            ScramVerifier::parse_dovecot(text).unwrap_err(),
            fault,
            "{text}"
        );
    }
}

// SCR-21: RFC 5803 §3.
#[test]
fn the_text_form_is_read_strictly_and_written_back() {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let verifier = ScramVerifier::parse(text).unwrap();
    assert_eq!(verifier.to_text().as_str(), text);
    assert_eq!(rfc_7677().verifier().to_text().as_str(), text);
    assert!(
        !format!("{verifier:?}").contains("WG5d"),
        "keys stay out of debug output"
    );

    for (from, to, fault) in [
        ("SCRAM-SHA-256", "SCRAM-SHA-3", VerifierFault::UnknownScheme),
        ("SCRAM-SHA-256", "SCRAM-SHA-512", VerifierFault::KeyLength),
        ("4096", "4095", VerifierFault::Iterations),
        ("4096", "10000001", VerifierFault::Iterations),
        ("4096", "99999999999999999999", VerifierFault::Iterations),
        ("4096", "04096", VerifierFault::Syntax),
        ("4096", "", VerifierFault::Syntax),
        ("W22ZaJ0SNY7soEsUEjb6gQ==", "", VerifierFault::Salt),
        (
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            "W22ZaJ0SNY7soEsUEjb6gQ",
            VerifierFault::Syntax,
        ),
        ("$WG5d", ":WG5d", VerifierFault::Syntax),
        ("wfPL", "", VerifierFault::KeyLength),
        ("wfPL", "!fPL", VerifierFault::Syntax),
    ] {
        assert_eq!(
            ScramVerifier::parse(&text.replacen(from, to, 1)).unwrap_err(),
            fault,
            "{from} -> {to}"
        );
    }
}
