//! Tokens that nobody who may has made (T-20): whatever was done to them, nobody is let in and all get the same document.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding};

use super::*;

/// A token with this header that an HMAC under `key` signs.
fn hmac_signed(algorithm: hmac::Algorithm, header: &Value, key: &[u8]) -> String {
    let signed = signed_part(header, &good());
    let tag = hmac::sign(&hmac::Key::new(algorithm, key), signed.as_bytes());
    format!("{signed}.{}", base64url(tag.as_ref()))
}

/// A header with some members changed; null takes one out.
fn header(signer: &Signer, changes: &Value) -> Value {
    let mut header = signer.header();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            header.as_object_mut().unwrap().remove(name);
        } else {
            header[name] = value.clone();
        }
    }
    header
}

/// What was done, and the token.
type Forged = (String, String);

/// Headers, signed by the right key: what they promise must not be believed.
fn headers(signer: &Signer) -> Vec<Forged> {
    let mut all = Vec::new();
    for changes in [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "NONE"}),
        json!({"alg": ""}),
        json!({"alg": null}),
        json!({"alg": 7}),
        json!({"alg": ["ES256"]}),
        json!({"alg": "es256"}),
        json!({"alg": "ES256 "}),
        json!({"alg": "ES384"}),
        json!({"alg": "ES512"}),
        json!({"alg": "ES256K"}),
        json!({"alg": "RS256"}),
        json!({"alg": "PS256"}),
        json!({"alg": "HS256"}),
        json!({"alg": "EdDSA"}),
        json!({"kid": "k2"}),
        json!({"kid": ""}),
        json!({"kid": "K1"}),
        json!({"kid": "../../x"}),
        json!({"kid": "a/b\u{0}"}),
        json!({"kid": "' OR 1=1 --"}),
        json!({"kid": "k1\u{0}"}),
        json!({"kid": 1}),
        json!({"kid": ["k1"]}),
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"typ": "logout+jwt"}),
        json!({"typ": "dpop+jwt"}),
        json!({"typ": "secevent+jwt"}),
        json!({"typ": 1}),
    ] {
        let token = signer.sign(&header(signer, &changes), &good());
        all.push((changes.to_string(), token));
    }
    all
}

/// Keys of the forger, offered in the token.
fn own_keys() -> Vec<Forged> {
    let mut all = Vec::new();
    let forger = Signer::new("k1");
    all.push(("another key".to_owned(), forger.token(&good())));
    for changes in [
        json!({"jwk": forger.jwk()}),
        json!({"jku": "https://evil.example/keys"}),
        json!({"x5u": "https://evil.example/cert.pem"}),
        json!({"x5c": ["MIIB"]}),
        json!({"jwk": forger.jwk(), "kid": null}),
        json!({"jwk": forger.jwk(), "kid": "k9"}),
    ] {
        let token = forger.sign(&header(&forger, &changes), &good());
        all.push((changes.to_string(), token));
    }
    all
}

/// An HMAC under what everybody knows.
fn public_secrets(signer: &Signer) -> Vec<Forged> {
    let mut all = Vec::new();
    let point = signer.key.public_key().as_ref();
    let jwk = signer.jwk().to_string();
    let set = signer.set().to_string();
    for (name, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ] {
        for (what, key) in [
            ("the point", point),
            ("x", &point[1..33]),
            ("the JWK", jwk.as_bytes()),
            ("the set", set.as_bytes()),
            ("nothing", b""),
            ("the kid", b"k1"),
        ] {
            let header = header(signer, &json!({"alg": name}));
            let token = hmac_signed(algorithm, &header, key);
            all.push((format!("{name} under {what}"), token));
        }
    }
    all
}

/// Parts of a good token, put together differently.
fn parts(signer: &Signer) -> Vec<Forged> {
    let mut all = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));
    let good_token = signer.token(&good());
    let parts: Vec<&str> = good_token.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let other_claims = base64url(
        with(json!({"email": "other@example.com"}))
            .to_string()
            .as_bytes(),
    );
    let short = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for (what, token) in [
        ("other claims", format!("{head}.{other_claims}.{signature}")),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("one part", head.to_owned()),
        ("four parts", format!("{good_token}.{signature}")),
        (
            "five parts",
            format!("{good_token}.{signature}.{signature}"),
        ),
        ("a dot before", format!(".{good_token}")),
        ("no claims", format!("{head}..{signature}")),
        ("no header", format!(".{body}.{signature}")),
        (
            "a short signature",
            format!("{head}.{body}.{}", base64url(&short[..63])),
        ),
        (
            "a long signature",
            format!("{head}.{body}.{}", base64url(&[&short[..], b"x"].concat())),
        ),
        ("zeros", format!("{head}.{body}.{}", base64url(&[0; 64]))),
        ("padding", format!("{good_token}==")),
        (
            "a nested token",
            signer.sign(&header(signer, &json!({"cty": "JWT"})), &json!(good_token)),
        ),
        (
            "claims that are a list",
            signer.sign(&signer.header(), &json!([good()])),
        ),
        (
            "claims that are null",
            signer.sign(&signer.header(), &Value::Null),
        ),
        ("no issuer", signer.token(&json!({}))),
        ("JSON itself", good().to_string().replace(' ', "")),
        ("a word", "secret".to_owned()),
        ("dots", "...".to_owned()),
    ] {
        add(what, token);
    }
    // Every part with one octet changed, here and there.
    for at in (0..good_token.len()).step_by(23) {
        let mut octets = good_token.clone().into_bytes();
        octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
        add(&format!("octet {at}"), String::from_utf8(octets).unwrap());
    }
    all
}

// T-20: "≥ 80 forged tokens → 0 accepted, all the same JSON error". V-30: a key id is an index into the set and nothing else.
#[tokio::test]
async fn t_20_v_30_no_forged_token_is_taken_and_all_get_the_same_answer() {
    let signer = Signer::new("k1");
    let bench = Bench::with_keys(&signer.set());
    assert_eq!(bench.try_token(&signer.token(&good())).await, let_in());
    let forged = [
        headers(&signer),
        own_keys(),
        public_secrets(&signer),
        parts(&signer),
    ]
    .concat();
    assert!(forged.len() >= 80, "{}", forged.len());
    let mut documents = std::collections::HashSet::new();
    for (what, token) in forged {
        match bench.ask(&question(&OAUTHBEARER, &token, None)).await {
            Answer::TokenRefused { document } => documents.insert(document),
            other => panic!("{what}: {other:?}"),
        };
    }
    assert_eq!(documents.len(), 1, "{documents:?}");
}

/// A set in which an RSA key, a curve, and things of no use stand side by side.
fn rsa_set(key: &RsaKeyPair, changes: &Value) -> Value {
    use aws_lc_rs::signature::KeyPair as _;
    let public = key.public_key();
    let mut jwk = json!({
        "kty": "RSA", "kid": "r1",
        "n": base64url(public.modulus().big_endian_without_leading_zero()),
        "e": base64url(public.exponent().big_endian_without_leading_zero()),
    });
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "r1"}, {"kty": 7}, 7, jwk]})
}

fn rsa_token(key: &RsaKeyPair, padding: &'static dyn RsaEncoding, algorithm: &str) -> String {
    let signed = signed_part(&json!({"alg": algorithm, "kid": "r1"}), &good());
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        padding,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", base64url(&signature))
}

// T-20: "alg pinned per issuer": by the key, and by what the key says of itself.
#[tokio::test]
async fn t_20_a_key_decides_which_algorithms_it_verifies() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let tokens = [
        ("RS256", rsa_token(&key, &RSA_PKCS1_SHA256, "RS256")),
        ("RS512", rsa_token(&key, &RSA_PKCS1_SHA512, "RS512")),
        ("PS256", rsa_token(&key, &RSA_PSS_SHA256, "PS256")),
    ];
    for (changes, taken) in [
        (json!({}), &["RS256", "RS512", "PS256"][..]),
        (json!({"alg": "RS256"}), &["RS256"]),
        (json!({"alg": "PS256", "use": "sig"}), &["PS256"]),
        (json!({"key_ops": ["verify"]}), &["RS256", "RS512", "PS256"]),
    ] {
        let bench = Bench::with_keys(&rsa_set(&key, &changes));
        for (algorithm, token) in &tokens {
            let expected = if taken.contains(algorithm) {
                let_in()
            } else {
                refused(Reason::TokenKeyUnknown)
            };
            assert_eq!(
                bench.try_token(token).await,
                expected,
                "{changes} {algorithm}"
            );
        }
        // The right signature under another name of its algorithm.
        let renamed = rsa_token(&key, &RSA_PKCS1_SHA256, "RS384");
        assert!(matches!(bench.try_token(&renamed).await, End::Refused(..)));
    }
    // A key for another use is not there; with it the set is empty.
    for changes in [
        json!({"use": "enc"}),
        json!({"key_ops": ["sign"]}),
        json!({"e": ""}),
        json!({"n": "AQAB"}),
    ] {
        let bench = Bench::with_keys(&rsa_set(&key, &changes));
        let end = bench.try_token(&tokens[0].1).await;
        assert_eq!(end, End::Outage(Reason::TokenIssuerDown), "{changes}");
    }
}
