//! The contract of the API.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::client::{ask, get};
use super::site::{HELD, Site, submit};
use crate::talk::Talk;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_listed_with_what_is_known_of_it() {
    let site = Site::start().await;
    let clear = site
        .submit("a@example.com", "Subject: one\r\n\r\nHello\r\n")
        .await;
    let tls = site
        .submit_over_tls("b@example.com", "Subject: =?utf-8?q?zw=C3=B6lf?=\r\n\r\n")
        .await;

    let list = get(site.http, "/api/messages").await.json();
    assert_eq!(list["total"], 2);
    let [second, first] = list["messages"].as_array().unwrap().as_slice() else {
        panic!("{list}");
    };
    let expected = json!({
        "id": clear, "received": first["received"], "mail_from": "dev@localhost", "rcpt_to": ["a@example.com"], "subject": "one",
        "size": first["size"], "auth": {"mechanism": "PLAIN", "authcid": "dev@localhost", "authzid": null, "tls": null},
    });
    assert_eq!(first, &expected);
    let received = first["received"].as_str().unwrap();
    assert!(
        received.len() >= 20 && received.ends_with('Z'),
        "{received}"
    );
    let raw = get(site.http, &format!("/api/messages/{clear}/raw")).await;
    assert_eq!(first["size"], raw.body.len());

    assert_eq!(
        (&second["id"], &second["subject"]),
        (&json!(tls), &json!("zwölf"))
    );
    let channel = second["auth"]["tls"].as_str().unwrap();
    assert!(channel.starts_with("TLSv1.3 "), "{channel}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_read_in_parts() {
    let site = Site::start().await;
    let mut talk = site.server.talk_authenticated().await;
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(
            submit(
                &mut talk,
                "a@example.com",
                &format!("Subject: {number}\r\n\r\n"),
            )
            .await,
        );
    }
    ids.reverse();
    let list = async |query: &str| -> (Value, Vec<String>) {
        let list = get(site.http, &format!("/api/messages{query}"))
            .await
            .json();
        let id = |message: &Value| message["id"].as_str().unwrap().to_owned();
        let found = list["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect();
        (list["total"].clone(), found)
    };
    assert_eq!(list("?limit=10000").await, (json!(40), ids.clone()));
    assert_eq!(list("?limit=0").await, (json!(40), vec![]));
    assert_eq!(list("?limit=17").await, (json!(40), ids[..17].to_vec()));
    let behind = format!("?before={}&limit=20", ids[16]);
    assert_eq!(list(&behind).await, (json!(40), ids[17..37].to_vec()));
    assert_eq!(
        list(&format!("?before={}", ids[39])).await,
        (json!(40), vec![])
    );

    for wrong in [
        "?limit=10001",
        "?limit=-1",
        "?limit=x",
        "?limit=",
        "?before=x",
        "?before=",
        "?befor=x",
    ] {
        let answer = get(site.http, &format!("/api/messages{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(
            answer.json()["error"].as_str().unwrap().contains("is"),
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_has_headers_text_and_octets() {
    let site = Site::start().await;
    let mime = "Subject: two\r\n parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nM=FCller\r\n\
                --b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n";
    let id = site.submit("a@example.com", mime).await;

    let message = get(site.http, &format!("/api/messages/{id}")).await.json();
    assert_eq!(
        (&message["id"], &message["subject"]),
        (&json!(id), &json!("two parts"))
    );
    assert_eq!(
        (&message["text"], &message["text_type"]),
        (&json!("Müller"), &json!("text/plain"))
    );
    assert_eq!(message["text_cut"], false);
    let headers = message["headers"].as_array().unwrap();
    let received = &headers[0];
    assert!(
        received["name"] == "Received" && received["value"].as_str().unwrap().contains("ESMTPA")
    );
    assert!(headers.contains(&json!({"name": "Subject", "value": "two parts"})));

    let raw = get(site.http, &format!("/api/messages/{id}/raw")).await;
    assert_eq!(raw.status, 200);
    assert!(
        raw.text()
            .ends_with(&mime[mime.find("\r\n\r\n").unwrap()..])
    );
    assert!(
        raw.text().contains("\r\nSubject: two\r\n parts\r\n"),
        "as it came"
    );
    assert_eq!(raw.field("Content-Type"), Some("message/rfc822"));
    assert_eq!(
        raw.field("Content-Disposition"),
        Some(format!("attachment; filename=\"{id}.eml\"").as_str())
    );
    let shown = get(site.http, &format!("/messages/{id}/raw")).await;
    assert_eq!(
        shown.field("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    assert!(shown.body == raw.body);
}

/// A message of several MiB is streamed whole and read in part.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_is_shown_in_part_and_downloaded_whole() {
    let site = Site::start().await;
    let mut body = String::new();
    for line in 0..60_000 {
        write!(
            body,
            "{line:06} and so on, and so on, and so on, and so on\r\n"
        )
        .unwrap();
    }
    let id = site
        .submit("a@example.com", &format!("Subject: large\r\n\r\n{body}"))
        .await;
    let raw = get(site.http, &format!("/api/messages/{id}/raw")).await;
    assert!(raw.text().ends_with(&body));
    let message = get(site.http, &format!("/api/messages/{id}")).await.json();
    let text = message["text"].as_str().unwrap();
    assert!(message["text_cut"] == true && body.starts_with(text) && text.len() > 1 << 20);
}

/// T-44: what is not the id of a captured message is absent, whatever it is.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_message_and_nothing_else_can_be_named() {
    let site = Site::start().await;
    let held = site
        .submit(&format!("a@{HELD}"), "Subject: private\r\n\r\n")
        .await;
    assert_eq!(site.server.queued().await, 1);
    let unknown = "0001k0rh8ns9mmhcxf7cy74wde";
    let shouted = held.to_uppercase();
    for id in [
        held.as_str(),
        unknown,
        &shouted,
        "..%2f..%2fdata",
        "%00",
        "x",
        "..",
        "%2e%2e",
        "%ff",
    ] {
        for path in [
            format!("/api/messages/{id}"),
            format!("/api/messages/{id}/raw"),
            format!("/messages/{id}"),
            format!("/messages/{id}/raw"),
        ] {
            let answer = get(site.http, &path).await;
            assert!(
                answer.status == 404 || (id == "%ff" && answer.status == 400),
                "{path}: {}",
                answer.status
            );
            assert!(!answer.text().contains("private"), "{path}");
        }
    }
    let absent = get(site.http, &format!("/api/messages/{held}"))
        .await
        .json();
    assert_eq!(absent, json!({"error": "no such message"}));
    assert_eq!(
        get(site.http, "/api/messages").await.json(),
        json!({"total": 0, "messages": []})
    );
}

/// T-55: deleting needs the token, and deletes what is captured.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_needs_the_token() {
    let site = Site::start().await;
    for number in 0..20 {
        site.submit("a@example.com", &format!("Subject: {number}\r\n\r\n"))
            .await;
    }
    site.submit(&format!("a@{HELD}"), "Subject: held\r\n\r\n")
        .await;
    let token = site.server.token.clone().unwrap();
    let delete = async |fields: &str| ask(site.http, "DELETE /api/messages HTTP/1.1", fields).await;

    for wrong in [
        "",
        "Authorization: Bearer x\r\n",
        &format!("Authorization: Basic {token}\r\n"),
        &format!("Cookie: token={token}\r\n"),
    ] {
        let answer = delete(wrong).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert_eq!(
            answer.field("WWW-Authenticate"),
            Some("Bearer realm=\"gatepost\"")
        );
    }
    assert_eq!(get(site.http, "/api/messages").await.json()["total"], 20);
    let right = format!("Authorization: Bearer {token}\r\n");
    let answer = delete(&right).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"deleted": 20}))
    );
    assert_eq!(get(site.http, "/api/messages").await.json()["total"], 0);
    assert_eq!(site.server.queued().await, 1, "what is held stays");
    assert_eq!(delete(&right).await.json(), json!({"deleted": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_tell_how_each_exchange_ended() {
    let site = Site::start().await;
    site.server.talk_authenticated().await;
    let mut talk = site.server.talk_legacy().await;
    talk.ask("EHLO client.example", "250 ").await;
    // dev@localhost with another authzid and a wrong password
    let refusal = talk
        .ask("AUTH PLAIN Ym9zcwBkZXZAbG9jYWxob3N0AHdyb25n", "535 5.7.8 ")
        .await;
    let id = refusal
        .rsplit_once('[')
        .unwrap()
        .1
        .trim_end_matches(']')
        .to_owned();
    talk.ask("AUTH LOGIN", "334 ").await;
    talk.ask("*", "501 ").await;
    let mut tls = Talk::connect(site.server.smtps).await;
    tls = tls
        .start_tls(site.server.directory.path(), &[])
        .await
        .unwrap();
    tls.expect("220 ").await;
    tls.ask("EHLO client.example", "250 ").await;
    tls.ask(crate::server::AUTH_PLAIN, "235 ").await;

    let found = get(site.http, "/api/attempts").await.json();
    assert_eq!(found["total"], 4);
    let [fourth, third, second, first] = found["attempts"].as_array().unwrap().as_slice() else {
        panic!("{found}");
    };
    let expected = json!({
        "time": first["time"], "peer": "127.0.0.1", "mechanism": "PLAIN", "authcid": "dev@localhost", "authzid": null, "tls": null,
        "result": "ok", "reason": "ok", "id": null,
    });
    assert_eq!(first, &expected);
    assert!(first["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&second["result"], &second["reason"]),
        (&json!("failed"), &json!("credentials-invalid"))
    );
    assert_eq!(
        (&second["authzid"], &second["id"]),
        (&json!("boss"), &json!(id))
    );
    assert_eq!(
        (&third["mechanism"], &third["authcid"]),
        (&json!("LOGIN"), &Value::Null)
    );
    assert_eq!(
        (&third["result"], &third["reason"]),
        (&json!("aborted"), &json!("cancelled"))
    );
    assert!(fourth["tls"].as_str().unwrap().starts_with("TLSv1.3"));

    let newest = get(site.http, "/api/attempts?limit=1").await.json();
    assert_eq!(
        (&newest["total"], &newest["attempts"]),
        (&json!(4), &json!([fourth]))
    );
    assert_eq!(get(site.http, "/api/attempts?limit=x").await.status, 400);
    let page = get(site.http, "/attempts").await;
    for text in [
        "4 attempts",
        "credentials-invalid",
        "cancelled",
        "acting as <bdi>boss</bdi>",
        &id,
    ] {
        assert!(page.text().contains(text), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_there() {
    let site = Site::start().await;
    site.submit("a@example.com", "Subject: x\r\n\r\n").await;
    let health = get(site.http, "/healthz").await;
    assert_eq!((health.status, health.text()), (200, "ok\n"));
    let metrics = get(site.http, "/metrics").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.field("Content-Type"), Some(kind));
    let counted = "gatepost_messages_accepted_total{reason=\"captured\"} 1\n";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    assert!(metrics.text().ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_the_form_that_was_asked_for() {
    let site = Site::start().await;
    let api = get(site.http, "/api/nothing").await;
    assert_eq!(
        (api.status, &api.json()["error"]),
        (404, &json!("this is no address of the API"))
    );
    let page = get(site.http, "/nothing").await;
    assert!(page.status == 404 && page.text().contains("Back to the inbox"));
    assert_eq!(
        ask(site.http, "POST /api/messages HTTP/1.1", "")
            .await
            .status,
        405
    );
    let head = ask(site.http, "HEAD /api/messages HTTP/1.1", "").await;
    assert!(head.status == 200 && head.body.is_empty());
}

/// BDAT-03, MIME-01: a binary body is stored octet for octet, whatever its size and its chunks.
#[tokio::test(flavor = "multi_thread")]
async fn a_binary_body_is_given_back_octet_for_octet() {
    let site = Site::start().await;
    let header = "From: dev@localhost\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
         Content-Transfer-Encoding: binary\r\n\r\n";
    let line_ends = b"\n\r\r\n\r\n.\r\n\0.\n.\r\r.\r";
    // In memory, and in a file of its own.
    for size in [1_000, 700_000] {
        let body: Vec<u8> = (0..=255_u8)
            .chain(*line_ends)
            .cycle()
            .take(size)
            .chain(*line_ends)
            .collect();
        let mut talk = site.server.talk_authenticated().await;
        talk.ask("MAIL FROM:<dev@localhost> BODY=BINARYMIME", "250 ")
            .await;
        talk.ask("RCPT TO:<a@example.com>", "250 ").await;
        talk.ask("DATA", "503 5.5.1 ").await;
        let message = [header.as_bytes(), &body].concat();
        for chunk in message.chunks(message.len() / 3) {
            talk.send(format!("BDAT {}\r\n", chunk.len())).await;
            talk.send(chunk).await;
            talk.expect("250 2.0.0 Ok: ").await;
        }
        let reply = talk.ask("BDAT 0 LAST", "250 2.0.0 Ok: queued as ").await;
        let id = reply.rsplit(' ').next().unwrap();
        let raw = get(site.http, &format!("/api/messages/{id}/raw")).await;
        let end = raw.body.windows(4).position(|four| four == b"\r\n\r\n");
        assert!(raw.body[end.unwrap() + 4..] == body, "{size}");
        // The page shows what it can of it.
        let page = get(site.http, &format!("/messages/{id}")).await;
        assert_eq!(page.status, 200);
    }
}
