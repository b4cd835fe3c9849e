//! Delivery against a next hop that does what a test says, over real sockets and a real queue.

mod certificate;
mod chain;
mod conversion;
mod faulty_queue;
mod injection;
mod internationalized;
mod pinned;
mod rogues;
pub(crate) mod smarthost;
mod submitter;
mod wishes;
mod world;

use std::time::Duration;

use gatepost::config::resolved::{Route, RouteAction, RouteMatch};
use gatepost::observe::event::{DeliveryOutcome, Event};
use gatepost::observe::reason::Reason;
use gatepost::queue::EntryState;

use smarthost::Smarthost;
use world::{World, capture_notices, route_to, route_with_password};

const BODY: &str = "Subject: hello\r\nFrom: me@own.example\r\n\r\n.dot\r\ncaf\u{e9}\r\n";

#[tokio::test]
async fn a_message_arrives_authenticated_and_leaves_the_queue() {
    let hop = Smarthost::start(|_| None).await;
    let mut world = World::start(|dir| vec![route_with_password(&hop, dir, "user", "s3cret\n")]);
    let id = world
        .submit(
            "me@own.example",
            &["you@next.example", "her@next.example"],
            BODY,
        )
        .await;
    for recipient in ["you@next.example", "her@next.example"] {
        let event = world.attempt(recipient).await;
        assert_eq!(
            (event.outcome, event.reason),
            (DeliveryOutcome::Delivered, Reason::Delivered)
        );
        assert_eq!((event.id, event.mechanism), (id.to_string(), Some("PLAIN")));
    }
    assert!(world.queue.entry(id).await.unwrap().is_none());
    let message = hop.messages().pop().unwrap();
    // MPAR-06: "MUST be relayed as AUTH=<> to any server we authenticated to".
    assert!(
        message.mail.starts_with("MAIL FROM:<me@own.example>") && message.mail.contains(" AUTH=<>"),
        "{}",
        message.mail
    );
    assert!(message.mail.contains(" BODY=8BITMIME"), "{}", message.mail);
    assert_eq!(
        message.recipients,
        ["RCPT TO:<you@next.example>", "RCPT TO:<her@next.example>"]
    );
    assert_eq!(
        message.data,
        format!(".{}", BODY.replace("\r\n.dot", "\r\n..dot")).trim_start_matches('.')
    );
    assert!(
        hop.lines()
            .contains(&"AUTH PLAIN AHVzZXIAczNjcmV0".to_owned())
    );
    world.stop().await;
}

// MPAR-06, MPAR-09: without authentication there is no AUTH=.
#[tokio::test]
async fn without_a_credential_nothing_is_said_about_submitters() {
    let hop = Smarthost::start(|_| None).await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    assert_eq!(
        world.attempt("you@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    assert!(!hop.messages()[0].mail.contains("AUTH="));
    world.stop().await;
}

// MPAR-08: "auto retries the MAIL without it once after 501/555".
#[tokio::test]
async fn a_next_hop_that_does_not_know_auth_on_mail_gets_it_without() {
    let hop = Smarthost::start(|line| {
        line.contains(" AUTH=")
            .then(|| "555 5.5.4 Unsupported\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|dir| vec![route_with_password(&hop, dir, "user", "s3cret")]);
    world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    assert_eq!(
        world.attempt("you@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    assert!(!hop.messages()[0].mail.contains("AUTH="));
    world.stop().await;
}

// MPAR-08: "per-route `send_auth_param=auto|never`".
#[tokio::test]
async fn a_route_can_leave_the_parameter_out() {
    let hop = Smarthost::start(|_| None).await;
    let mut world = World::start(|dir| {
        let mut route = route_with_password(&hop, dir, "user", "s3cret");
        if let RouteAction::Smarthost(smarthost) = &mut route.action {
            smarthost.send_auth_param = false;
        }
        vec![route]
    });
    world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    let event = world.attempt("you@next.example").await;
    assert_eq!(
        (event.outcome, event.mechanism),
        (DeliveryOutcome::Delivered, Some("PLAIN"))
    );
    assert!(!hop.messages()[0].mail.contains("AUTH="));
    world.stop().await;
}

#[tokio::test]
async fn messages_share_a_connection() {
    let hop = Smarthost::start_counting(|line, times| {
        (line.starts_with("MAIL") && times == 3).then(|| "550 5.7.1 Not this one\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![capture_notices(), route_to(&[hop.port()])]);
    for number in 1..=5 {
        let recipient = format!("you{number}@next.example");
        world.submit("me@own.example", &[&recipient], BODY).await;
        let expected = if number == 3 {
            DeliveryOutcome::Bounced
        } else {
            DeliveryOutcome::Delivered
        };
        assert_eq!(world.attempt(&recipient).await.outcome, expected);
    }
    assert_eq!((hop.messages().len(), hop.connections()), (4, 1));
    world.stop().await;
    assert_eq!(hop.last_line().await, "QUIT");
}

// DSN-04: the notice, as its reader gets it, about the recipients that failed and no others.
#[tokio::test]
async fn a_refused_recipient_is_returned_to_the_sender() {
    let hop = Smarthost::start(|line| {
        line.starts_with("RCPT TO:<nobody@")
            .then(|| "550 5.1.1 No such user\x1b[2J here\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![capture_notices(), route_to(&[hop.port()])]);
    let id = world
        .submit(
            "me@own.example",
            &["you@next.example", "nobody@next.example"],
            BODY,
        )
        .await;
    assert_eq!(
        world.attempt("you@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    let failed = world.attempt("nobody@next.example").await;
    assert_eq!(
        (failed.outcome, failed.reason),
        (DeliveryOutcome::Bounced, Reason::PermanentReply)
    );
    assert!(world.queue.entry(id).await.unwrap().is_none());
    let (to, notice) = world.only_captured().await;
    assert_eq!(to, "me@own.example");
    assert!(notice.contains("\r\nFinal-Recipient: rfc822; nobody@next.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"), "{notice}");
    assert!(
        notice.contains("Remote-MTA: dns; [127.0.0.1]\r\n"),
        "{notice}"
    );
    assert!(
        notice.contains("Diagnostic-Code: smtp; 550 5.1.1 No such user?[2J here\r\n"),
        "{notice}"
    );
    assert!(
        notice.contains("\r\nSubject: hello\r\n")
            && !notice.contains(".dot")
            && !notice.contains("you@next"),
        "{notice}"
    );
    world.stop().await;
}

// V-01, V-35, V-36: what other programs expanded, or gave to a shell, is a name like any other, on the wire and in the notice.
#[tokio::test]
async fn v_01_nothing_in_an_address_is_expanded() {
    let hop = Smarthost::start(|line| {
        line.starts_with("RCPT")
            .then(|| "550 5.1.1 No ${domain}\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![capture_notices(), route_to(&[hop.port()])]);
    let recipients = [
        "${run{x}}@next.example",
        "$HOME@next.example",
        "`id`@next.example",
        "%u%s{x}@next.example",
        "\"$(id)\"@next.example",
        "\";id;\"@next.example",
        "|/bin/sh@next.example",
        "../../etc/passwd@next.example",
    ];
    world.submit("me@own.example", &recipients, BODY).await;
    for recipient in recipients {
        let attempt = world.attempt(recipient).await;
        assert_eq!(attempt.outcome, DeliveryOutcome::Bounced, "{recipient}");
    }
    let lines = hop.lines();
    let (_, notice) = world.only_captured().await;
    for recipient in recipients {
        assert!(
            lines.contains(&format!("RCPT TO:<{recipient}>")),
            "{lines:?}"
        );
        let told = format!("Final-Recipient: rfc822; {recipient}\r\n");
        assert!(notice.contains(&told), "{notice}");
    }
    let reply = "Diagnostic-Code: smtp; 550 5.1.1 No ${domain}\r\n";
    assert!(notice.contains(reply), "{notice}");
    world.stop().await;
}

// T-45: "1,000 failing recipients → 1 DSN", over as many transactions as it takes.
#[tokio::test]
async fn one_notice_tells_of_all_that_failed_together() {
    let hop = Smarthost::start(|line| {
        line.starts_with("RCPT")
            .then(|| "550 5.1.1 No\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![capture_notices(), route_to(&[hop.port()])]);
    let recipients: Vec<String> = (0..250)
        .map(|number| format!("x{number}@next.example"))
        .collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    world.submit("me@own.example", &recipients, BODY).await;
    assert_eq!(
        world.attempt("x249@next.example").await.outcome,
        DeliveryOutcome::Bounced
    );
    let (_, notice) = world.only_captured().await;
    assert_eq!(notice.matches("Action: failed\r\n").count(), 250);
    let transactions = hop
        .lines()
        .iter()
        .filter(|line| line.starts_with("MAIL"))
        .count();
    assert_eq!(transactions, 3, "a hundred recipients each");
    world.stop().await;
}

// T-45: "never about a DSN".
#[tokio::test]
async fn nothing_is_returned_to_the_null_reverse_path() {
    let hop = Smarthost::start(|line| {
        line.starts_with("RCPT")
            .then(|| "550 5.1.1 No\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    let id = world.submit("<>", &["nobody@next.example"], BODY).await;
    assert_eq!(
        world.attempt("nobody@next.example").await.outcome,
        DeliveryOutcome::Bounced
    );
    assert!(world.queue.entry(id).await.unwrap().is_none());
    assert_eq!(world.total(None).await, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_transient_refusal_concerns_its_recipient_and_is_tried_again() {
    let hop = Smarthost::start_counting(|line, times| {
        (line.starts_with("RCPT TO:<grey@") && times == 2)
            .then(|| "450 4.2.0 Greylisted\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    world
        .submit(
            "me@own.example",
            &["you@next.example", "grey@next.example"],
            BODY,
        )
        .await;
    assert_eq!(
        world.attempt("you@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    let first = world.attempt("grey@next.example").await;
    assert_eq!(
        (first.outcome, first.reason, first.attempt),
        (DeliveryOutcome::Deferred, Reason::TransientReply, 1)
    );
    let second = world.attempt("grey@next.example").await;
    assert_eq!(
        (second.outcome, second.attempt),
        (DeliveryOutcome::Delivered, 2)
    );
    let recipients: Vec<_> = hop
        .messages()
        .into_iter()
        .map(|message| message.recipients)
        .collect();
    assert_eq!(
        recipients,
        [
            ["RCPT TO:<you@next.example>"],
            ["RCPT TO:<grey@next.example>"]
        ]
    );
    world.stop().await;
}

#[tokio::test]
async fn what_is_transient_for_too_long_is_returned() {
    let hop = Smarthost::start(|line| {
        line.starts_with("MAIL")
            .then(|| "451 4.3.0 Later\r\n".to_owned())
    })
    .await;
    let mut world = World::start_with(
        |retry| retry.give_up = Duration::ZERO,
        |_| vec![capture_notices(), route_to(&[hop.port()])],
    );
    world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    let event = world.attempt("you@next.example").await;
    assert_eq!(
        (event.outcome, event.reason),
        (DeliveryOutcome::Bounced, Reason::Expired)
    );
    let (_, notice) = world.only_captured().await;
    assert!(
        notice.contains("Status: 5.4.7\r\n")
            && notice.contains("Diagnostic-Code: smtp; 451 4.3.0 Later\r\n"),
        "{notice}"
    );
    world.stop().await;
}

// CLI-06, "upstream-auth failure never bounces": the lane stops, the mail waits, and a new password sends it.
#[tokio::test]
async fn a_refused_credential_pauses_the_lane_until_the_password_changes() {
    let hop = Smarthost::start(|line| {
        (line.starts_with("AUTH") && !line.ends_with("AHVzZXIAbmV3"))
            .then(|| "535 5.7.8 Wrong\r\n".to_owned())
    })
    .await;
    let mut world = World::start_with(
        |retry| retry.give_up = Duration::ZERO,
        |dir| {
            vec![
                capture_notices(),
                route_with_password(&hop, dir, "user", "old"),
            ]
        },
    );
    let one = world
        .submit("me@own.example", &["one@next.example"], BODY)
        .await;
    let event = world.attempt("one@next.example").await;
    assert_eq!(
        (event.outcome, event.reason),
        (DeliveryOutcome::Deferred, Reason::NextHopCredential)
    );
    let waiting = world.queue.entry(one).await.unwrap().unwrap();
    let waiting = &waiting.recipients[0].1;
    assert_eq!(
        (waiting.attempts, waiting.waited),
        (0, Duration::ZERO),
        "it does not age while its next hop refuses us"
    );
    let fault = world.fault().await;
    assert!(
        fault.detail.contains("535 5.7.8 Wrong") && !fault.detail.contains("old"),
        "{}",
        fault.detail
    );
    let tries = hop.connections();
    let second = world
        .submit("me@own.example", &["two@next.example"], BODY)
        .await;
    world.rested(second).await;
    assert_eq!(
        hop.connections(),
        tries,
        "nothing is presented while the lane is paused"
    );
    std::fs::write(world.directory().join("password"), "new").unwrap();
    assert_eq!(
        world.attempt("two@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    assert_eq!(
        world.total(Some(EntryState::Captured)).await,
        0,
        "nobody was told that anything failed"
    );
    world.stop().await;
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_cannot_be_reached() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let busy =
        Smarthost::start(|line| line.is_empty().then(|| "421 4.3.2 Busy\r\n".to_owned())).await;
    let hop = Smarthost::start(|_| None).await;
    let mut world = World::start(|_| vec![route_to(&[closed, busy.port(), hop.port()])]);
    world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    let event = world.attempt("you@next.example").await;
    assert_eq!(
        (event.outcome, event.next_hop),
        (
            DeliveryOutcome::Delivered,
            Some(format!("127.0.0.1:{}", hop.port()))
        )
    );
    world.stop().await;
}

// CLI-04: "421 anywhere".
#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nothing() {
    let hop = Smarthost::start_counting(|line, times| {
        (line.starts_with("MAIL") && times == 2).then(|| "421 4.4.2 Idle too long\r\n".to_owned())
    })
    .await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    for recipient in ["one@next.example", "two@next.example"] {
        world.submit("me@own.example", &[recipient], BODY).await;
        let event = world.attempt(recipient).await;
        assert_eq!(
            (event.outcome, event.attempt),
            (DeliveryOutcome::Delivered, 1)
        );
    }
    assert_eq!((hop.messages().len(), hop.connections()), (2, 2));
    world.stop().await;
}

#[tokio::test]
async fn recipients_without_a_way_out_are_held() {
    let hop = Smarthost::start(|_| None).await;
    let only = |domain: &str, action: RouteAction| Route {
        matches: RouteMatch {
            recipient_domain: Some(gatepost::config::pattern::Pattern::new(domain)),
            ..RouteMatch::default()
        },
        action,
    };
    let mut world = World::start(|_| {
        let RouteAction::Smarthost(smarthost) = route_to(&[hop.port()]).action else {
            unreachable!()
        };
        vec![
            only("next.example", RouteAction::Smarthost(smarthost)),
            only("hold.example", RouteAction::Hold),
        ]
    });
    let id = world
        .submit(
            "me@own.example",
            &["a@next.example", "b@hold.example", "c@nowhere.example"],
            BODY,
        )
        .await;
    assert_eq!(
        world.attempt("a@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    for recipient in ["b@hold.example", "c@nowhere.example"] {
        let event = world.attempt(recipient).await;
        assert_eq!(
            (event.outcome, event.reason),
            (DeliveryOutcome::Held, Reason::Held)
        );
    }
    assert_eq!(
        world.queue.entry(id).await.unwrap().unwrap().state,
        EntryState::Held
    );
    world.stop().await;
}

// A next hop that is down is not asked for every message, and what was not tried is no attempt.
#[tokio::test]
async fn what_is_not_tried_while_the_next_hop_is_down_is_no_attempt() {
    let hop =
        Smarthost::start(|line| line.is_empty().then(|| "421 4.3.2 Down\r\n".to_owned())).await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    let first = world
        .submit("me@own.example", &["one@next.example"], BODY)
        .await;
    let event = world.attempt("one@next.example").await;
    assert_eq!(
        (event.outcome, event.reason, event.attempt),
        (DeliveryOutcome::Deferred, Reason::Unreachable, 1)
    );
    let second = world
        .submit("me@own.example", &["two@next.example"], BODY)
        .await;
    world.rested(second).await;
    world.rested(first).await;
    for (id, attempts) in [(first, 1), (second, 0)] {
        let entry = world.queue.entry(id).await.unwrap().unwrap();
        assert_eq!(entry.recipients[0].1.attempts, attempts);
    }
    assert_eq!(hop.connections(), 1);
    assert!(!world.heard(|event| matches!(event, Event::DeliveryAttempt(_))));
    world.stop().await;
}

// Drain: what is under way is finished before `run` returns.
#[tokio::test]
async fn an_attempt_under_way_is_finished_before_the_end() {
    let hop = Smarthost::start_held("DATA").await;
    let mut world = World::start(|_| vec![route_to(&[hop.port()])]);
    let id = world
        .submit("me@own.example", &["you@next.example"], BODY)
        .await;
    hop.reached().await;
    let stopping = world.begin_stop();
    hop.go_on();
    stopping.await.unwrap();
    assert_eq!(
        world.attempt("you@next.example").await.outcome,
        DeliveryOutcome::Delivered
    );
    assert!(world.queue.entry(id).await.unwrap().is_none());
}
