//! Mail clients of others submit with tokens from the issuer of a development server.

use gatepost::config::resolved::DevIssuer;
use tokio::process::Command;

use super::super::clients::javamail::JavaMail;
use super::clients::{CLIENTS, Submission, javamail};
use super::submission::{Lane, Target};
use crate::peer_table::passed;

async fn dev() -> Target {
    Target::start(|config| {
        config.http = Some(([127, 0, 0, 1], 0).into());
        config.dev_issuer = Some(DevIssuer {
            account: "dev@localhost".into(),
            guarded: false,
        });
    })
    .await
}

/// A token, as the hint of `gatepost dev` gets it.
async fn token(target: &Target, kind: &str) -> String {
    let pages = target.server.http.unwrap();
    let url = format!("http://{pages}/api/tokens/raw?kind={kind}");
    let mut curl = Command::new("curl");
    let output = curl
        .args(["--silent", "--fail", &url])
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

// XOA-01, OAB-01 as programs in use do them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_others_submit_with_tokens() {
    let target = dev().await;
    for client in &CLIENTS {
        for mechanism in client.mechanisms {
            for lane in Lane::BOTH {
                let token = token(&target, "valid").await;
                target.takes(&client.command, mechanism, lane, &token).await;
                passed(client.name, mechanism, lane.name(), "to Gatepost");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javamail_submits_with_tokens() {
    let target = dev().await;
    let compiled = JavaMail::compile().await;
    for lane in Lane::BOTH {
        let token = token(&target, "valid").await;
        let begin = |submission: &Submission<'_>| javamail(&compiled, submission);
        target.takes(&begin, "XOAUTH2", lane, &token).await;
        passed("JavaMail", "XOAUTH2", lane.name(), "to Gatepost");
    }
}

/// OAB-05, XOA-04: every one of them reads the error document, says something to it, and is told that the token is no good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_others_are_told_that_a_token_is_no_good() {
    let target = dev().await;
    for (kind, reason) in [
        ("expired", "token-expired"),
        ("wrong-audience", "token-audience"),
    ] {
        let token = token(&target, kind).await;
        for client in &CLIENTS {
            for mechanism in client.mechanisms {
                let said = target
                    .refuses(&client.command, mechanism, &token, reason)
                    .await;
                assert!(said.contains("535"), "{}: {said}", client.name);
            }
        }
    }
}
