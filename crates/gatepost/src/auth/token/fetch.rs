//! One small HTTP request to an issuer: what comes is bounded, when it comes is bounded, and nobody is sent elsewhere.
//!
//! HTTP/1.1, a connection per request. TLS with the certificate verified against the system's authorities, or those of one file.
//! Anything but 200 is a failure, redirects too (T-21). At most [`AT_ONCE`] requests to an issuer run at the same time; others wait
//! their turn, within the time that an exchange has.
//!
//! Standards: RFC 9112.

use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::config::endpoint::Endpoint;

/// Octets of the longest answer; key sets have a few thousand.
pub(super) const MAX_ANSWER: usize = 256 << 10;

/// Longest time for one request, from the name to the last octet.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Requests to one issuer at the same time.
const AT_ONCE: usize = 16;

/// Asks one issuer.
pub(super) struct Fetcher {
    tls: Arc<ClientConfig>,
    places: Semaphore,
}

/// A form for an endpoint that knows us.
pub(super) struct Form {
    pub(super) body: Zeroizing<String>,
    /// The value of the Authorization field.
    pub(super) authorization: Zeroizing<String>,
}

impl Fetcher {
    /// Trusts the authorities in the PEM file `ca`, or the system's.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, String> {
        let roots = match ca {
            Some(file) => of_file(file)?,
            None => of_the_system(),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(tls),
            places: Semaphore::new(AT_ONCE),
        })
    }

    /// The document at this place.
    pub(super) async fn get(&self, endpoint: &Endpoint) -> Result<Vec<u8>, String> {
        let request = Request::get(endpoint.target.as_str());
        self.ask(endpoint, request, String::new()).await
    }

    /// The answer to a form.
    pub(super) async fn post(&self, endpoint: &Endpoint, form: Form) -> Result<Vec<u8>, String> {
        let request = Request::post(endpoint.target.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, form.authorization.as_str());
        self.ask(endpoint, request, form.body.as_str().to_owned())
            .await
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<Vec<u8>, String> {
        let request = request
            .header(HOST, endpoint.authority.as_str())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "gatepost")
            .body(body)
            .map_err(|error| error.to_string())?;
        let _place = self.places.acquire().await.map_err(|it| it.to_string())?;
        let asked = timeout(DEADLINE, self.exchange(endpoint, request)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")));
        answer.map_err(|what| format!("{}{}: {what}", endpoint.authority, endpoint.path()))
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: Request<String>,
    ) -> Result<Vec<u8>, String> {
        let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(|error| error.to_string())?;
        if !endpoint.tls {
            return converse(stream, request).await;
        }
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|it| it.to_string())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| error.to_string())?;
        converse(stream, request).await
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<String>,
) -> Result<Vec<u8>, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let answered = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status().as_u16()));
        }
        content(answer.into_body()).await
    };
    // The connection lives in this call only: dropped with it, it is closed.
    tokio::select! {
        biased;
        answer = answered => answer,
        ended = connection => Err(match ended {
            Ok(()) => "it closes the connection without an answer".to_owned(),
            Err(error) => error.to_string(),
        }),
    }
}

async fn content(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| error.to_string())?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if octets.len() + data.len() > MAX_ANSWER {
            return Err(format!("the answer is longer than {MAX_ANSWER} octets"));
        }
        octets.extend_from_slice(&data);
    }
    Ok(octets)
}

fn of_file(file: &Path) -> Result<RootCertStore, String> {
    let fault = |what: &dyn ToString| format!("{}: {}", file.display(), what.to_string());
    let pem = std::fs::read(file).map_err(|error| fault(&error))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| fault(&error))?;
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(fault(&"no certificate in it can be used"));
    }
    Ok(roots)
}

/// Without any, every handshake fails and says so.
fn of_the_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
