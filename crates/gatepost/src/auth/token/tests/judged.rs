//! Good tokens, and those that are good for something else.

use super::*;

async fn judge(claims: &Value) -> End {
    let signer = Signer::new("k1");
    let bench = Bench::with_keys(&signer.set());
    bench.try_token(&signer.token(claims)).await
}

// OAB-09: "Token's subject/email must match; scope/audience check".
#[tokio::test]
async fn good_tokens_of_every_shape_open_the_account_they_name() {
    for changes in [
        json!({}),
        json!({"aud": ["other", "https://mail.example.com"]}),
        json!({"scope": null, "scp": "smtp"}),
        json!({"scope": null, "scp": ["openid", "smtp"]}),
        json!({"email_verified": true}),
        json!({"email": "User@EXAMPLE.com"}),
        json!({"exp": f64::from(u32::try_from(now()).unwrap()) + 0.5}),
        json!({"exp": now() - 30}),
        json!({"nbf": now() + 30, "iat": now() + 30}),
        json!({"iat": null}),
        json!({"typ": "Bearer"}),
        json!({"azp": "thunderbird", "nonce": "x"}),
    ] {
        assert_eq!(judge(&with(changes.clone())).await, let_in(), "{changes}");
    }
}

// T-20, V-61, OAB-09: every claim that must be right, wrong in every way; `exp` of another type is no `exp`.
#[tokio::test]
async fn t_20_v_61_claims_that_are_not_right_let_nobody_in() {
    use Reason::{
        TokenAccount, TokenAudience, TokenExpired, TokenIssuer, TokenMalformed, TokenNotYet,
    };
    let later = now() + 600;
    let signer = Signer::new("k1");
    let bench = Bench::with_keys(&signer.set());
    for (changes, reason) in [
        (json!({"iss": null}), TokenIssuer),
        (
            json!({"iss": "https://login.example.com/tenant/"}),
            TokenIssuer,
        ),
        (
            json!({"iss": "https://LOGIN.example.com/tenant"}),
            TokenIssuer,
        ),
        (json!({"iss": "https://evil.example"}), TokenIssuer),
        (json!({"iss": [ISSUER]}), TokenIssuer),
        (json!({"exp": null}), TokenExpired),
        (json!({"exp": now() - 61}), TokenExpired),
        (json!({"exp": 0}), TokenExpired),
        (json!({"exp": later.to_string()}), TokenMalformed),
        (json!({"exp": [later]}), TokenMalformed),
        (json!({"exp": {"at": later}}), TokenMalformed),
        (json!({"exp": true}), TokenMalformed),
        (json!({"exp": -1}), TokenMalformed),
        (json!({"nbf": now() + 90}), TokenNotYet),
        (json!({"nbf": "0"}), TokenMalformed),
        (json!({"iat": now() + 90}), TokenNotYet),
        (json!({"iat": false}), TokenMalformed),
        (json!({"aud": null}), TokenAudience),
        (json!({"aud": "mailx"}), TokenAudience),
        (json!({"aud": "MAIL"}), TokenAudience),
        (json!({"aud": ""}), TokenAudience),
        (json!({"aud": []}), TokenAudience),
        (json!({"aud": [["mail"]]}), TokenAudience),
        (json!({"aud": {"mail": 1}}), TokenAudience),
        (json!({"aud": 7}), TokenAudience),
        (json!({"email": null}), TokenAccount),
        (json!({"email": ""}), TokenAccount),
        (json!({"email": [NAME]}), TokenAccount),
        (json!({"email": "nobody@example.com"}), TokenAccount),
        (
            json!({"email": null, "preferred_username": NAME}),
            TokenAccount,
        ),
        (json!({"email_verified": false}), TokenAccount),
        (json!({"email_verified": "false"}), TokenAccount),
        (json!({"email_verified": 0}), TokenAccount),
        (json!({"at_hash": "x"}), TokenMalformed),
        (json!({"c_hash": "x"}), TokenMalformed),
        (json!({"typ": "ID"}), TokenMalformed),
        (json!({"typ": "Refresh"}), TokenMalformed),
        (json!({"typ": 1}), TokenMalformed),
    ] {
        let token = signer.token(&with(changes.clone()));
        assert_eq!(bench.try_token(&token).await, refused(reason), "{changes}");
    }
}

// OAB-11: only a token that is right in everything else is told so.
#[tokio::test]
async fn a_scope_that_is_too_small_is_told() {
    for scope in [
        json!(null),
        json!(""),
        json!("smtpx"),
        json!("SMTP"),
        json!(["imap"]),
        json!(7),
    ] {
        let end = judge(&with(json!({"scope": scope}))).await;
        let told = End::Refused("insufficient_scope".to_owned(), Reason::TokenScope);
        assert_eq!(end, told, "{scope}");
        let end = judge(&with(json!({"scope": scope, "aud": "other"}))).await;
        assert_eq!(end, refused(Reason::TokenAudience));
    }
}

// OAB-09, SASL-02, SASL-03.
#[tokio::test]
async fn oab_09_the_token_says_who_and_the_account_as_whom() {
    let signer = Signer::new("k1");
    let bench = Bench::with_keys(&signer.set());
    let token = signer.token(&good());
    for (authzid, acts_as) in [
        (None, Some(NAME)),
        (Some("USER@example.com"), Some(NAME)),
        (Some("shared@example.com"), Some("shared@example.com")),
        (Some("other@example.com"), None),
        (Some("nobody@example.com"), None),
    ] {
        let expected = match acts_as {
            Some(acts_as) => End::In(NAME.to_owned(), acts_as.to_owned()),
            None => refused(Reason::TokenAccount),
        };
        assert_eq!(bench.try_as(&token, authzid).await, expected, "{authzid:?}");
    }
    bench.store.set_enabled(NAME, false).unwrap();
    assert_eq!(
        bench.try_token(&token).await,
        End::Verdict(Refusal::AccountDisabled)
    );
}

// OAB-03: "`host`/`port`, if present and known to the server, MUST match".
#[tokio::test]
async fn oab_03_a_client_that_means_another_server_is_refused() {
    let signer = Signer::new("k1");
    let mut bench = Bench::with_keys(&signer.set());
    let token = signer.token(&good());
    let says = |host: Option<&str>, port| Question::Token {
        mechanism: &OAUTHBEARER,
        authzid: None,
        token: Secret::new(token.as_str()),
        host: host.map(str::to_owned),
        port,
    };
    let known = says(Some("anything.example"), Some(1));
    assert!(
        matches!(bench.ask(&known).await, Answer::Verdict(_)),
        "not known"
    );
    let reached = |host: &str, port| HostPort {
        host: host.to_owned(),
        port,
    };
    bench.channel.reached_as = [
        reached("mail.example.com", 587),
        reached("smtp.example.com", 2587),
    ]
    .into();
    for (host, port, fits) in [
        (None, None, true),
        (Some("mail.example.com"), Some(587), true),
        (Some("MAIL.example.com"), None, true),
        (Some("smtp.example.com"), Some(2587), true),
        (None, Some(2587), true),
        (Some("smtp.example.com"), Some(587), false),
        (Some("mail.example.com"), Some(25), false),
        (Some("mail.example.net"), Some(587), false),
        (None, Some(25), false),
    ] {
        match bench.ask(&says(host, port)).await {
            Answer::Verdict(_) => assert!(fits, "{host:?} {port:?}"),
            Answer::TokenRefused { document } => {
                assert!(!fits, "{host:?} {port:?}");
                let document: Value = serde_json::from_slice(&document).unwrap();
                assert_eq!(document["status"], "invalid_request");
            }
            other => panic!("{other:?}"),
        }
    }
}

// OAB-03, OAB-04, OAB-11, XOA-01: the documents of B7.
#[tokio::test]
async fn oab_11_the_error_document_says_what_is_wanted_and_where() {
    let bench = Bench::with_keys(&Signer::new("k1").set());
    for (mechanism, token, expected) in [
        (
            &OAUTHBEARER,
            "",
            json!({"status": "invalid_token", "scope": "smtp", "openid-configuration": "https://login.example.com/tenant/.well-known/openid-configuration"}),
        ),
        (
            &OAUTHBEARER,
            "opaque",
            json!({"status": "invalid_token", "scope": "smtp", "openid-configuration": "https://login.example.com/tenant/.well-known/openid-configuration"}),
        ),
        (
            &XOAUTH2,
            "",
            json!({"status": "400", "schemes": "bearer", "scope": "smtp"}),
        ),
        (
            &XOAUTH2,
            "opaque",
            json!({"status": "401", "schemes": "bearer", "scope": "smtp"}),
        ),
    ] {
        let answer = bench.ask(&question(mechanism, token, None)).await;
        let Answer::TokenRefused { document } = answer else {
            panic!("{answer:?}");
        };
        let document: Value = serde_json::from_slice(&document).unwrap();
        assert_eq!(document, expected, "{mechanism} {token}");
    }
}

#[test]
fn tokens_are_announced_only_where_there_is_an_issuer() {
    let none = Bench::new(&[]);
    let one = Bench::new(&[configured(Path::new("keys.json"))]);
    let channel = Channel::default();
    for mechanism in gatepost_sasl::mechanism::ALL {
        let token = mechanism.needs == Needs::Token;
        assert_eq!(
            one.directory.completes(mechanism, &channel),
            token,
            "{mechanism}"
        );
        assert!(
            !none.directory.completes(mechanism, &channel),
            "{mechanism}"
        );
    }
}
