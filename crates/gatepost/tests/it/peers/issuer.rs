//! The token issuer of `gatepost dev` is one that clients of others understand: openid-client, the certified client library, finds it and gets
//! a token; jose, from what the issuer publishes alone, takes the good one and refuses the bad ones for the right reason.

use std::path::Path;
use std::process::Stdio;

use gatepost::config::resolved::DevIssuer;
use tokio::process::Command;

use crate::peer_table::passed;
use crate::server::Server;

const CLIENT: &str = r"
const { Issuer } = require('openid-client');
const { createRemoteJWKSet, jwtVerify } = require('jose');
const url = process.argv[1];
(async () => {
  const issuer = await Issuer.discover(url);
  const client = new issuer.Client({ client_id: 'app', client_secret: 'any', redirect_uris: [], response_types: [] });
  const granted = await client.grant({ grant_type: 'client_credentials', scope: 'smtp' });
  const keys = createRemoteJWKSet(new URL(issuer.metadata.jwks_uri));
  const verify = (token) => jwtVerify(token, keys, { issuer: url, audience: 'gatepost-dev', typ: 'at+jwt', algorithms: ['ES256'] });
  const { payload } = await verify(granted.access_token);
  console.log('granted', granted.token_type, granted.scope, payload.client_id, payload.email);
  for (const kind of ['valid', 'expired', 'wrong-audience', 'five-seconds']) {
    const token = (await (await fetch(`${url}/api/tokens/raw?kind=${kind}`)).text()).trim();
    const found = await verify(token).then(() => 'good', (error) => `${error.code} ${error.claim}`);
    console.log(kind, found);
  }
})().catch((error) => { console.error(error); process.exit(1); });
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libraries_of_others_understand_the_issuer() {
    let server = Server::start_with(|config| {
        config.http = Some(([127, 0, 0, 1], 0).into());
        config.dev_issuer = Some(DevIssuer {
            account: "dev@localhost".into(),
            guarded: false,
        });
    })
    .await;
    let output = Command::new("node")
        .env("NODE_PATH", node_modules())
        .args([
            "--eval",
            CLIENT,
            &format!("http://{}", server.http.unwrap()),
        ])
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failure}");
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "granted Bearer smtp app dev@localhost",
            "valid good",
            "expired ERR_JWT_EXPIRED exp",
            "wrong-audience ERR_JWT_CLAIM_VALIDATION_FAILED aud",
            "five-seconds good",
        ]
    );
    passed(
        "openid-client and jose",
        "none",
        "none",
        "gets tokens from dev",
    );
}

/// What `./test` installs from npm.
fn node_modules() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/node/node_modules")
}
