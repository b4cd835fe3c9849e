//! Takes a message that arrives in pieces apart: headers, bodies, and the boundaries between them (RFC 2046 §5.1).
//!
//! Lines end in CRLF and in nothing else, so that a binary body is not taken apart inside. The line end before a boundary belongs to
//! the boundary. Kept in memory: a header section, at most [`MAX_OCTETS`] of it, and otherwise less than a line that could be a boundary.
//!
//! Bodies that must not be changed are not looked into: what is signed or encrypted as a whole (RFC 1847), and what lies deeper than
//! [`MAX_DEPTH`] or behind [`MAX_PARTS`] parts (T-39).

use memchr::memchr;

use crate::message::entity::{Entity, MAX_BOUNDARY, MAX_DEPTH, MAX_PARTS};
use crate::message::headers::{HeaderSection, MAX_OCTETS};

/// A line longer than this is no boundary: two hyphens before, two behind, white space and the line end.
const LONGEST_BOUNDARY_LINE: usize = MAX_BOUNDARY + 64;

/// Gets what a [`Walk`] finds, in the order of the message. All octets of the message come in one of these calls.
pub(super) trait Visitor {
    /// The headers of the next entity, with the empty line if there is one.
    fn headers(&mut self, octets: &[u8], head: &Head);
    /// A piece of the body of that entity, if it is a [`Body::Leaf`] or [`Body::Sealed`].
    fn body(&mut self, octets: &[u8]);
    /// That body ends; with a line end and a boundary after it, or with the message.
    fn body_end(&mut self, boundary_follows: bool);
    /// A boundary with the line end before it, or text outside of all parts.
    fn frame(&mut self, octets: &[u8]);
}

/// An entity at its beginning.
pub(super) struct Head {
    /// What its headers say; `None` when they cannot be read.
    pub(super) entity: Option<Entity>,
    /// What its body is.
    pub(super) body: Body,
    /// Whether it is the message, or a message inside it, and no part.
    pub(super) is_message: bool,
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// One body of one type, which may be encoded.
    Leaf,
    /// Not to be changed.
    Sealed,
    /// Parts, or a message, which are visited one by one.
    Composite,
}

/// Where in the message we are.
pub(super) struct Walk {
    /// What the current line began with, when its end has not come.
    pending: Vec<u8>,
    /// The beginning of the current line has been passed on.
    in_line: bool,
    place: Place,
    /// What is around the current place, the outermost first.
    around: Vec<Around>,
    entities: usize,
}

enum Place {
    /// Headers so far.
    Headers { so_far: Vec<u8>, is_message: bool },
    /// A body; `line_end` has come and not been passed on.
    Body { line_end: bool },
    /// Before the first boundary of a multipart, or behind the last. `line_end` as above.
    Frame { line_end: bool },
}

enum Around {
    Multipart {
        boundary: Vec<u8>,
        default_type: &'static str,
    },
    Message,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self {
            pending: Vec::new(),
            in_line: false,
            place: Place::headers(true),
            around: Vec::new(),
            entities: 0,
        }
    }

    /// Takes the next piece.
    pub(super) fn feed(&mut self, mut octets: &[u8], visitor: &mut impl Visitor) {
        while let Some(found) = memchr(b'\n', octets) {
            let (line, rest) = octets.split_at(found + 1);
            octets = rest;
            if self.pending.is_empty() {
                self.piece(line, visitor);
            } else {
                self.pending.extend_from_slice(line);
                let line = std::mem::take(&mut self.pending);
                self.piece(&line, visitor);
            }
        }
        self.pending.extend_from_slice(octets);
        if self.pending.len() > LONGEST_BOUNDARY_LINE {
            let mut piece = std::mem::take(&mut self.pending);
            // A CR that is the last octet waits for what it belongs to.
            if piece.pop_if(|last| *last == b'\r').is_some() {
                self.pending.push(b'\r');
            }
            self.piece(&piece, visitor);
        }
    }

    /// The message is complete.
    pub(super) fn finish(mut self, visitor: &mut impl Visitor) {
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.piece(&last, visitor);
        }
        self.end_all_headers(visitor);
        match self.place {
            Place::Frame { line_end: true } => visitor.frame(b"\r\n"),
            Place::Body { line_end } => {
                if line_end {
                    visitor.body(b"\r\n");
                }
                visitor.body_end(false);
            }
            Place::Headers { .. } | Place::Frame { line_end: false } => {}
        }
    }

    /// A line, or a piece of one that is too long for a boundary.
    fn piece(&mut self, piece: &[u8], visitor: &mut impl Visitor) {
        let is_start = !std::mem::replace(&mut self.in_line, !piece.ends_with(b"\r\n"));
        if is_start && let Some((level, is_last)) = self.boundary(piece) {
            self.pass_boundary(piece, level, is_last, visitor);
            return;
        }
        match &mut self.place {
            Place::Headers { so_far, .. } if is_start && piece == b"\r\n" => {
                so_far.extend_from_slice(piece);
                self.end_headers(b"", visitor);
            }
            Place::Headers { so_far, .. } if so_far.len() + piece.len() <= MAX_OCTETS => {
                so_far.extend_from_slice(piece);
            }
            Place::Headers { .. } => self.end_headers(piece, visitor),
            Place::Body { line_end } => pass(piece, line_end, |octets| visitor.body(octets)),
            Place::Frame { line_end } => pass(piece, line_end, |octets| visitor.frame(octets)),
        }
    }

    /// Which open boundary the line is, and whether it is the last one of its multipart.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?;
        if line.len() > LONGEST_BOUNDARY_LINE {
            return None;
        }
        let line = line.trim_ascii_end();
        let matches = |(level, around): (usize, &Around)| match around {
            Around::Message => None,
            Around::Multipart { boundary, .. } => match line.strip_prefix(boundary.as_slice())? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            },
        };
        self.around.iter().enumerate().rev().find_map(matches)
    }

    fn pass_boundary(
        &mut self,
        line: &[u8],
        level: usize,
        is_last: bool,
        visitor: &mut impl Visitor,
    ) {
        self.end_all_headers(visitor);
        if let Place::Body { .. } = self.place {
            visitor.body_end(true);
        }
        if let Place::Body { line_end: true } | Place::Frame { line_end: true } = self.place {
            visitor.frame(b"\r\n");
        }
        visitor.frame(line);
        self.around
            .truncate(if is_last { level } else { level + 1 });
        self.place = if is_last {
            Place::Frame { line_end: false }
        } else {
            Place::headers(false)
        };
    }

    /// Text ends where headers were to be: those of an entity without a body, and of the message that it may be said to hold.
    fn end_all_headers(&mut self, visitor: &mut impl Visitor) {
        while let Place::Headers { .. } = self.place {
            self.end_headers(b"", visitor);
        }
    }

    /// The headers are complete, or have become so long that `rest` and all that follows is no more looked at.
    fn end_headers(&mut self, rest: &[u8], visitor: &mut impl Visitor) {
        let Place::Headers { so_far, is_message } = &mut self.place else {
            return;
        };
        let (so_far, is_message) = (std::mem::take(so_far), *is_message);
        self.place = Place::Body { line_end: false };
        self.entities += 1;
        let default_type = match self.around.last() {
            Some(Around::Multipart { default_type, .. }) => default_type,
            _ => "text/plain",
        };
        let entity = HeaderSection::scan(&so_far)
            .ok()
            .filter(|section| rest.is_empty() && matches!(section.rest(), b"" | b"\r\n"))
            .map(|section| Entity::of(&section, default_type));
        let inside = entity.as_ref().map(inside_of);
        let body = match &inside {
            _ if self.entities > MAX_PARTS => Body::Sealed,
            Some(Inside::Parts(_) | Inside::Message) if self.around.len() < MAX_DEPTH => {
                Body::Composite
            }
            Some(Inside::Leaf) => Body::Leaf,
            _ => Body::Sealed,
        };
        let head = Head {
            entity,
            body,
            is_message,
        };
        visitor.headers(&so_far, &head);
        match inside {
            Some(Inside::Parts(around)) if body == Body::Composite => {
                self.around.push(around);
                self.place = Place::Frame { line_end: false };
            }
            Some(Inside::Message) if body == Body::Composite => {
                self.around.push(Around::Message);
                self.place = Place::headers(true);
            }
            _ if rest.is_empty() => {}
            _ => {
                if let Place::Body { line_end } = &mut self.place {
                    pass(rest, line_end, |octets| visitor.body(octets));
                }
            }
        }
    }
}

impl Place {
    fn headers(is_message: bool) -> Self {
        Self::Headers {
            so_far: Vec::new(),
            is_message,
        }
    }
}

/// What is inside an entity of this type.
enum Inside {
    Leaf,
    Parts(Around),
    Message,
    Sealed,
}

fn inside_of(entity: &Entity) -> Inside {
    // RFC 2045 §6.4: only these have parts to look into.
    let is_plain = matches!(
        entity.encoding.as_slice(),
        b"" | b"7bit" | b"8bit" | b"binary"
    );
    match (entity.media_type.as_str(), &entity.boundary) {
        ("multipart/signed" | "multipart/encrypted", _) => Inside::Sealed,
        ("message/rfc822", _) if is_plain => Inside::Message,
        // RFC 6532 §3.7: unlike the others, these may have any encoding.
        (global, _) if global.starts_with("message/global") => Inside::Leaf,
        (kind, Some(boundary)) if is_plain && boundary.is_ascii() => {
            Inside::Parts(Around::Multipart {
                boundary: boundary.clone(),
                default_type: if kind == "multipart/digest" {
                    "message/rfc822"
                } else {
                    "text/plain"
                },
            })
        }
        (kind, _) if kind.starts_with("multipart/") || kind.starts_with("message/") => {
            Inside::Sealed
        }
        _ => Inside::Leaf,
    }
}

/// Passes a piece of a line on, keeping its line end back.
fn pass(piece: &[u8], line_end: &mut bool, mut to: impl FnMut(&[u8])) {
    if *line_end {
        to(b"\r\n");
    }
    let (text, has_end) = match piece.strip_suffix(b"\r\n") {
        Some(text) => (text, true),
        None => (piece, false),
    };
    if !text.is_empty() {
        to(text);
    }
    *line_end = has_end;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was found, one entry for each run of calls of one kind.
    #[derive(Default, Debug, PartialEq, Eq)]
    struct Found(Vec<(&'static str, String)>);

    impl Found {
        fn add(&mut self, kind: &'static str, octets: &[u8]) {
            let text = String::from_utf8_lossy(octets);
            match self.0.last_mut() {
                Some((last, found)) if *last == kind && kind != "headers" => found.push_str(&text),
                _ => self.0.push((kind, text.into_owned())),
            }
        }
    }

    impl Visitor for Found {
        fn headers(&mut self, octets: &[u8], head: &Head) {
            self.add("headers", octets);
            self.add(
                match (head.body, head.is_message) {
                    (Body::Leaf, true) => "(message)",
                    (Body::Leaf, false) => "(part)",
                    (Body::Sealed, _) => "(sealed)",
                    (Body::Composite, _) => "(parts)",
                },
                b"",
            );
        }

        fn body(&mut self, octets: &[u8]) {
            self.add("body", octets);
        }

        fn body_end(&mut self, boundary_follows: bool) {
            self.add(if boundary_follows { "end" } else { "last end" }, b"");
        }

        fn frame(&mut self, octets: &[u8]) {
            self.add("frame", octets);
        }
    }

    /// Walks over the message in pieces of every size: they make no difference, and no octet is lost.
    fn walked(message: &str) -> Vec<(&'static str, String)> {
        let in_pieces = |size: usize| {
            let (mut walk, mut found) = (Walk::new(), Found::default());
            for piece in message.as_bytes().chunks(size) {
                walk.feed(piece, &mut found);
            }
            walk.finish(&mut found);
            found.0
        };
        let whole = in_pieces(message.len().max(1));
        let joined: String = whole.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(joined, message);
        for size in 1..message.len().min(400) {
            assert_eq!(in_pieces(size), whole, "pieces of {size}");
        }
        whole
    }

    fn kinds(message: &str) -> String {
        let kinds: Vec<_> = walked(message).into_iter().map(|(kind, _)| kind).collect();
        kinds.join(" ")
    }

    fn expect(message: &str, expected: &[(&'static str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, text)| (*kind, (*text).to_owned()))
            .collect();
        assert_eq!(walked(message), expected, "{message:?}");
    }

    #[test]
    fn messages_without_parts() {
        expect("", &[("headers", ""), ("(message)", ""), ("last end", "")]);
        expect(
            "A: 1\r\n\r\nbody\r\n\r\n",
            &[
                ("headers", "A: 1\r\n\r\n"),
                ("(message)", ""),
                ("body", "body\r\n\r\n"),
                ("last end", ""),
            ],
        );
        expect(
            "A: 1\r\n\r\na\r\nb",
            &[
                ("headers", "A: 1\r\n\r\n"),
                ("(message)", ""),
                ("body", "a\r\nb"),
                ("last end", ""),
            ],
        );
    }

    #[test]
    fn parts_end_before_the_line_end_of_a_boundary() {
        expect(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n\r\n--b \r\nX: y\r\n--b\r\n\r\n--b--\r\npost\r\n",
            &[
                (
                    "headers",
                    "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
                ),
                ("(parts)", ""),
                ("frame", "pre\r\n--b\r\n"),
                ("headers", "\r\n"),
                ("(part)", ""),
                ("body", "one\r\n"),
                ("end", ""),
                ("frame", "\r\n--b \r\n"),
                ("headers", "X: y\r\n"),
                ("(part)", ""),
                ("end", ""),
                ("frame", "--b\r\n"),
                ("headers", "\r\n"),
                ("(part)", ""),
                ("end", ""),
                ("frame", "--b--\r\npost\r\n"),
            ],
        );
    }

    #[test]
    fn messages_inside_messages_end_with_their_part() {
        let inner = "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner\r\n";
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{inner}--b\r\n\r\nlast\r\n--b--\r\n"
        );
        assert_eq!(
            kinds(&message),
            "headers (parts) frame headers (parts) headers (message) body end frame headers (part) body end frame"
        );
        let digest = message
            .replace("mixed", "digest")
            .replace("Content-Type: message/rfc822", "X: y");
        assert_eq!(
            kinds(&digest),
            "headers (parts) frame headers (parts) headers (message) body end frame headers (parts) headers (sealed) end frame"
        );
    }

    // SUBM-04, SUBM-07: "never inside multipart/signed".
    #[test]
    fn what_is_sealed_is_not_taken_apart() {
        for kind in [
            "multipart/signed; boundary=b",
            "multipart/encrypted; boundary=b",
            "multipart/mixed",
            "message/partial",
            "multipart/mixed; boundary=\"\u{e9}\"",
        ] {
            let message = format!("Content-Type: {kind}\r\n\r\n--b\r\n\r\none\r\n--b--\r\n");
            assert_eq!(kinds(&message), "headers (sealed) body last end", "{kind}");
        }
        let within = "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n\
                      --b\r\n\r\none\r\n--b--\r\n\r\n--o--\r\n";
        assert_eq!(
            kinds(within),
            "headers (parts) frame headers (sealed) body end frame"
        );
    }

    #[test]
    fn lines_of_any_length_and_octets_pass() {
        let long = "x".repeat(5000);
        let message = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{long}\r\r\n\n--b\n--b\r{long}\r\n--b--\r\n"
        );
        assert_eq!(
            walked(&message)[5],
            ("body", format!("{long}\r\r\n\n--b\n--b\r{long}"))
        );
    }

    // T-39, V-34, V-55: depth and number of what is looked into.
    #[test]
    fn depth_and_number_of_parts_are_bounded() {
        let level = |level| {
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
        };
        let nested = |depth: usize| (0..depth).map(level).collect::<Vec<_>>().concat();
        let count = |message: &str| {
            let (mut walk, mut found) = (Walk::new(), Found::default());
            walk.feed(message.as_bytes(), &mut found);
            walk.finish(&mut found);
            found
                .0
                .iter()
                .filter(|(kind, _)| *kind == "headers")
                .count()
        };
        assert_eq!(count(&nested(MAX_DEPTH)), MAX_DEPTH + 1);
        assert_eq!(count(&nested(MAX_DEPTH + 50)), MAX_DEPTH + 1);
        let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(100);
        assert_eq!(count(&messages), MAX_DEPTH + 1);
        let cycle = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".repeat(100);
        assert!(count(&cycle) <= 101);
    }
}
