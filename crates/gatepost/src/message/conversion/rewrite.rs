//! Writes a content anew as planned.

use super::survey::{Encoding, Plan, Treatment};
use super::walk::{Head, Visitor, Walk};
use super::{Goal, Octets};
use crate::message::header_encoding::{self, Domains};
use crate::message::headers::HeaderSection;
use crate::message::transfer_encoder::Encoder;

/// Converts a content, piece by piece, as a [`Plan`] made from the same content says.
pub struct Conversion {
    walk: Walk,
    writer: Writer,
}

struct Writer {
    plan: Plan,
    /// The number of the entity whose headers come next.
    number: usize,
    encoder: Option<Encoder>,
    written: Vec<u8>,
}

impl Conversion {
    /// A conversion that stands before the first octet.
    pub fn new(plan: Plan) -> Self {
        Self {
            walk: Walk::new(),
            writer: Writer {
                plan,
                number: 0,
                encoder: None,
                written: Vec::new(),
            },
        }
    }

    /// Takes the next piece and gives what can be written of it so far.
    pub fn feed(&mut self, octets: &[u8]) -> Vec<u8> {
        self.walk.feed(octets, &mut self.writer);
        std::mem::take(&mut self.writer.written)
    }

    /// The content is complete: the rest of the result.
    pub fn finish(mut self) -> Vec<u8> {
        self.walk.finish(&mut self.writer);
        self.writer.written
    }
}

impl Visitor for Writer {
    fn headers(&mut self, octets: &[u8], head: &Head) {
        let treatment = self.plan.treatments.get(self.number).copied();
        let treatment = treatment.unwrap_or_default();
        self.number += 1;
        self.encoder = encoder(treatment.encoding);
        if head.entity.is_some()
            && let Ok(section) = HeaderSection::scan(octets)
        {
            self.write_headers(&section, head, treatment);
        } else {
            self.written.extend_from_slice(octets);
        }
    }

    fn body(&mut self, octets: &[u8]) {
        match &mut self.encoder {
            Some(encoder) => encoder.push(octets, &mut self.written),
            None => self.written.extend_from_slice(octets),
        }
    }

    fn body_end(&mut self, boundary_follows: bool) {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(boundary_follows, &mut self.written);
        }
    }

    fn frame(&mut self, octets: &[u8]) {
        if self.plan.goal.makes_ascii() {
            // Nobody is shown this text; a boundary that was recognised is ASCII.
            let plain = octets
                .iter()
                .map(|&octet| if octet.is_ascii() { octet } else { b'?' });
            self.written.extend(plain);
        } else {
            self.written.extend_from_slice(octets);
        }
    }
}

impl Writer {
    fn write_headers(&mut self, section: &HeaderSection<'_>, head: &Head, treatment: Treatment) {
        let goal = self.plan.goal;
        let label = label(goal, treatment.encoding, section);
        if let Some(line) = section.mbox_line() {
            self.written.extend_from_slice(line);
        }
        for field in section.fields() {
            if label.is_some() && field.is("Content-Transfer-Encoding") {
                continue;
            }
            header_encoding::write_field(
                field,
                goal.ascii_headers.then_some(Domains::ToAscii),
                goal.short_lines,
                &mut self.written,
            );
        }
        let has = |name| section.named(name).next().is_some();
        let is_encoded = treatment.encoding != Encoding::Keep;
        if is_encoded && head.is_message && !has("MIME-Version") {
            self.line("MIME-Version: 1.0");
        }
        if is_encoded
            && let Some(charset) = treatment.charset
            && !has("Content-Type")
        {
            self.line(&format!("Content-Type: text/plain; charset={charset}"));
        }
        if let Some(label) = label {
            self.line(&format!("Content-Transfer-Encoding: {label}"));
        }
        // The empty line.
        self.written.extend_from_slice(section.rest());
    }

    fn line(&mut self, line: &str) {
        self.written.extend_from_slice(line.as_bytes());
        self.written.extend_from_slice(b"\r\n");
    }
}

fn encoder(encoding: Encoding) -> Option<Encoder> {
    match encoding {
        Encoding::Keep => None,
        Encoding::QuotedPrintable => Some(Encoder::quoted_printable()),
        Encoding::Base64 => Some(Encoder::base64()),
        Encoding::RepairQuotedPrintable => Some(Encoder::repair_quoted_printable()),
        Encoding::RewrapBase64 => Some(Encoder::rewrap_base64()),
    }
}

/// The `Content-Transfer-Encoding` to name, if it is another than now.
fn label(goal: Goal, encoding: Encoding, section: &HeaderSection<'_>) -> Option<&'static str> {
    match encoding {
        Encoding::QuotedPrintable => return Some("quoted-printable"),
        Encoding::Base64 => return Some("base64"),
        Encoding::RepairQuotedPrintable | Encoding::RewrapBase64 => return None,
        Encoding::Keep => {}
    }
    if !goal.lowers() {
        return None;
    }
    let now = section.named("Content-Transfer-Encoding").next()?;
    let now = now.value().trim_ascii().to_ascii_lowercase();
    match (goal.to, now.as_slice()) {
        (Octets::SevenBit, b"8bit" | b"binary") => Some("7bit"),
        (Octets::EightBit, b"binary") => Some("8bit"),
        _ => None,
    }
}
