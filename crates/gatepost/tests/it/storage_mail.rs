//! Messages to queue, and short ways to queue and read them.

use gatepost::policy::relay::{self, RelayGrants};
use gatepost::queue::{
    Committed, Disposition, Envelope, Queue, QueueError, QueueId, SubmissionFacts,
};
use gatepost_smtp::params::Submitter;
use gatepost_smtp::path::ReversePath;
use tokio::io::AsyncReadExt;

use crate::storage_sim::Dice;

pub(crate) fn envelope() -> Envelope {
    Envelope {
        reverse_path: ReversePath::parse("fred@example.com").unwrap(),
        submitter: Submitter::Unknown,
        submission: SubmissionFacts {
            helo: "client.example".to_owned(),
            session: "s1".to_owned(),
            ..SubmissionFacts::default()
        },
        ..Envelope::default()
    }
}

pub(crate) fn grants(recipients: usize) -> RelayGrants {
    let mut grants = RelayGrants::default();
    for number in 0..recipients {
        let address = ReversePath::parse(&format!("rcpt{number}@example.org")).unwrap();
        grants.add(relay::for_notice(&address).unwrap());
    }
    grants
}

/// A message: headers and a body of random octets, so that no two are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) recipients: usize,
    pub(crate) disposition: Disposition,
}

impl Mail {
    pub(crate) fn new(octets: usize, dice: &mut Dice) -> Self {
        let mut body = Vec::with_capacity(octets + 8);
        while body.len() < octets {
            body.extend_from_slice(&dice.next().to_le_bytes());
        }
        body.truncate(octets);
        Self {
            headers: format!("Subject: {}\r\n\r\n", dice.next()).into_bytes(),
            body,
            recipients: 1,
            disposition: Disposition::Deliver,
        }
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        [&*self.headers, &*self.body].concat()
    }

    /// Commits it under an id of the queue's choice.
    pub(crate) async fn commit(&self, queue: &Queue) -> Result<Committed, QueueError> {
        let draft = queue.begin(envelope());
        self.commit_draft(queue, draft).await
    }

    pub(crate) async fn commit_as(
        &self,
        queue: &Queue,
        id: QueueId,
    ) -> Result<Committed, QueueError> {
        let draft = queue.begin_as(id, envelope());
        self.commit_draft(queue, draft).await
    }

    async fn commit_draft(
        &self,
        queue: &Queue,
        mut draft: gatepost::queue::Draft,
    ) -> Result<Committed, QueueError> {
        draft.disposition(self.disposition);
        draft.set_headers(self.headers.clone());
        for piece in self.body.chunks(60_000) {
            draft.append(piece).await?;
        }
        queue.commit(draft, grants(self.recipients)).await
    }
}

/// How many times to do something: `default`, or what the environment asks for in a long run.
pub(crate) fn rounds(variable: &str, default: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.map_or(default, |rounds| rounds.parse().unwrap())
}

/// Reads a message from the queue.
pub(crate) async fn read(queue: &Queue, id: QueueId) -> Result<Vec<u8>, QueueError> {
    let mut content = queue.content(id).await?;
    let mut octets = Vec::new();
    content.read_to_end(&mut octets).await?;
    Ok(octets)
}
