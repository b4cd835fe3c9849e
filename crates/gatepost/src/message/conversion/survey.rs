//! What every part of a message is made of, and from that how each is to be encoded.

use super::walk::{Body, Head, Visitor, Walk};
use super::{Goal, MAX_LINE};
use crate::message::entity::{Entity, MAX_PARTS};
use crate::message::header_encoding::{self, Domains, Unencodable};
use crate::message::headers::HeaderSection;

/// Looks at a content, piece by piece.
pub struct Survey {
    walk: Walk,
    findings: Findings,
}

/// How a content is to be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(super) goal: Goal,
    /// By the number of the entity.
    pub(super) treatments: Vec<Treatment>,
}

/// What happens to one entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Treatment {
    pub(super) encoding: Encoding,
    /// The charset to name, where the headers name no type and the text is not ASCII.
    pub(super) charset: Option<&'static str>,
}

/// What happens to a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Encoding {
    /// Nothing.
    #[default]
    Keep,
    QuotedPrintable,
    Base64,
    /// It is quoted-printable, in part.
    RepairQuotedPrintable,
    /// It is base64, in lines that are too long or with other octets between.
    RewrapBase64,
}

/// Why a message cannot be brought into a form that the next hop takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A part has octets that the next hop does not take, and must not be changed.
    #[error("a part that is signed, encrypted or of an unknown encoding would have to be changed")]
    Sealed,
    /// A header field has an address that exists in UTF-8 only.
    #[error("an address in the header exists only with characters outside of ASCII")]
    Address,
}

impl Survey {
    /// A survey for a goal.
    pub fn new(goal: Goal) -> Self {
        Self {
            walk: Walk::new(),
            findings: Findings {
                goal,
                treatments: Vec::new(),
                current: None,
                has_dkim: false,
                changes: false,
                impossible: None,
            },
        }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, octets: &[u8]) {
        self.walk.feed(octets, &mut self.findings);
    }

    /// The content is complete. `None`: it can go out as it is.
    pub fn finish(self) -> Result<Option<Plan>, Impossible> {
        let Self { walk, mut findings } = self;
        walk.finish(&mut findings);
        if let Some(impossible) = findings.impossible {
            return Err(impossible);
        }
        let plan = Plan {
            goal: findings.goal,
            treatments: findings.treatments,
        };
        // Where octets are lacking, the parts have to say so, changed or not.
        let only_long_lines = !plan.goal.lowers() && !plan.goal.ascii_headers;
        let is_untouched = !findings.changes || (only_long_lines && findings.has_dkim);
        Ok((plan.goal.lowers() || !is_untouched).then_some(plan))
    }
}

struct Findings {
    goal: Goal,
    treatments: Vec<Treatment>,
    /// The entity whose body comes now.
    current: Option<(Body, Option<Entity>, Tally)>,
    has_dkim: bool,
    changes: bool,
    impossible: Option<Impossible>,
}

impl Visitor for Findings {
    fn headers(&mut self, octets: &[u8], head: &Head) {
        self.survey_headers(octets, head);
        if self.treatments.len() < MAX_PARTS {
            self.treatments.push(Treatment::default());
        }
        self.current = Some((head.body, head.entity.clone(), Tally::default()));
    }

    fn body(&mut self, octets: &[u8]) {
        if let Some((_, _, tally)) = &mut self.current {
            tally.add(octets);
        }
    }

    fn body_end(&mut self, _: bool) {
        let Some((body, entity, tally)) = self.current.take() else {
            return;
        };
        match decide(self.goal, body, entity.as_ref(), &tally) {
            Ok(treatment) => {
                self.changes |= treatment.encoding != Encoding::Keep;
                if let Some(last) = self.treatments.last_mut() {
                    *last = treatment;
                }
            }
            Err(impossible) => self.impossible = self.impossible.or(Some(impossible)),
        }
    }

    fn frame(&mut self, octets: &[u8]) {
        self.changes |= self.goal.makes_ascii() && !octets.is_ascii();
    }
}

impl Findings {
    fn survey_headers(&mut self, octets: &[u8], head: &Head) {
        let is_first = self.treatments.is_empty();
        let section = HeaderSection::scan(octets);
        if is_first && let Ok(section) = &section {
            self.has_dkim = section.named("DKIM-Signature").next().is_some();
        }
        self.changes |= self.goal.short_lines && header_encoding::has_long_line(octets);
        if !self.goal.ascii_headers || octets.is_ascii() {
            return;
        }
        self.changes = true;
        let encoded = match section {
            Ok(section) if head.entity.is_some() => {
                header_encoding::encode(&section, Domains::ToAscii)
            }
            _ => Err(Unencodable::Structure),
        };
        let impossible = encoded.err().map(|fault| match fault {
            Unencodable::Address => Impossible::Address,
            Unencodable::Structure => Impossible::Sealed,
        });
        self.impossible = self.impossible.or(impossible);
    }
}

fn decide(
    goal: Goal,
    body: Body,
    entity: Option<&Entity>,
    tally: &Tally,
) -> Result<Treatment, Impossible> {
    let has_bad_octets = (goal.makes_ascii() && tally.high > 0)
        || (goal.makes_lines() && (tally.breaks_lines || tally.last == b'\r'));
    let is_long = (goal.short_lines || goal.makes_lines()) && tally.longest > MAX_LINE;
    if !has_bad_octets && !is_long {
        return Ok(Treatment::default());
    }
    let encoding = match entity.filter(|_| body == Body::Leaf) {
        Some(entity) => encoding_of(entity, tally),
        None => None,
    };
    match encoding {
        Some(encoding) => Ok(Treatment {
            encoding,
            charset: (tally.high > 0).then(|| tally.charset()),
        }),
        None if has_bad_octets => Err(Impossible::Sealed),
        None => Ok(Treatment::default()),
    }
}

fn encoding_of(entity: &Entity, tally: &Tally) -> Option<Encoding> {
    match entity.encoding.as_slice() {
        b"" | b"7bit" | b"8bit" | b"binary" => {}
        b"quoted-printable" => return Some(Encoding::RepairQuotedPrintable),
        b"base64" => return Some(Encoding::RewrapBase64),
        _ => return None,
    }
    // Quoted-printable takes two octets more for each that it encodes, base64 a third of all; but the former can be read.
    let is_readable = tally.high.saturating_mul(3) <= tally.octets;
    Some(if entity.is_text() && is_readable && !tally.breaks_lines {
        Encoding::QuotedPrintable
    } else {
        Encoding::Base64
    })
}

/// What a body is made of.
#[derive(Debug, Clone, Default)]
struct Tally {
    octets: u64,
    /// Octets above 127.
    high: u64,
    /// Length of the current line, and of the longest.
    line: u64,
    longest: u64,
    /// NUL, bare CR or bare LF occurred.
    breaks_lines: bool,
    last: u8,
    /// Octets that the current UTF-8 sequence still needs.
    sequence: u8,
    is_not_utf8: bool,
}

impl Tally {
    fn add(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        for &octet in octets {
            self.breaks_lines |= octet == 0 || ((octet == b'\n') != (self.last == b'\r'));
            if octet == b'\n' {
                self.line = 0;
            } else if octet != b'\r' {
                self.line += 1;
                self.longest = self.longest.max(self.line);
            }
            self.high += u64::from(octet >= 0x80);
            self.follow_utf8(octet);
            self.last = octet;
        }
    }

    /// Close enough for the name of a charset: overlong forms and surrogates are let pass.
    fn follow_utf8(&mut self, octet: u8) {
        let continues = matches!(octet, 0x80..=0xbf);
        self.is_not_utf8 |= continues != (self.sequence > 0);
        self.sequence = match octet {
            0x80..=0xbf => self.sequence.saturating_sub(1),
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            0xc0..=0xc1 | 0xf5.. => {
                self.is_not_utf8 = true;
                0
            }
            _ => 0,
        };
    }

    /// RFC 1428 §3 has a name for text of which nothing is known.
    fn charset(&self) -> &'static str {
        if self.is_not_utf8 || self.sequence > 0 {
            "unknown-8bit"
        } else {
            "utf-8"
        }
    }
}
