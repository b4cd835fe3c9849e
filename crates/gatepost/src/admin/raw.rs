//! The octets of a message, streamed as they are read.
//!
//! A body that proves damaged breaks off before its announced length: the client sees a failed transfer, not a complete message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use super::{Site, api, pages};
use crate::control::messages::RawMessage;

/// Octets read at a time.
const PIECE: usize = 64 << 10;

/// `GET /api/messages/{id}/raw`: a download.
pub(super) async fn download(State(site): State<Site>, Path(id): Path<String>) -> Response {
    let message = match site.messages.raw(&id).await {
        Ok(message) => message,
        Err(error) => return api::fault(error),
    };
    let mut response = Body::new(RawBody::new(message)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("message/rfc822"),
    );
    // What is found is an id, whose alphabet needs no quotes.
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{id}.eml\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// `GET /messages/{id}/raw`: plain text to look at.
pub(super) async fn shown(State(site): State<Site>, Path(id): Path<String>) -> Response {
    let message = match site.messages.raw(&id).await {
        Ok(message) => message,
        Err(error) => return pages::fault(&site, error),
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (kind, Body::new(RawBody::new(message))).into_response()
}

struct RawBody {
    message: RawMessage,
    left: u64,
}

impl RawBody {
    fn new(message: RawMessage) -> Self {
        Self {
            left: message.length(),
            message,
        }
    }
}

impl HttpBody for RawBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; PIECE];
        let mut buffer = ReadBuf::new(&mut piece);
        if let Err(error) = ready!(Pin::new(&mut self.message).poll_read(context, &mut buffer)) {
            return Poll::Ready(Some(Err(error)));
        }
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        self.left = self.left.saturating_sub(read as u64);
        piece.truncate(read);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
