//! What reading hostile mail costs: in proportion to its length, whatever is in it (T-39, V-34, V-49, V-55).
//!
//! Every reader here gets its worst inputs. One that were quadratic would need minutes for each of them and not come back before the runner
//! ends the test. How the time grows with the length is printed, not asserted: `--no-capture` shows it.

use std::hint::black_box;
use std::time::Instant;

use gatepost::message::conversion::{Conversion, HopAbilities, Needs, Octets, Survey, needed};
use gatepost::message::encoded_word::shown_ascii;
use gatepost::message::entity::Entity;
use gatepost::message::header_encoding::{Domains, encode_field, write_field};
use gatepost::message::headers::{Field, HeaderSection, MAX_OCTETS};
use gatepost::message::{completion, fixup, mailbox, shown, text_part};

/// Octets of the longer input of each kind. As a header section the whole of what is accepted is tried.
const OCTETS: usize = 64 << 10;

/// Values of a field.
const VALUES: &[&str] = &[
    "(",
    ")",
    "\"",
    "\\",
    "<",
    ">",
    "a ",
    "a,",
    "\u{fc} ",
    "\u{fc},",
    "(\u{fc}",
    "\"\u{fc}\" ",
    "<\u{fc}@b>,",
    "Gr\u{fc}p: ",
    "=?",
    "=?a?q?x",
    "=?a?b?YQ==?= ",
    "=?\u{fc}?q?",
    ";",
    "; a=\"",
    "; a*0*=x",
    "; n=\u{fc}",
    ";\u{fc}",
    "; boundary=",
    "\r\n ",
    " ",
    "a@b.example, ",
    "\u{fc}x\r\n ",
    "\\\"",
];

/// Bodies.
const BODIES: &[&str] = &[
    "--",
    "--b\r\n",
    "--b--\r\n",
    "\r\n",
    "\r",
    "\n",
    "--b\r\n\r\n",
    "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
    "--b\r\nContent-Type: message/rfc822\r\n\r\n",
    "--b\r\nA: 1\r\n",
    "\u{fc}",
    "= ",
    " \r\n",
    "--b\u{fc}",
    "--b ",
    "a\r\n",
];

fn repeated(pattern: &str, octets: usize) -> String {
    pattern.repeat(octets / pattern.len())
}

/// Runs the work on an input and on one ten times as long.
#[expect(
    clippy::print_stdout,
    reason = "how the time grows is for people to see"
)]
fn grow(name: &str, pattern: &str, octets: usize, work: impl Fn(&str)) {
    let times = [octets / 10, octets].map(|octets| {
        let input = repeated(pattern, octets);
        let start = Instant::now();
        work(&input);
        start.elapsed()
    });
    let ratio = times[1].as_secs_f64() / times[0].as_secs_f64().max(1e-9);
    println!(
        "{name:20} {:?} × {ratio:.1} to {:?}",
        pattern.escape_default().to_string(),
        times[1]
    );
}

fn field(name: &str, value: &str, look: impl Fn(&Field<'_>, &HeaderSection<'_>)) {
    let octets = format!("{name}: {value}\r\n");
    // A value that ends the section early leaves less to look at.
    if let Ok(section) = HeaderSection::scan(octets.as_bytes())
        && let Some(field) = section.fields().first()
    {
        look(field, &section);
    }
}

#[test]
fn fields_cost_in_proportion_to_their_length() {
    for pattern in VALUES {
        grow("mailbox", pattern, OCTETS, |value| {
            black_box(mailbox::parse_list(value.as_bytes())).ok();
        });
        grow("encoded words", pattern, OCTETS, |value| {
            black_box(shown_ascii(value.as_bytes()));
            black_box(shown::shown(value.as_bytes()));
        });
        for name in ["To", "Subject", "Content-Type"] {
            grow(name, pattern, OCTETS, |value| {
                field(name, value, |field, section| {
                    black_box(encode_field(field, Domains::ToAscii)).ok();
                    black_box(completion::complete_field(field, "own.example"));
                    black_box(Entity::of(section, "text/plain"));
                    let mut written = Vec::new();
                    write_field(field, None, true, &mut written);
                    black_box(written);
                });
            });
        }
    }
}

#[test]
fn headers_cost_in_proportion_to_their_length() {
    for pattern in [
        "A: 1\r\n",
        "A:\r\n \r\n",
        " \r\n",
        "a",
        ":",
        "Received: x\r\n",
        "From: a@b\r\n",
        "a \t",
    ] {
        grow("header", pattern, MAX_OCTETS, |octets| {
            let section = HeaderSection::scan(octets.as_bytes());
            if let Ok(section) = black_box(section) {
                let completion = fixup::Completion {
                    received: "Received: us\r\n",
                    now: jiff::Timestamp::UNIX_EPOCH,
                    message_id: "1@own.example",
                    changes: &fixup::Changes::default(),
                    separated: true,
                };
                black_box(fixup::complete(&section, &completion)).ok();
            }
        });
    }
}

#[test]
fn bodies_cost_in_proportion_to_their_length() {
    let needs = Needs {
        octets: Octets::Binary,
        long_lines: true,
        utf8_headers: true,
    };
    let hop = HopAbilities {
        octets: Octets::SevenBit,
        utf8_headers: false,
    };
    let goal = needed(needs, hop).unwrap();
    for pattern in BODIES {
        grow("body", pattern, OCTETS, |body| {
            let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}");
            black_box(text_part::first_text(message.as_bytes()));
            let mut survey = Survey::new(goal);
            let pieces = || message.as_bytes().chunks(4 << 10);
            pieces().for_each(|piece| survey.feed(piece));
            if let Ok(Some(plan)) = survey.finish() {
                let mut conversion = Conversion::new(plan);
                let written: usize = pieces().map(|piece| conversion.feed(piece).len()).sum();
                black_box(written + conversion.finish().len());
            }
        });
    }
}
