//! Version 1: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, Header, HeaderFault, agree};

const BEGINNING: &[u8] = b"PROXY ";

/// Octets of the longest line, its end included (§2.1).
const LONGEST_LINE: usize = 107;

/// Whether the octets may be the beginning of a line of version 1.
pub(super) fn begins(octets: &[u8]) -> bool {
    agree(octets, BEGINNING)
}

pub(super) fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, HeaderFault> {
    let seen = octets.get(..LONGEST_LINE).unwrap_or(octets);
    let Some(end) = seen.iter().position(|&octet| octet == b'\n') else {
        // A CR has its LF with it or is the last octet that came.
        let stray = seen.iter().rev().skip(1).any(|&octet| octet == b'\r');
        return match (stray, seen.len() < LONGEST_LINE) {
            (true, _) => Err(HeaderFault::Line),
            (false, true) => Ok(None),
            (false, false) => Err(HeaderFault::TooLong),
        };
    };
    let line = seen.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or(HeaderFault::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| HeaderFault::Line)?;
    let header = Header {
        addresses: addresses(line)?,
        ..Header::default()
    };
    Ok(Some((header, end + 1)))
}

/// `None` where the proxy does not know.
fn addresses(line: &str) -> Result<Option<Addresses>, HeaderFault> {
    let mut words = line.split(' ').skip(1);
    let mut next = || words.next().ok_or(HeaderFault::Line);
    let ends = match next()? {
        // "the receiver must ignore anything presented before the CRLF": but a CR inside would end the line for others.
        "UNKNOWN" if !line.contains('\r') => return Ok(None),
        "TCP4" => both::<Ipv4Addr>(next()?, next()?),
        "TCP6" => both::<Ipv6Addr>(next()?, next()?),
        _ => None,
    };
    let ports = (port(next()?), port(next()?));
    let ((source, destination), (Some(from), Some(to)), None) =
        (ends.ok_or(HeaderFault::Line)?, ports, words.next())
    else {
        return Err(HeaderFault::Line);
    };
    Ok(Some(Addresses {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    }))
}

/// The standard library's parsers take no leading zeros, no spaces and no zones.
fn both<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<(IpAddr, IpAddr)> {
    let one = |text: &str| text.parse::<A>().ok().map(Into::into);
    Some((one(source)?, one(destination)?))
}

fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0');
    if plain && !padded {
        digits.parse().ok()
    } else {
        None
    }
}
