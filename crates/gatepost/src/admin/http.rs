//! The HTTP server of the pages: connections, their limits, and which path is whose.
//!
//! HTTP/1.1 only. A client has [`HEAD_WAIT`] for the head of a request, idle time between requests included; a connection lives at
//! most [`CONNECTION_LIFE`]; [`MAX_CONNECTIONS`] are open at once and further ones wait. When the server stops, requests under way
//! are finished.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::fence::{self, Reach};
use super::tokens::Issuing;
use super::{Site, api, pages, raw, tokens};

/// Connections at the same time.
pub const MAX_CONNECTIONS: usize = 32;

/// How long a client may take over the head of a request.
pub const HEAD_WAIT: Duration = Duration::from_secs(15);

/// How long a connection lives.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(5 * 60);

/// Octets of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// Serves the pages on a bound listener until `stop` is ready and the requests under way are answered.
pub async fn serve(listener: TcpListener, site: Site, stop: impl Future<Output = ()>) {
    // A bound listener has an address; without one, the narrower reach is the safe one.
    let reach = listener.local_addr().map_or(Reach::Loopback, Reach::of);
    let router = router(site, reach);
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            stream = accept(&listener), if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(connection(stream, router.clone(), stopped.clone()));
            }
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, or the peer is gone already: in either case the next may work.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, router: Router, stopped: watch::Receiver<bool>) {
    // Latency is all that is lost without it.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(MAX_HEAD);
    let service = TowerToHyperService::new(router);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let whole = async {
        tokio::select! {
            // How a connection ended is the client's affair.
            _ = served.as_mut() => {}
            () = turned_true(stopped) => {
                served.as_mut().graceful_shutdown();
                let _ = served.as_mut().await;
            }
        }
    };
    let _ = timeout(CONNECTION_LIFE, whole).await;
}

async fn turned_true(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}

fn router(site: Site, reach: Reach) -> Router {
    let issuer = site.issuer.clone().map(|issuer| Issuing {
        issuer,
        site: site.clone(),
    });
    Router::new()
        .route("/", get(pages::inbox))
        .route("/messages/{id}", get(pages::message))
        .route("/messages/{id}/raw", get(raw::shown))
        .route("/attempts", get(pages::attempts))
        .route("/ui/gatepost.css", get(style))
        .route("/ui/icon.svg", get(icon))
        .route(
            "/api/messages",
            get(api::messages).delete(api::delete_messages),
        )
        .route("/api/messages/{id}", get(api::message))
        .route("/api/messages/{id}/raw", get(raw::download))
        .route("/api/attempts", get(api::attempts))
        .route("/healthz", get(api::health))
        .route("/metrics", get(api::metrics))
        .fallback(pages::nothing_here)
        .with_state(site)
        .merge(issuer.map_or_else(Router::new, tokens::router))
        .layer(from_fn_with_state(reach, fence::stand))
}

async fn style() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("../../ui/gatepost.css"))
}

async fn icon() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
    (kind, include_str!("../../ui/icon.svg"))
}
