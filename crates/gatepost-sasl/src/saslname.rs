//! Names inside of messages whose fields are separated by commas: `saslname` of RFC 5801 §4 and RFC 5802 §7.

/// Writes a name: `,` and `=` become `=2C` and `=3D`.
pub(crate) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// Reads a name of at least one character; `=` stands only before `2C` and `3D`.
pub(crate) fn unescape(name: &str) -> Option<String> {
    let mut pieces = name.split('=');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (c, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        plain.push(c);
        plain.push_str(rest);
    }
    (!plain.is_empty()).then_some(plain)
}
