//! The text that a reader of a message sees first: its first `text/plain` part, or else its first other text, as text.
//!
//! For showing only. One pass over the lines with the open boundaries on a stack; nothing recurses. Parts named as attachments and
//! messages inside the message are passed over. Limits: [`MAX_DEPTH`], [`MAX_PARTS`] and those of [`HeaderSection`]; what lies beyond
//! them is not looked at (T-39).
//!
//! Standards: RFC 2046 §5.1.

use super::entity::{Entity, MAX_DEPTH, MAX_PARTS};
use super::headers::HeaderSection;
use super::{charset, transfer_encoding};

/// A text of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPart {
    /// Its media type in lower case: `text/plain`, or another text when there is no plain one.
    pub media_type: String,
    /// The text. Lines may end in CRLF or LF.
    pub text: String,
}

/// The text of a message, given as header section, empty line and body, or as much of the front of it as there is.
pub fn first_text(content: &[u8]) -> Option<TextPart> {
    let mut walk = Walk::default();
    let mut at = 0;
    for line in content.split_inclusive(|&octet| octet == b'\n') {
        let end = at + line.len();
        walk.line(content, at..end);
        if walk.is_done() {
            break;
        }
        at = end;
    }
    walk.end_part(content, at);
    let (entity, body) = walk.plain.or(walk.other)?;
    let octets = transfer_encoding::decode(&entity.encoding, body);
    Some(TextPart {
        text: charset::decode(entity.charset.as_deref(), &octets),
        media_type: entity.media_type,
    })
}

/// Where the walk is.
#[derive(Default)]
struct Walk<'a> {
    /// Boundaries of the multiparts around this line, the outermost first.
    open: Vec<Vec<u8>>,
    inside: Inside,
    parts: usize,
    plain: Option<(Entity, &'a [u8])>,
    other: Option<(Entity, &'a [u8])>,
}

enum Inside {
    /// The header section of a part that begins there.
    Headers(usize),
    /// The body, beginning there, of a text.
    Text(Entity, usize),
    /// What is not shown.
    Nothing,
}

impl Default for Inside {
    fn default() -> Self {
        Self::Headers(0)
    }
}

impl<'a> Walk<'a> {
    fn is_done(&self) -> bool {
        self.plain.is_some() || self.parts > MAX_PARTS
    }

    fn line(&mut self, content: &'a [u8], place: std::ops::Range<usize>) {
        let line = content.get(place.clone()).unwrap_or_default();
        if let Some((level, is_last)) = self.boundary(line) {
            self.end_part(content, place.start);
            self.open.truncate(if is_last { level } else { level + 1 });
            self.inside = if is_last {
                Inside::Nothing
            } else {
                Inside::Headers(place.end)
            };
            self.parts += 1;
        } else if let Inside::Headers(start) = self.inside
            && matches!(line, b"\r\n" | b"\n")
        {
            let headers = content.get(start..place.start).unwrap_or_default();
            let entity = HeaderSection::scan(headers).map(|it| Entity::of(&it, "text/plain"));
            self.begin_body(entity.ok(), place.end);
        }
    }

    /// Which open boundary the line is, and whether it is the last one of its multipart.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open
            .iter()
            .enumerate()
            .rev()
            .find_map(|(level, open)| match line.strip_prefix(open.as_slice())? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            })
    }

    /// Begins the body of an entity whose headers could be read.
    fn begin_body(&mut self, entity: Option<Entity>, start: usize) {
        self.inside = match entity {
            Some(Entity {
                boundary: Some(boundary),
                ..
            }) if self.open.len() < MAX_DEPTH => {
                self.open.push(boundary);
                Inside::Nothing
            }
            Some(entity) if entity.boundary.is_none() && entity.is_shown_text() => {
                Inside::Text(entity, start)
            }
            _ => Inside::Nothing,
        };
    }

    /// The body of the current part ends before `end`, where a boundary begins or the content ends.
    fn end_part(&mut self, content: &'a [u8], end: usize) {
        let Inside::Text(entity, start) = std::mem::replace(&mut self.inside, Inside::Nothing)
        else {
            return;
        };
        let mut body = content.get(start..end).unwrap_or_default();
        if !self.open.is_empty() {
            // RFC 2046 §5.1.1: the line end before a boundary belongs to the boundary.
            body = body.strip_suffix(b"\n").unwrap_or(body);
            body = body.strip_suffix(b"\r").unwrap_or(body);
        }
        let place = match entity.media_type.as_str() {
            "text/plain" => &mut self.plain,
            _ => &mut self.other,
        };
        place.get_or_insert((entity, body));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(content: &str) -> Option<(String, String)> {
        let content = content.replace('\n', "\r\n");
        first_text(content.as_bytes())
            .map(|part| (part.media_type, part.text.replace("\r\n", "\n")))
    }

    fn plain(text: &str) -> (String, String) {
        ("text/plain".to_owned(), text.to_owned())
    }

    #[test]
    fn a_message_without_mime_is_plain_text() {
        assert_eq!(text_of("Subject: x\n\nHello\n"), Some(plain("Hello\n")));
        assert_eq!(text_of("\nHello"), Some(plain("Hello")));
        assert_eq!(text_of("Subject: x\n"), None, "no body");
        assert_eq!(text_of("Content-Type: text\n\nHello"), Some(plain("Hello")));
    }

    #[test]
    fn encoding_and_charset_are_undone() {
        let table = [
            (
                "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nM=C3=BCller=\n!\n",
                "M\u{fc}ller!\n",
            ),
            (
                "content-type: TEXT/Plain;\n\tformat=flowed; charset=\"iso-8859-1\"\ncontent-transfer-encoding: Base64 \n\nTfxs\nbGVy\n",
                "M\u{fc}ller",
            ),
            (
                "Content-Type: text/plain; x=\"a;charset=utf-8\\\"\"; charset = windows-1252\nContent-Transfer-Encoding: base64\n\ngA==\n",
                "€",
            ),
        ];
        for (content, expected) in table {
            assert_eq!(text_of(content), Some(plain(expected)), "{content}");
        }
    }

    const ALTERNATIVE: &str = "Content-Type: multipart/mixed; boundary=\"out er\"\n\nnot shown\n--out er\n\
        Content-Type: multipart/alternative; boundary=in\n\n--in\nContent-Type: text/html\n\n<p>html</p>\n--in\n\
        Content-Type: text/plain\n\nfirst\n--inner is text\n--in--\nepilogue\n--out er\n\nsecond\n--out er--\n";

    #[test]
    fn the_first_plain_part_is_found() {
        assert_eq!(text_of(ALTERNATIVE), Some(plain("first\n--inner is text")));
    }

    #[test]
    fn another_text_is_better_than_none() {
        let html = ALTERNATIVE.replace("text/plain", "image/png").replace(
            "\n\nsecond",
            "\nContent-Disposition: attachment; x=y\n\nsecond",
        );
        assert_eq!(
            text_of(&html),
            Some(("text/html".to_owned(), "<p>html</p>".to_owned()))
        );
    }

    #[test]
    fn attachments_and_inner_messages_are_passed_over() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: ATTACHMENT; filename=x.txt\n\nfile\n\
            --b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner\n--b\n\nmine\n--b--\n";
        assert_eq!(text_of(message), Some(plain("mine")));
        assert_eq!(
            text_of(&message.replace("\n\nmine", "\nContent-Type: image/png\n\n")),
            None
        );
    }

    #[test]
    fn what_is_cut_off_or_never_closed_shows_what_there_is() {
        assert_eq!(
            text_of("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nmi"),
            Some(plain("mi"))
        );
        assert_eq!(
            text_of("Content-Type: multipart/mixed\n\n--b\n\nmine\n"),
            None,
            "no boundary"
        );
        // The outer boundary ends the inner multipart as well.
        let message = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
            Content-Type: image/png\n\nx\n--a\n\nmine\n--a--\n";
        assert_eq!(text_of(message), Some(plain("mine")));
    }

    /// T-39: nesting and parts beyond the limits are not looked at.
    #[test]
    fn bombs_are_not_looked_into() {
        use std::fmt::Write as _;
        let nested = |depth: usize| {
            let mut message = String::new();
            for level in 0..depth {
                write!(
                    message,
                    "Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
                )
                .unwrap();
            }
            message + "\ndeep\n"
        };
        assert_eq!(text_of(&nested(MAX_DEPTH)), Some(plain("deep")));
        assert_eq!(text_of(&nested(MAX_DEPTH + 1)), None);
        let many = |parts: usize| {
            let images = "--b\nContent-Type: image/png\n\n".repeat(parts);
            format!("Content-Type: multipart/mixed; boundary=b\n\n{images}--b\n\nlast\n--b--\n")
        };
        assert_eq!(text_of(&many(MAX_PARTS - 1)), Some(plain("last")));
        assert_eq!(text_of(&many(MAX_PARTS)), None);
    }

    /// T-39: the cost is linear whatever the octets are. Quadratic work on this much would take hours, and the runner ends a test that hangs.
    #[test]
    fn the_worst_content_is_read_to_its_end() {
        let shapes: [fn(usize) -> String; 4] = [
            |size| "--".repeat(size / 2),
            |size| "--\r\n".repeat(size / 4),
            |size| {
                format!(
                    "Content-Type: text/plain; {}\r\n\r\n",
                    "a=\"\\;".repeat(size / 5)
                )
            },
            |size| {
                format!(
                    "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                    "--b\r\n\r\n".repeat(size / 7)
                )
            },
        ];
        for shape in shapes {
            std::hint::black_box(first_text(shape(2 << 20).as_bytes()));
        }
    }
}
