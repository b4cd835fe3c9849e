use super::*;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn addresses(source: &str, destination: &str) -> Addresses {
    Addresses {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// A header of version 2 with this command, family and block.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut octets = SIGNATURE.to_vec();
    octets.extend([command, family]);
    octets.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    octets.extend(block);
    octets
}

fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    octets.extend(value);
    octets
}

/// 192.0.2.7:51234 to 198.51.100.1:587.
const IPV4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc8, 0x22, 0x02, 0x4b];

/// Parses; that every shorter beginning asks for more, and that what follows is left alone, is part of it.
fn parsed(octets: &[u8]) -> Header {
    for cut in 0..octets.len() {
        assert_eq!(parse(&octets[..cut]), Ok(None), "{cut} of {octets:?}");
    }
    let behind = [octets, b"EHLO client\r\n"].concat();
    let (header, length) = parse(&behind).unwrap().unwrap();
    assert_eq!(length, octets.len());
    assert_eq!(parse(octets), Ok(Some((header.clone(), length))));
    header
}

/// PRX-02: "`PROXY TCP4 src dst sport dport\r\n`".
#[test]
fn prx_02_a_line_of_version_1_names_both_ends() {
    let header = parsed(b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 587\r\n");
    assert_eq!(
        header.addresses,
        Some(addresses("192.0.2.7:51234", "198.51.100.1:587"))
    );
    let header = parsed(b"PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n");
    assert_eq!(
        header.addresses,
        Some(addresses("[2001:db8::7]:65535", "[2001:db8::1]:0"))
    );
    // The longest line of the specification (§2.1): 107 octets.
    let longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535";
    assert_eq!(
        parsed(format!("{longest:<105}\r\n").as_bytes()),
        Header::default()
    );
    let header = parsed(b"PROXY UNKNOWN\r\n");
    assert_eq!(header.addresses, None);
}

/// PRX-02: "≤107 chars incl. CRLF, one space, no leading zeros, CRLF strictly … Any deviation → abort".
#[test]
fn prx_02_any_deviation_is_a_fault() {
    for line in [
        "PROXY TCP4 192.0.2.7 198.51.100.1 51234 587\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 51234 587 \r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 51234 587\r\n",
        "PROXY  TCP4 192.0.2.7 198.51.100.1 51234 587\r\n",
        "PROXY TCP4\t192.0.2.7 198.51.100.1 51234 587\r\n",
        "PROXY TCP4 192.000.2.7 198.51.100.1 51234 587\r\n",
        "PROXY TCP4 192.0.2.07 198.51.100.1 51234 587\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 051234 587\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +51234 587\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 587\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 51234 587 9\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 51234 587\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 51234 587\r\n",
        "PROXY TCP6 fe80::1%1 2001:db8::1 51234 587\r\n",
        "PROXY tcp4 192.0.2.7 198.51.100.1 51234 587\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 51234 587\r\n",
        "PROXY \r\n",
        "PROXY UNKNOWN \rEHLO x\r\n",
        "PROXY TCP4\r192.0.2.7 198.51.100.1 51234 587\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(HeaderFault::Line), "{line:?}");
    }
    let long = format!("{:<106}\r\n", "PROXY UNKNOWN");
    assert_eq!(parse(long.as_bytes()), Err(HeaderFault::TooLong));
}

/// PRX-01: "MUST NOT guess": what begins otherwise is no header, and known to be none at once.
#[test]
fn prx_01_what_begins_otherwise_is_none() {
    for octets in [
        b"EHLO client\r\n".as_slice(),
        b"PROXX",
        b"proxy TCP4",
        &[0x16, 0x03, 0x01],
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\r\nQUIT",
    ] {
        assert_eq!(parse(octets), Err(HeaderFault::Absent), "{octets:?}");
    }
}

/// PRX-03: "ver 2, cmd LOCAL(0)/PROXY(1), fam 0x11/0x21, length; … LOCAL → real address (health checks)".
#[test]
fn prx_03_a_binary_header_names_both_ends() {
    let header = parsed(&binary(0x21, 0x11, &IPV4));
    assert_eq!(
        header.addresses,
        Some(addresses("192.0.2.7:51234", "198.51.100.1:587"))
    );
    let mut block = Vec::new();
    for end in ["2001:db8::7", "2001:db8::1"] {
        block.extend(end.parse::<std::net::Ipv6Addr>().unwrap().octets());
    }
    block.extend([0xc8, 0x22, 0x02, 0x4b]);
    let header = parsed(&binary(0x21, 0x21, &block));
    assert_eq!(
        header.addresses,
        Some(addresses("[2001:db8::7]:51234", "[2001:db8::1]:587"))
    );
    for (family, block) in [
        (0x00, [].as_slice()),
        (0x11, &IPV4),
        (0x31, &[7; 216]),
        (0xff, b"?"),
    ] {
        assert_eq!(parsed(&binary(0x20, family, block)), Header::default());
    }
}

/// PRX-03: "other values drop".
#[test]
fn prx_03_other_values_are_faults() {
    for (command, family, block, fault) in [
        (0x11, 0x11, IPV4.as_slice(), HeaderFault::Binary),
        (0x22, 0x11, &IPV4, HeaderFault::Binary),
        (0x31, 0x11, &IPV4, HeaderFault::Binary),
        (0x21, 0x00, &IPV4, HeaderFault::Binary),
        (0x21, 0x12, &IPV4, HeaderFault::Binary),
        (0x21, 0x31, &[7; 216], HeaderFault::Binary),
        (0x21, 0x11, &IPV4[..11], HeaderFault::Binary),
        (0x21, 0x21, &IPV4, HeaderFault::Binary),
        (0x21, 0x11, &[0; LONGEST - 15], HeaderFault::TooLong),
    ] {
        assert_eq!(
            parse(&binary(command, family, block)),
            Err(fault),
            "{command:#x} {family:#x}"
        );
    }
    for broken in [
        &[0x04][..],
        &[0x04, 0],
        &[0x04, 0, 2, 7],
        &[0x20, 0, 4, 1, 0, 0, 0],
    ] {
        let octets = binary(0x21, 0x11, &[&IPV4, broken].concat());
        assert_eq!(parse(&octets), Err(HeaderFault::Extensions), "{broken:?}");
    }
}

/// PRX-03: "CRC32C TLV MUST be checked if present".
#[test]
fn prx_03_a_checksum_must_be_right() {
    for (command, family, block) in [(0x21, 0x11, IPV4.as_slice()), (0x20, 0x00, &[])] {
        let noop = extension(0x04, b"padding");
        let block = [block, &extension(0x03, &[0; 4]), &noop].concat();
        let mut octets = binary(command, family, &block);
        let place = octets.len() - noop.len() - 4;
        let sum = crc32c::crc32c(&octets).to_be_bytes();
        octets[place..place + 4].copy_from_slice(&sum);
        parsed(&octets);
        for wrong in [place, octets.len() - 1] {
            let mut octets = octets.clone();
            octets[wrong] ^= 1;
            assert_eq!(parse(&octets), Err(HeaderFault::Checksum));
        }
    }
    let block = [IPV4.as_slice(), &extension(0x03, &[0; 3])].concat();
    assert_eq!(
        parse(&binary(0x21, 0x11, &block)),
        Err(HeaderFault::Checksum)
    );
}

/// PRX-04: "TLVs used: ALPN 0x01, AUTHORITY 0x02, SSL 0x20 (client bit, CN, version)".
#[test]
fn prx_04_what_the_proxy_knows_of_the_clients_tls_is_read() {
    let inner = [
        extension(0x21, b"TLSv1.3"),
        extension(0x22, b"Fred"),
        extension(0x23, b"TLS_AES_128_GCM_SHA256"),
        extension(0x7f, b"?"),
    ]
    .concat();
    let block = |client: u8| {
        let tls = [&[client, 0, 0, 0, 0], inner.as_slice()].concat();
        [
            IPV4.to_vec(),
            extension(0x01, b"smtp"),
            extension(0x02, b"submit.example.com"),
            extension(0xe0, b"ours"),
            extension(0x20, &tls),
        ]
        .concat()
    };
    let header = parsed(&binary(0x21, 0x11, &block(1)));
    assert_eq!(header.alpn.as_deref(), Some("smtp"));
    assert_eq!(header.authority.as_deref(), Some("submit.example.com"));
    let tls = header.tls.unwrap();
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(tls.cipher.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
    assert_eq!(tls.client_name.as_deref(), Some("Fred"));
    assert_eq!(
        parsed(&binary(0x21, 0x11, &block(6))).tls,
        None,
        "bit 0 says whether there was TLS"
    );
    let hostile = [IPV4.to_vec(), extension(0x02, b"a\r\nb")].concat();
    assert_eq!(parsed(&binary(0x21, 0x11, &hostile)).authority, None);
}

proptest::proptest! {
    /// Whatever comes: an answer, the same one for more octets, and no header longer than what came.
    #[test]
    fn any_octets_have_one_answer(
        version in 0..3_usize,
        tail in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
        more in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
    ) {
        let beginning: &[u8] = [b"".as_slice(), b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"][version];
        let octets = [beginning, &tail].concat();
        let longer = [octets.as_slice(), &more].concat();
        match parse(&octets) {
            Ok(Some((header, length))) => {
                proptest::prop_assert!(length <= octets.len());
                proptest::prop_assert_eq!(parse(&longer), Ok(Some((header, length))));
            }
            Err(fault) => proptest::prop_assert_eq!(parse(&longer), Err(fault)),
            Ok(None) => proptest::prop_assert!(octets.len() < LONGEST),
        }
    }
}
