//! Which route a recipient takes (pure): the first whose conditions all hold.
//!
//! The same choice is made twice: at commit, so that a message all of whose recipients are to be held or captured is
//! queued in that state at once ([`disposition`]), and at delivery, since routes may have changed in between.

use gatepost_smtp::path::{Address, ForwardPath, ReversePath};

use crate::config::pattern::Pattern;
use crate::config::resolved::{Route, RouteAction, RouteMatch};
use crate::queue::{Disposition, Envelope};

/// What routes can ask about a message.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The account it was submitted for; empty for our own notices.
    pub account: &'a str,
    /// The credential it was submitted with; empty for our own notices.
    pub credential: &'a str,
    /// Its reverse-path.
    pub reverse_path: &'a ReversePath,
}

impl<'a> From<&'a Envelope> for Origin<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        let auth = envelope.submission.auth.as_ref();
        Self {
            account: auth.map_or("", |auth| &auth.account),
            credential: auth.map_or("", |auth| &auth.credential),
            reverse_path: &envelope.reverse_path,
        }
    }
}

/// The number of the route for a recipient; `None` when none fits, and the message is then held.
pub fn choose(routes: &[Route], origin: Origin<'_>, recipient: &ForwardPath) -> Option<usize> {
    routes
        .iter()
        .position(|route| fits(&route.matches, origin, recipient))
}

/// The same for a recipient that someone released: routes that hold are passed over.
pub fn choose_released(
    routes: &[Route],
    origin: Origin<'_>,
    recipient: &ForwardPath,
) -> Option<usize> {
    routes.iter().position(|route| {
        !matches!(route.action, RouteAction::Hold) && fits(&route.matches, origin, recipient)
    })
}

/// The state in which a message is queued. A message for several recipients is delivered as soon as one of them is not
/// held or captured; the others are then held when their turn comes.
pub fn disposition<'r>(
    routes: &[Route],
    origin: Origin<'_>,
    recipients: impl IntoIterator<Item = &'r ForwardPath>,
) -> Disposition {
    let mut common = None;
    for recipient in recipients {
        let one = match choose(routes, origin, recipient)
            .and_then(|number| routes.get(number))
            .map(|route| &route.action)
        {
            Some(RouteAction::Smarthost(_)) => return Disposition::Deliver,
            Some(RouteAction::Hold) | None => Disposition::Hold,
            Some(RouteAction::Capture) => Disposition::Capture,
        };
        if *common.get_or_insert(one) != one {
            return Disposition::Deliver;
        }
    }
    common.unwrap_or_default()
}

fn fits(matches: &RouteMatch, origin: Origin<'_>, recipient: &ForwardPath) -> bool {
    let holds = |pattern: &Option<Pattern>, text: &str| {
        pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
    };
    holds(&matches.account, origin.account)
        && holds(&matches.credential, origin.credential)
        && holds(
            &matches.sender,
            origin.reverse_path.address().map_or("", Address::as_str),
        )
        && (holds(&matches.recipient_domain, recipient.address().domain())
            || holds(
                &matches.recipient_domain,
                &recipient.address().to_ascii_domain(),
            ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolved::{HostPort, RouteTls, Smarthost};

    fn smarthost(host: &str, matches: RouteMatch) -> Route {
        let hosts = vec![HostPort {
            host: host.to_owned(),
            port: 587,
        }];
        Route {
            matches,
            action: RouteAction::Smarthost(Smarthost {
                hosts,
                tls: RouteTls::StartTls,
                ca: None,
                auth: None,
                send_auth_param: true,
            }),
        }
    }

    fn path(text: &str) -> ForwardPath {
        ForwardPath::parse(text, "here.example").unwrap()
    }

    #[test]
    fn the_first_route_whose_conditions_all_hold_is_chosen() {
        let routes = [
            smarthost(
                "a",
                RouteMatch {
                    account: Some(Pattern::new("fax*")),
                    recipient_domain: Some(Pattern::new("inside.example")),
                    ..RouteMatch::default()
                },
            ),
            smarthost(
                "b",
                RouteMatch {
                    sender: Some(Pattern::new("*@bulk.example")),
                    ..RouteMatch::default()
                },
            ),
            smarthost(
                "c",
                RouteMatch {
                    credential: Some(Pattern::new("legacy")),
                    ..RouteMatch::default()
                },
            ),
            smarthost(
                "d",
                RouteMatch {
                    sender: Some(Pattern::new("")),
                    ..RouteMatch::default()
                },
            ),
        ];
        let table = [
            (
                "fax1",
                "password",
                "me@own.example",
                "you@Inside.Example",
                Some(0),
            ),
            (
                "fax1",
                "password",
                "me@own.example",
                "you@next.example",
                None,
            ),
            (
                "me",
                "password",
                "x@BULK.example",
                "you@inside.example",
                Some(1),
            ),
            (
                "me",
                "legacy",
                "x@bulk.example",
                "you@next.example",
                Some(1),
            ),
            (
                "me",
                "legacy",
                "me@own.example",
                "you@next.example",
                Some(2),
            ),
            ("", "", "<>", "me@own.example", Some(3)),
        ];
        for (account, credential, sender, recipient, expected) in table {
            let reverse_path = ReversePath::parse(sender).unwrap();
            let origin = Origin {
                account,
                credential,
                reverse_path: &reverse_path,
            };
            assert_eq!(
                choose(&routes, origin, &path(recipient)),
                expected,
                "{account} {sender} {recipient}"
            );
        }
    }

    #[test]
    fn what_was_released_passes_by_the_routes_that_hold() {
        let hold = Route {
            matches: RouteMatch::default(),
            action: RouteAction::Hold,
        };
        let origin = Origin {
            account: "me",
            credential: "password",
            reverse_path: &ReversePath::Null,
        };
        let routes = [hold, smarthost("a", RouteMatch::default())];
        let recipient = path("you@next.example");
        assert_eq!(choose(&routes, origin, &recipient), Some(0));
        assert_eq!(choose_released(&routes, origin, &recipient), Some(1));
        assert_eq!(choose_released(&routes[..1], origin, &recipient), None);
    }

    #[test]
    fn a_message_is_held_or_captured_only_as_a_whole() {
        let to = |domain: &str, action: RouteAction| Route {
            matches: RouteMatch {
                recipient_domain: Some(Pattern::new(domain)),
                ..RouteMatch::default()
            },
            action,
        };
        let routes = [
            to("hold.example", RouteAction::Hold),
            to("capture.example", RouteAction::Capture),
            smarthost(
                "a",
                RouteMatch {
                    recipient_domain: Some(Pattern::new("next.example")),
                    ..RouteMatch::default()
                },
            ),
        ];
        let table: &[(&[&str], Disposition)] = &[
            (&["a@hold.example", "b@hold.example"], Disposition::Hold),
            (&["a@nowhere.example"], Disposition::Hold),
            (&["a@hold.example", "a@nowhere.example"], Disposition::Hold),
            (&["a@capture.example"], Disposition::Capture),
            (
                &["a@capture.example", "a@hold.example"],
                Disposition::Deliver,
            ),
            (&["a@next.example", "a@hold.example"], Disposition::Deliver),
            (&["a@hold.example", "a@next.example"], Disposition::Deliver),
        ];
        for (recipients, expected) in table {
            let recipients: Vec<_> = recipients.iter().map(|text| path(text)).collect();
            let origin = Origin {
                account: "me",
                credential: "password",
                reverse_path: &ReversePath::Null,
            };
            assert_eq!(
                disposition(&routes, origin, &recipients),
                *expected,
                "{recipients:?}"
            );
        }
    }
}
