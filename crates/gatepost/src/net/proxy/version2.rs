//! Version 2: a binary header, with extensions (type, length, value).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Header, HeaderFault, LONGEST, ProxiedTls, agree};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// Version 2, and the connection is the proxy's own.
const LOCAL: u8 = 0x20;
/// Version 2, and the connection is relayed.
const PROXY: u8 = 0x21;

const TCP_IPV4: u8 = 0x11;
const TCP_IPV6: u8 = 0x21;

// §2.2.1 to §2.2.6: types of extensions.
const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CLIENT_NAME: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;

/// The client used TLS.
const CLIENT_SSL: u8 = 0x01;

/// Characters of a text that is kept.
const LONGEST_TEXT: usize = 255;

/// Whether the octets may be the beginning of a header of version 2.
pub(super) fn begins(octets: &[u8]) -> bool {
    agree(octets, SIGNATURE)
}

pub(super) fn parse(octets: &[u8]) -> Result<Option<(Header, usize)>, HeaderFault> {
    let Some((fixed, rest)) = octets.split_first_chunk::<FIXED>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) {
        return Err(HeaderFault::Binary);
    }
    if FIXED + length > LONGEST {
        return Err(HeaderFault::TooLong);
    }
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    let whole = octets.get(..FIXED + length).unwrap_or_default();
    let (addresses, extensions) = match (command, family) {
        (PROXY, TCP_IPV4) => ipv4(block)?,
        (PROXY, TCP_IPV6) => ipv6(block)?,
        (PROXY, _) => return Err(HeaderFault::Binary),
        // What follows is "to be discarded", and is so unless it has the form that a checksum can stand in.
        _ => (None, local_extensions(family, block)),
    };
    let mut header = read(extensions, whole)?;
    if command == LOCAL {
        header = Header::default();
    }
    header.addresses = addresses;
    Ok(Some((header, FIXED + length)))
}

type Block<'b> = (Option<Addresses>, &'b [u8]);

fn ipv4(block: &[u8]) -> Result<Block<'_>, HeaderFault> {
    let (source, rest) = take::<4>(block)?;
    let (destination, rest) = take::<4>(rest)?;
    let (ports, rest) = take::<4>(rest)?;
    let [from, to] = ends(Ipv4Addr::from(source), Ipv4Addr::from(destination), ports);
    Ok((
        Some(Addresses {
            source: from,
            destination: to,
        }),
        rest,
    ))
}

fn ipv6(block: &[u8]) -> Result<Block<'_>, HeaderFault> {
    let (source, rest) = take::<16>(block)?;
    let (destination, rest) = take::<16>(rest)?;
    let (ports, rest) = take::<4>(rest)?;
    let [from, to] = ends(Ipv6Addr::from(source), Ipv6Addr::from(destination), ports);
    Ok((
        Some(Addresses {
            source: from,
            destination: to,
        }),
        rest,
    ))
}

fn ends<A: Into<std::net::IpAddr>>(source: A, destination: A, ports: [u8; 4]) -> [SocketAddr; 2] {
    let [a, b, c, d] = ports;
    [
        SocketAddr::new(source.into(), u16::from_be_bytes([a, b])),
        SocketAddr::new(destination.into(), u16::from_be_bytes([c, d])),
    ]
}

fn take<const N: usize>(octets: &[u8]) -> Result<([u8; N], &[u8]), HeaderFault> {
    let (taken, rest) = octets.split_first_chunk::<N>().ok_or(HeaderFault::Binary)?;
    Ok((*taken, rest))
}

/// Where the extensions of a health check begin: behind the addresses of its family, if it names one.
fn local_extensions(family: u8, block: &[u8]) -> &[u8] {
    let addresses = match family {
        TCP_IPV4 => 12,
        TCP_IPV6 => 36,
        0 => 0,
        _ => block.len(),
    };
    block.get(addresses..).unwrap_or_default()
}

/// Reads the extensions of a header whose octets are `whole`.
fn read(extensions: &[u8], whole: &[u8]) -> Result<Header, HeaderFault> {
    let mut header = Header::default();
    let mut checksum = None;
    for extension in Extensions(extensions) {
        let (kind, value) = extension?;
        match kind {
            ALPN => header.alpn = text(value),
            AUTHORITY => header.authority = text(value),
            SSL => header.tls = tls(value)?,
            // A second one could not be right together with the first.
            CRC32C if checksum.is_some() => return Err(HeaderFault::Checksum),
            CRC32C => checksum = Some(value),
            _ => {}
        }
    }
    match checksum {
        Some(value) if !sums_up(whole, value) => Err(HeaderFault::Checksum),
        _ => Ok(header),
    }
}

/// §2.2.3: over the whole header with the checksum's own four octets zero. `value` lies within `whole`.
fn sums_up(whole: &[u8], value: &[u8]) -> bool {
    let Ok(told) = <[u8; 4]>::try_from(value) else {
        return false;
    };
    let place = value.as_ptr().addr() - whole.as_ptr().addr();
    let (before, after) = (whole.get(..place), whole.get(place + told.len()..));
    let sum = crc32c::crc32c(before.unwrap_or_default());
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    let sum = crc32c::crc32c_append(sum, after.unwrap_or_default());
    sum == u32::from_be_bytes(told)
}

/// §2.2.5: client bits, verification result, extensions of its own.
fn tls(value: &[u8]) -> Result<Option<ProxiedTls>, HeaderFault> {
    let ([client, ..], rest) = take::<5>(value).map_err(|_| HeaderFault::Extensions)?;
    let mut tls = ProxiedTls::default();
    for extension in Extensions(rest) {
        let (kind, value) = extension?;
        match kind {
            SSL_VERSION => tls.version = text(value),
            SSL_CIPHER => tls.cipher = text(value),
            SSL_CLIENT_NAME => tls.client_name = text(value),
            _ => {}
        }
    }
    Ok((client & CLIENT_SSL != 0).then_some(tls))
}

/// A text for people; what is none is left out.
fn text(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let shown = (1..=LONGEST_TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
    shown.then(|| text.to_owned())
}

/// Types with their values.
struct Extensions<'e>(&'e [u8]);

impl<'e> Iterator for Extensions<'e> {
    type Item = Result<(u8, &'e [u8]), HeaderFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some((&[kind, high, low], rest)) = self.0.split_first_chunk::<3>() else {
            self.0 = &[];
            return Some(Err(HeaderFault::Extensions));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            self.0 = &[];
            return Some(Err(HeaderFault::Extensions));
        };
        self.0 = rest;
        Some(Ok((kind, value)))
    }
}
