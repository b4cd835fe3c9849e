//! How replies are put on the wire: code, enhanced code, text, and the short id of a refusal.

use std::fmt::Display;
use std::io::Write as _;

use crate::reply::{Positive, Refusal};

/// Octets that most replies fit in: they are written piece by piece, and growing for each piece costs more than the writing.
const USUAL: usize = 80;

/// One positive line; `more` follows the text of the table.
pub(super) fn positive(out: &mut Vec<u8>, reply: Positive, more: impl Display) {
    out.reserve(USUAL);
    // Writing to a Vec cannot fail.
    let _ = match reply.enhanced() {
        Some(enhanced) => write!(
            out,
            "{} {enhanced} {}{more}\r\n",
            reply.code(),
            reply.text()
        ),
        None => write!(out, "{} {}{more}\r\n", reply.code(), reply.text()),
    };
}

/// One refusal; its text ends in the short id.
pub(super) fn refusal(out: &mut Vec<u8>, refusal: Refusal, id: impl Display) {
    let _ = write!(
        out,
        "{} {} {} [{id}]\r\n",
        refusal.code(),
        refusal.enhanced(),
        refusal.text()
    );
}
