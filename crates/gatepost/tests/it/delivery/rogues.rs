//! T-48: delivery to every server of the table of rogues, over sockets: a message is gone only when somebody took it.
//!
//! Those whose misdeed is silence are played to the client's session, where an hour takes no time; so are those that refuse chunks, in
//! which delivery sends binary content only.

use gatepost::config::resolved::{RouteAction, RouteAuth, SecretFile};
use gatepost::observe::event::DeliveryOutcome;
use gatepost_testkit::rogue::{Act, At, Dialogue, End, ROGUES, Rogue};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::world::{World, capture_notices, route_to};

const CONTENT: &str = "Subject: x\r\nFrom: me@own.example\r\n\r\nx\r\n";
const PASSWORD: &str = "correct-horse";
/// The password as PLAIN and LOGIN show it.
const SHOWN: [&str; 2] = ["AHVzZXIAY29ycmVjdC1ob3JzZQ", "Y29ycmVjdC1ob3JzZQ"];
/// Worlds at a time: each has threads and files.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn t_48_no_rogue_makes_a_message_disappear() {
    let speaks = |rogue: &&Rogue| {
        let silent = matches!(rogue.act, Act::Say(octets) if !octets.ends_with(b"\n"));
        !silent && !matches!(rogue.at, At::StartTls | At::Chunk)
    };
    let mut worlds = JoinSet::new();
    let rogues: Vec<_> = ROGUES.iter().filter(speaks).collect();
    assert!(rogues.len() >= 50);
    for &&rogue in &rogues {
        if worlds.len() >= AT_ONCE {
            worlds.join_next().await.unwrap().unwrap();
        }
        worlds.spawn(deliver(rogue));
    }
    worlds.join_all().await;
}

async fn deliver(rogue: Rogue) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(rogue, stream));
        }
    });
    let mut world = World::start(|directory| {
        let password_file = directory.join("password");
        std::fs::write(&password_file, PASSWORD).unwrap();
        let mut route = route_to(&[port]);
        if let RouteAction::Smarthost(target) = &mut route.action {
            target.auth = Some(RouteAuth {
                mechanism: None,
                user: "user".to_owned(),
                secret: SecretFile::Password(password_file),
                certificate: None,
                terms: Box::default(),
            });
        }
        vec![capture_notices(), route]
    });
    let to = "you@next.example";
    world.submit("me@own.example", &[to], CONTENT).await;
    let attempt = world.attempt(to).await;
    let (name, outcome) = (rogue.name, attempt.outcome);
    let expected: &[DeliveryOutcome] = match rogue.end {
        End::Taken => &[DeliveryOutcome::Delivered],
        End::Later | End::Credential => &[DeliveryOutcome::Deferred],
        // Who takes nobody may take somebody tomorrow.
        End::Refused => &[DeliveryOutcome::Deferred, DeliveryOutcome::Bounced],
    };
    assert!(expected.contains(&outcome), "{name}: {attempt:?}");
    if outcome != DeliveryOutcome::Delivered {
        assert_eq!(
            world.total(None).await,
            1,
            "{name}: the message or its notice"
        );
    }
    let told = format!("{attempt:?}");
    assert!(!told.contains(PASSWORD), "{name}: {told}");
    for shown in SHOWN {
        assert!(!told.contains(shown), "{name}: {told}");
    }
    assert!(
        !attempt.reply.unwrap_or_default().contains(['\r', '\n']),
        "{name}: {told}"
    );
    world.stop().await;
    server.abort();
}

/// One connection; it is over when either side has had enough.
async fn serve(rogue: Rogue, stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut dialogue = Dialogue::with(rogue);
    let mut next = Some(dialogue.greet());
    loop {
        match next.take() {
            Some(Act::Say(octets)) => stream.write_all(octets).await.ok()?,
            Some(Act::SayAndClose(octets)) => {
                stream.write_all(octets).await.ok()?;
                return stream.shutdown().await.ok();
            }
            Some(Act::Flood(once, again)) => {
                stream.write_all(once).await.ok()?;
                let again = again.repeat(1 + 4096 / again.len());
                loop {
                    stream.write_all(&again).await.ok()?;
                }
            }
            None => {}
        }
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        next = dialogue.hear(&line);
    }
}
