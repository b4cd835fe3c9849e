//! Names of sessions.

use gatepost_smtp::short_id::SessionId;

/// Characters of a session's name: 40 bits, enough that two sessions in one log rarely share one, short enough to read out.
const LENGTH: usize = 8;

/// RFC 4648 §6: no 0, 1, 8 or 9 to mistake for letters.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Draws the name of a new session.
pub(super) fn draw() -> SessionId {
    let mut octets = [0; LENGTH];
    // It is a name and not a secret: without randomness, sessions are all called AAAAAAAA and work.
    let _ = getrandom::fill(&mut octets);
    let name: String = octets
        .iter()
        .filter_map(|octet| ALPHABET.get(usize::from(octet % 32)))
        .map(|&letter| char::from(letter))
        .collect();
    SessionId::new(&name).unwrap_or_else(|| unreachable!("letters of the alphabet above"))
}
