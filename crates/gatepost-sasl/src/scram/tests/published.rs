//! Published exchanges, octet by octet.

use super::super::keys::{auth_message, client_proof, expected_server_signature};
use super::*;

// SCR-08, SCR-10: exact octets; the signature goes out in a challenge that an empty response answers.
#[test]
fn rfc_7677_the_published_exchange_octet_by_octet() {
    let wire: Vec<String> = rfc_7677()
        .run()
        .messages
        .iter()
        .map(|message| BASE64.encode(message))
        .collect();
    assert_eq!(
        wire,
        [
            "biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=",
            "cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=",
            "Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==",
            "dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ==",
            "",
        ]
    );
    rfc_7677().check();
}

// SCR-02, SCR-06, SCR-13, SCR-17.
#[test]
fn the_y_flag_authzid_and_escaped_names() {
    Row {
        bindings: exporter(),
        c: "eSws",
        ..Row::new(
            &SCRAM_SHA_256,
            "FoqiHTtQEDE8lz1CdaEe3tK4mS+iMDTl77SPyDS53DY=",
            "dI4KpiQJwBr1+V+K6U1dA6l6I4I9DUNXWND4pcpRU3U=",
        )
    }
    .check();
    Row {
        authzid: Some("shared@example.com"),
        c: "bixhPXNoYXJlZEBleGFtcGxlLmNvbSw=",
        ..Row::new(
            &SCRAM_SHA_256,
            "jccS1xN2hZTiJGIM61HK8nqx/sBOmWvBHsegQ/U2TZo=",
            "6hIzEGXlC7Zc3HXfIl0zH7/ZbvZN171dNdM+I4GLqtk=",
        )
    }
    .check();
    Row {
        user: "a=b,c",
        ..Row::new(
            &SCRAM_SHA_256,
            "bJKq6Cr+J+Orrk2OQPQOAHxO19l/M9lTgL7yO1DpR34=",
            "C5fab32g43kr9kl0OOZIuxs9xxu42NlEjGXB364T6vE=",
        )
    }
    .check();
}

// PREP-03, PREP-04.
#[test]
fn passwords_go_through_saslprep() {
    for password in ["I\u{ad}X", "\u{2168}", "IX"] {
        Row {
            password,
            ..Row::new(
                &SCRAM_SHA_256,
                "Ccfz+MPysZ5YsRatnfoQRtOYQ0RquqCRk+EhNl23pFE=",
                "oSLkEWhkxIA3AphzDz+SheC1WRVNS+NlSwxyipFvUvI=",
            )
        }
        .check();
    }
    Row {
        password: "\u{aa}",
        ..Row::new(
            &SCRAM_SHA_256,
            "FH/8gELhW+j37C3jaEZhwCCaP36lE2lSShLiw3+fhsY=",
            "Wda0cv4dpDl/+1/KXdqgrCcRCQEpi+JBp1FTP6yvJ/g=",
        )
    }
    .check();
}

// PREP-03: why the profile matters.
#[test]
fn without_saslprep_the_proofs_are_others() {
    let full = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    let message = auth_message(
        &format!("n=user,r={CLIENT_NONCE}"),
        &format!("r={full},s={SALT},i=4096"),
        &format!("c=biws,r={full}"),
    );
    let salted = salted(
        Hash::Sha256,
        "\u{aa}".as_bytes(),
        &BASE64.decode(SALT).unwrap(),
        4096,
    );
    assert_eq!(
        BASE64.encode(client_proof(Hash::Sha256, &salted, &message)),
        "gKM5sio0vVH/p1XsgR914okACQJ8W4kc5/pwJxrYv9M="
    );
    assert_eq!(
        BASE64.encode(expected_server_signature(Hash::Sha256, &salted, &message)),
        "02KBGwKdkMjdQ0R2jDereZfIZcIGtPXXrIo+MFCVq3k="
    );
}

// PREP-01, SCR-25.
#[test]
fn names_go_through_saslprep() {
    // xdg-go/scram testdata/good.
    Row {
        user: "ramo\u{301}n",
        password: "p\u{212b}ssword",
        client_nonce: "clientNONCE",
        server_nonce: "serverNONCE",
        salt: "c2FsdFNBTFRzYWx0",
        ..Row::new(
            &SCRAM_SHA_256,
            "KXgIc8B+d5k3zx1P4rfs4TiybIlv11O85Jl1TrzEsfI=",
            "zG9u+MI5GPTROhnW/W1PUCKV4Uvp2SHzwFOZV9Hth/c=",
        )
    }
    .check();
}

// SCR-01: RFC 5802 §5, octet by octet as SMTP carries it.
#[test]
fn rfc_5802_the_published_exchange_octet_by_octet() {
    let row = || {
        rfc_5802(
            "biws",
            "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        )
    };
    let wire: Vec<String> = row()
        .run()
        .messages
        .iter()
        .map(|message| BASE64.encode(message))
        .collect();
    assert_eq!(
        wire,
        [
            "biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM",
            "cj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0wzcmZjTkhZSlkxWlZ2V1ZzN2oscz1RU1hDUitRNnNlazhiZjkyLGk9NDA5Ng==",
            "Yz1iaXdzLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdMM3JmY05IWUpZMVpWdldWczdqLHA9djBYOHYzQnoyVDBDSkdiSlF5RjBYK0hJNFRzPQ==",
            "dj1ybUY5cHFWOFM3c3VBb1pXamE0ZEpSa0ZzS1E9",
            "",
        ]
    );
    row().check();
}

// SCR-01, SCR-17: WildFly Elytron's exchanges with SHA-1.
#[test]
fn sha_1_with_the_y_flag_and_authzid() {
    Row {
        bindings: exporter(),
        ..rfc_5802(
            "eSws",
            "BjZF5dV+EkD3YCb3pH3IP8riMGw=",
            "dsprQ5R2AGYt1kn4bQRwTAE0PTU=",
        )
    }
    .check();
    Row {
        user: "admin",
        authzid: Some("user"),
        ..rfc_5802(
            "bixhPXVzZXIs",
            "sSem09WkghLJOV/Ma5LjIqUtoo8=",
            "xzTfS758LckdRoQKN/ZFY/Bauxo=",
        )
    }
    .check();
}

// SCR-01.
#[test]
fn sha_512_runs_on_the_same_machines() {
    Row::new(
        &SCRAM_SHA_512,
        "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
        "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
    )
    .check();
    Row {
        client_nonce: "/uAp+YhRXyuq+1zS3YWsUsZHpxLfGkcQ",
        server_nonce: "4FHzBxBhPzykjGStpoxdfs4Nyp1mtC9B",
        iterations: 10_000,
        ..Row::new(
            &SCRAM_SHA_512,
            "E2tqtuwJz5ShFuck1/KeqZKCmGZe/Lxjyr6fTZio21wZtlpgyeYLNxxQXrLuK/FfMSCanyDRmI1q5KL1Tj54nQ==",
            "qKOkLNGdt0VrlVkoL3kXjhWmI4SjEfqw8ogXgikzbPOMh6gloo8Mrboq/q3cz0/7hIvcQ1N9VL4m7iiSTTyolQ==",
        )
    }
    .check();
}

// CB-08, CB-09.
#[test]
fn bound_exchanges() {
    const CB: &[u8] = b"imap://elwood.innosoft.com/";
    const C_END_POINT: &str =
        "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaW1hcDovL2Vsd29vZC5pbm5vc29mdC5jb20v";
    const C_UNIQUE: &str = "cD10bHMtdW5pcXVlLCxpbWFwOi8vZWx3b29kLmlubm9zb2Z0LmNvbS8=";
    for (bindings, c, p, v) in [
        (
            end_point(CB),
            C_END_POINT,
            "TJiKTaOm8umanp3qriQ/tSiJ3iY=",
            "4FOxt1+Pv761Owg9JJCCJE5ogoU=",
        ),
        (
            unique(CB),
            C_UNIQUE,
            "91nyQ+7jn+YxGsblvCxpfKUnxwk=",
            "7QQfRcpsgEz8G8pmK+vmYMfLmBU=",
        ),
        (
            exporter(),
            "cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "i0z2xFi+ITaJvbLXpcWyruGx26U=",
            "YgmPUhdXTCPY9I7+PKzEdnp1cdo=",
        ),
    ] {
        Row {
            mechanism: &SCRAM_SHA_1_PLUS,
            bindings,
            ..rfc_5802(c, p, v)
        }
        .check();
    }
    for (mechanism, bindings, c, p, v) in [
        (
            &SCRAM_SHA_256_PLUS,
            end_point(CB),
            C_END_POINT,
            "5mTXE52q6omlPLhl1OBywbbmUZoqUb8TZ0rQcSODGrg=",
            "iTfhTdj45V52spZKUcXtZGOkyhurIJ8/UAxKKJZcmRQ=",
        ),
        (
            &SCRAM_SHA_256_PLUS,
            unique(CB),
            C_UNIQUE,
            "r034Wumf+g5Cw9QvuK2TBTWHLa9hsT0TpUvksIr3P0I=",
            "ZfK3fb1tbWoyTuaEXvUTM2va2RSQgBVJ8QYsympnk8o=",
        ),
        (
            &SCRAM_SHA_512_PLUS,
            end_point(CB),
            C_END_POINT,
            "Lrbr64QBLm57rPiUjNzRxRpy5SmWXr9uo1YaZamnGl5eJlvHL+VO3EogXgUmr8ht+aJoS3d2XOSNN6RUiA05sQ==",
            "mAlQYGd+jaCA+/6Ayj8wRQLKnuxQhjSabvJW4XqtPzjXayzXxbIElZP27ANJa7yNfb54XATe9O0/w1cNxvsRfg==",
        ),
        (
            &SCRAM_SHA_512_PLUS,
            unique(CB),
            C_UNIQUE,
            "vtgb/B7KLKMSSwhLaJufN0efCR3TIVsLtC2o5bqG0jId/9nFgzKSoc9lG9bIy0J9mi4jiYho8ozV1Uuzkcs2bg==",
            "IvtJ4BHN4D4LGpsg8ciEMV8OP8SJ4J1U8bzOyySnz6LeGADY7r1bKcGnrwvHEA13yjPb0uYJlftSkeyDdxijHA==",
        ),
        (
            &SCRAM_SHA_256_PLUS,
            exporter(),
            "cD10bHMtZXhwb3J0ZXIsLAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "QC6CS20quADQRb3mT99YUH+n3VJxUvzuK0K0E1Vrs2M=",
            "2GiAgapEppLVlUXbxUDksL3VgYHzuqiK5tR4mhJGgvs=",
        ),
    ] {
        Row {
            bindings,
            c,
            ..Row::new(mechanism, p, v)
        }
        .check();
    }
}
