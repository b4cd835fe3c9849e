//! An issuer that is a server of its own, over TLS: it changes its keys, is slow, down, too long, or says nonsense.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::auth::token::fetch::MAX_ANSWER;
use crate::config::resolved::Introspection;

/// What stands at a path: a status and a text, or no answer at all.
#[derive(Clone)]
enum Page {
    Text(u16, String),
    /// The answer to a form, by a piece of the form; the first that fits.
    Form(Vec<(String, String)>),
    Silence,
}

/// A server of pages over TLS.
struct Site {
    address: SocketAddr,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    /// Requests so far: path, authorization and body.
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
    directory: TempDir,
    serving: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Site {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(certified(directory.path())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Arc::new(Mutex::new(HashMap::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(serve(
            listener,
            acceptor,
            Arc::clone(&pages),
            Arc::clone(&asked),
        ));
        Self {
            address,
            pages,
            asked,
            directory,
            serving,
        }
    }

    /// Its name as an issuer.
    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    fn put_json(&self, path: &str, json: &Value) {
        self.put(path, Page::Text(200, json.to_string()));
    }

    /// Publishes metadata and keys.
    fn publish(&self, keys: &Value) {
        let url = self.url();
        self.put_json(
            "/.well-known/openid-configuration",
            &json!({"issuer": url, "jwks_uri": format!("{url}/keys"), "introspection_endpoint": format!("{url}/introspect")}),
        );
        self.put_json("/keys", keys);
    }

    /// How often a path was asked for.
    fn count(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, ..)| asked == path).count()
    }

    fn configured(&self) -> TokenIssuer {
        TokenIssuer {
            issuer: self.url(),
            place: Endpoint::parse(&self.url()).unwrap(),
            keys: KeySource::Discovered,
            ca: Some(self.directory.path().join("ca.pem")),
            ..configured(Path::new(""))
        }
    }

    fn introspecting(&self) -> TokenIssuer {
        let file = self.directory.path().join("secret");
        std::fs::write(&file, "s3cr:t/\n").unwrap();
        TokenIssuer {
            introspection: Some(Introspection {
                endpoint: None,
                client_id: "gate post".to_owned(),
                client_secret_file: file,
            }),
            ..self.configured()
        }
    }

    fn claims(&self, changes: Value) -> Value {
        let mut claims = with(changes);
        claims["iss"] = self.url().into();
        claims
    }
}

/// A server named localhost, by an authority of its own in `ca.pem`.
fn certified(directory: &Path) -> ServerConfig {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    std::fs::write(directory.join("ca.pem"), pem).unwrap();
    let authority = rcgen::Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap()
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, pages, asked) = (acceptor.clone(), Arc::clone(&pages), Arc::clone(&asked));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request: Request<Incoming>| {
                let (pages, asked) = (Arc::clone(&pages), Arc::clone(&asked));
                async move { answer(request, &pages, &asked).await }
            });
            // A client that goes away is nothing to tell.
            let _ =
                pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service)).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    pages: &Mutex<HashMap<String, Page>>,
    asked: &Mutex<Vec<(String, String, String)>>,
) -> Result<Response<String>, Infallible> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization");
    let authorization = authorization
        .map_or("", |it| it.to_str().unwrap())
        .to_owned();
    let body = body(request.into_body()).await;
    let page = pages.lock().unwrap().get(&path).cloned();
    asked
        .lock()
        .unwrap()
        .push((path, authorization, body.clone()));
    let (status, text) = match page {
        Some(Page::Text(status, text)) => (status, text),
        Some(Page::Form(answers)) => {
            let fitting = answers.into_iter().find(|(piece, _)| body.contains(piece));
            (
                200,
                fitting.map_or_else(|| json!({"active": false}).to_string(), |(_, text)| text),
            )
        }
        Some(Page::Silence) => std::future::pending().await,
        None => (404, String::new()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status.try_into().unwrap();
    if (300..400).contains(&status) {
        response
            .headers_mut()
            .insert("location", "/keys".try_into().unwrap());
    }
    Ok(response)
}

async fn body(mut body: Incoming) -> String {
    use http_body::Body as _;
    let mut octets = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await
    {
        octets.extend_from_slice(&frame.unwrap().into_data().unwrap_or_default());
    }
    String::from_utf8(octets).unwrap()
}

// OAB-09: discovery and keys are fetched when the first token comes, once for all.
#[tokio::test]
async fn keys_are_discovered_and_kept() {
    let (site, signer) = (Site::open().await, Signer::new("k1"));
    site.publish(&signer.set());
    let bench = Bench::new(&[site.configured()]);
    assert_eq!(site.count("/keys"), 0);
    let token = signer.token(&site.claims(json!({})));
    let tries = (0..20).map(|_| bench.try_token(&token));
    for end in futures_all(tries).await {
        assert_eq!(end, let_in());
    }
    assert_eq!(
        (
            site.count("/keys"),
            site.count("/.well-known/openid-configuration")
        ),
        (1, 1)
    );
}

/// Runs them all at the same time.
async fn futures_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, end) in running.iter_mut().zip(&mut done) {
            if end.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *end = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

// OAB-09: the other document, and keys at a place that the operator named.
#[tokio::test]
async fn an_issuer_without_openid_is_found_too() {
    let (site, signer) = (Site::open().await, Signer::new("k1"));
    let url = site.url();
    site.put_json(
        "/.well-known/oauth-authorization-server",
        &json!({"issuer": url, "jwks_uri": format!("{url}/keys")}),
    );
    site.put_json("/keys", &signer.set());
    let token = signer.token(&site.claims(json!({})));
    let bench = Bench::new(&[site.configured()]);
    assert_eq!(bench.try_token(&token).await, let_in());

    let elsewhere = Site::open().await;
    elsewhere.put_json("/certs", &signer.set());
    let named = TokenIssuer {
        keys: KeySource::Url(Endpoint::parse(&format!("{}/certs", elsewhere.url())).unwrap()),
        ca: Some(elsewhere.directory.path().join("ca.pem")),
        ..site.configured()
    };
    assert_eq!(Bench::new(&[named]).try_token(&token).await, let_in());
}

// T-21: "unknown kid refetch ≤ 1 per 60 s": what `Fresh` proves about time, here about tokens.
#[tokio::test]
async fn t_21_unknown_keys_do_not_hammer_the_issuer() {
    let (site, signer) = (Site::open().await, Signer::new("k1"));
    site.publish(&signer.set());
    let bench = Bench::new(&[site.configured()]);
    assert_eq!(
        bench
            .try_token(&signer.token(&site.claims(json!({}))))
            .await,
        let_in()
    );
    for number in 0..50 {
        let stranger = Signer::new(&format!("k{number}x"));
        let token = stranger.token(&site.claims(json!({})));
        assert_eq!(
            bench.try_token(&token).await,
            refused(Reason::TokenKeyUnknown)
        );
    }
    assert_eq!(site.count("/keys"), 1);
}

// T-21, CODE-09, OAB-09: "validator down → 454": an issuer that fails, in whatever way, is no judgement about a token.
#[tokio::test]
async fn t_21_an_issuer_that_fails_is_no_judgement() {
    let signer = Signer::new("k1");
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(MAX_ANSWER));
    let keys = signer.set().to_string();
    for (what, page) in [
        ("an error", Page::Text(500, keys.clone())),
        ("nothing there", Page::Text(404, keys.clone())),
        ("a redirect", Page::Text(302, keys.clone())),
        ("no content", Page::Text(204, String::new())),
        ("too long", Page::Text(200, long)),
        ("no JSON", Page::Text(200, "<html>".to_owned())),
        ("a list", Page::Text(200, "[]".to_owned())),
        ("no key", Page::Text(200, "{\"keys\":[]}".to_owned())),
        ("deep", Page::Text(200, "[".repeat(100_000))),
    ] {
        let site = Site::open().await;
        site.publish(&signer.set());
        site.put("/keys", page);
        let bench = Bench::new(&[site.configured()]);
        let end = bench
            .try_token(&signer.token(&site.claims(json!({}))))
            .await;
        assert_eq!(end, End::Outage(Reason::TokenIssuerDown), "{what}");
    }
}

// T-21: "≤ 5 s": silence is an outage, and nobody waits longer.
#[tokio::test]
async fn t_21_a_silent_issuer_is_waited_for_five_seconds() {
    let (site, signer) = (Site::open().await, Signer::new("k1"));
    site.publish(&signer.set());
    site.put("/keys", Page::Silence);
    let bench = Bench::new(&[site.configured()]);
    let token = signer.token(&site.claims(json!({})));
    let asking = tokio::time::timeout(Duration::from_secs(60), bench.try_token(&token));
    assert_eq!(asking.await, Ok(End::Outage(Reason::TokenIssuerDown)));
}

#[tokio::test]
async fn t_21_a_certificate_of_another_authority_is_an_outage() {
    let (site, other, signer) = (Site::open().await, Site::open().await, Signer::new("k1"));
    site.publish(&signer.set());
    let bench = Bench::new(&[TokenIssuer {
        ca: Some(other.directory.path().join("ca.pem")),
        ..site.configured()
    }]);
    let end = bench
        .try_token(&signer.token(&site.claims(json!({}))))
        .await;
    assert_eq!(end, End::Outage(Reason::TokenIssuerDown));
    assert_eq!(site.count("/keys"), 0);
}

// T-21, OAB-09: RFC 7662. The issuer is asked once for a good token, each time for another, and knows us.
#[tokio::test]
async fn opaque_tokens_are_put_to_the_issuer() {
    let (site, signer) = (Site::open().await, Signer::new("k1"));
    site.publish(&signer.set());
    let active = |changes: Value| {
        let mut claims = site.claims(changes);
        claims["active"] = true.into();
        claims.to_string()
    };
    site.put(
        "/introspect",
        Page::Form(vec![
            ("token=good%2Btoken%2F%3D".to_owned(), active(json!({}))),
            (
                "token=unbound".to_owned(),
                active(json!({"iss": null, "aud": null, "exp": null})),
            ),
            (
                "token=expired".to_owned(),
                active(json!({"exp": now() - 600})),
            ),
            ("token=other".to_owned(), active(json!({"aud": "other"}))),
            ("token=scope".to_owned(), active(json!({"scope": "imap"}))),
            ("token=foreign".to_owned(), {
                let mut claims = with(json!({"iss": "https://evil.example"}));
                claims["active"] = true.into();
                claims.to_string()
            }),
            ("token=mute".to_owned(), "{}".to_owned()),
            (
                "token=text".to_owned(),
                json!({"active": "true"}).to_string(),
            ),
        ]),
    );
    let bench = Bench::new(&[site.introspecting()]);
    for _ in 0..3 {
        assert_eq!(bench.try_token("good+token/=").await, let_in());
    }
    assert_eq!(site.count("/introspect"), 1, "remembered");
    {
        let asked = site.asked.lock().unwrap();
        let (_, authorization, body) = asked.iter().find(|it| it.0 == "/introspect").unwrap();
        // "gate%20post:s3cr%3At%2F", RFC 6749 §2.3.1.
        assert_eq!(authorization, "Basic Z2F0ZSUyMHBvc3Q6czNjciUzQXQlMkY=");
        assert!(body.contains("token_type_hint=access_token"), "{body}");
    }
    assert_eq!(bench.try_token("unbound").await, let_in());
    for (token, expected) in [
        ("unknown", refused(Reason::TokenInactive)),
        ("unknown", refused(Reason::TokenInactive)),
        ("expired", refused(Reason::TokenExpired)),
        ("other", refused(Reason::TokenAudience)),
        ("foreign", refused(Reason::TokenIssuer)),
        (
            "scope",
            End::Refused("insufficient_scope".to_owned(), Reason::TokenScope),
        ),
        ("mute", End::Outage(Reason::TokenIssuerDown)),
        ("text", End::Outage(Reason::TokenIssuerDown)),
    ] {
        assert_eq!(bench.try_token(token).await, expected, "{token}");
    }
    // A JWT of another issuer is never shown to this one.
    let count = site.count("/introspect");
    let foreign = signer.token(&good());
    assert_eq!(
        bench.try_token(&foreign).await,
        refused(Reason::TokenIssuer)
    );
    assert_eq!(site.count("/introspect"), count);
    site.put("/introspect", Page::Text(500, String::new()));
    assert_eq!(
        bench.try_token("unknown").await,
        End::Outage(Reason::TokenIssuerDown)
    );
}
