//! The clients: sessions that send message after message until the server dies under them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use gatepost_client::{
    Address, Client, Connector, Credentials, Envelope, Error, ForwardPath, MechanismChoice, Roots,
    TlsMode, mechanism,
};
use tokio::io::{AsyncRead, ReadBuf};

use super::chance::Chance;
use super::fuse::{Fuse, Moment};
use super::ledger::Ledger;
use super::mail::{Mail, Post};
use super::process::{ACCOUNT, PASSWORD, Process};

/// Messages of a connection at most.
const MESSAGES: u64 = 25;

/// What all sessions share.
pub(super) struct Senders {
    pub(super) post: Post,
    pub(super) ledger: Arc<Ledger>,
    pub(super) roots: Roots,
    pub(super) numbers: AtomicU64,
}

/// A session of one life of the process.
pub(super) struct Session {
    senders: Arc<Senders>,
    fuse: Arc<Fuse>,
    connector: Connector,
    choice: MechanismChoice,
    chance: Chance,
}

impl Session {
    /// The `place`-th session: the channels and mechanisms take turns.
    pub(super) fn new(
        place: usize,
        senders: &Arc<Senders>,
        process: &Process,
        fuse: &Arc<Fuse>,
        chance: Chance,
    ) -> Self {
        let connector = |address: SocketAddr, mode| {
            Connector::new(address.ip().to_string(), address.port(), mode)
                .ehlo_name("client.example")
                .roots(senders.roots.clone())
                .allow_clear_password(true)
        };
        let starttls = || connector(process.starttls, TlsMode::StartTls);
        let legacy = || connector(process.legacy, TlsMode::None);
        let (connector, mechanism) = match place % 4 {
            0 => (starttls(), &mechanism::SCRAM_SHA_256),
            1 => (legacy(), &mechanism::CRAM_MD5),
            2 => (starttls(), &mechanism::PLAIN),
            _ => (legacy(), &mechanism::LOGIN),
        };
        Self {
            senders: Arc::clone(senders),
            fuse: Arc::clone(fuse),
            connector,
            choice: MechanismChoice::Only(mechanism),
            chance,
        }
    }

    /// Sends until the process has died.
    pub(super) async fn run(mut self) {
        loop {
            if let Err(error) = self.connection().await {
                assert!(self.fuse.is_blown(), "before its time: {error}");
                return;
            }
        }
    }

    async fn connection(&mut self) -> Result<(), Error> {
        let mut client = self.connector.connect().await?;
        let credentials = Credentials::new(ACCOUNT, PASSWORD);
        client.authenticate(&credentials, self.choice).await?;
        for _ in 0..self.chance.between(1, MESSAGES) {
            let number = self.senders.numbers.fetch_add(1, Ordering::Relaxed);
            let mail = self.senders.post.write(number, ACCOUNT, &mut self.chance);
            self.send(&mut client, &mail).await?;
        }
        client.quit().await;
        Ok(())
    }

    async fn send(&mut self, client: &mut Client, mail: &Mail) -> Result<(), Error> {
        let sender = Address::parse(ACCOUNT).unwrap();
        let recipients = mail.recipients.iter();
        let recipients = recipients.map(|to| ForwardPath::parse(to, "crash.example").unwrap());
        let envelope = Envelope::new(sender, recipients, &mail.content);
        self.senders.ledger.sending(mail);
        let length = mail.content.len() as u64;
        let content = Watched {
            rest: &mail.content,
            told_at: usize::try_from(self.chance.between(0, length)).unwrap(),
            fuse: &self.fuse,
        };
        let report = client.send_from(&envelope, content).await?;
        let all = report.recipients.iter().all(Result::is_ok);
        assert!(all, "refused: {report:?}");
        self.senders.ledger.acknowledged(mail.number);
        self.fuse.acknowledged();
        Ok(())
    }
}

/// A content that says how far it has been read.
struct Watched<'a> {
    rest: &'a [u8],
    /// Octets that remain when it is accepted in part.
    told_at: usize,
    fuse: &'a Arc<Fuse>,
}

impl AsyncRead for Watched<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.rest.is_empty() {
            self.fuse.at(Moment::Commit);
        } else if self.rest.len() >= self.told_at {
            self.fuse.at(Moment::Accept);
        }
        let (piece, rest) = self.rest.split_at(self.rest.len().min(buffer.remaining()));
        buffer.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}
