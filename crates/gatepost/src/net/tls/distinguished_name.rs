//! A distinguished name as text: the form of RFC 4514, in which every name has one text and every text one name.
//!
//! `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb,utf8` prints the same for the attributes that have a short name here.

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Oid, Tag, ToDer, oid};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The short names of RFC 4514 §3, and the one of e-mail addresses that everybody uses.
static SHORT: [(Oid<'static>, &str); 10] = [
    (oid!(2.5.4.3), "CN"),
    (oid!(2.5.4.7), "L"),
    (oid!(2.5.4.8), "ST"),
    (oid!(2.5.4.10), "O"),
    (oid!(2.5.4.11), "OU"),
    (oid!(2.5.4.6), "C"),
    (oid!(2.5.4.9), "street"),
    (oid!(0.9.2342.19200300.100.1.25), "DC"),
    (oid!(0.9.2342.19200300.100.1.1), "UID"),
    (oid!(1.2.840.113549.1.9.1), "emailAddress"),
];

/// The name, its last part first.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter().collect();
    let parts = parts.into_iter().rev().map(|part| {
        let attributes: Vec<_> = part.iter().map(attribute).collect();
        attributes.join("+")
    });
    parts.collect::<Vec<_>>().join(",")
}

/// `type=value`; what is no plain text is written as its octets.
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let short = SHORT.iter().find(|(oid, _)| oid == attribute.attr_type());
    let value = attribute.attr_value();
    let readable = matches!(
        value.tag(),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String
    );
    let octets = attribute.as_slice();
    match (short, str::from_utf8(octets)) {
        (Some((_, name)), Ok(text)) if readable => format!("{name}={}", escaped(text)),
        _ => {
            let mut text = format!("{}=#", attribute.attr_type());
            for octet in value.to_der_vec().unwrap_or_default() {
                let _ = write!(text, "{octet:02x}");
            }
            text
        }
    }
}

/// RFC 4514 §2.4. Control characters are written as their octets, too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '#' if place == 0 => escaped.push_str("\\#"),
            ' ' if place == 0 || place == last => escaped.push_str("\\ "),
            character if character.is_control() => {
                let mut octets = [0; 4];
                for octet in character.encode_utf8(&mut octets).bytes() {
                    let _ = write!(escaped, "\\{octet:02X}");
                }
            }
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rcgen::{DistinguishedName, DnType};

    use super::*;

    fn subject(parts: &[(DnType, &str)]) -> String {
        let mut name = DistinguishedName::new();
        for (kind, value) in parts {
            name.push(kind.clone(), *value);
        }
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = name;
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
        text(parsed.subject())
    }

    // RFC 4514 §4 has the examples.
    #[test]
    fn no_two_names_have_the_same_text() {
        use DnType::{CommonName, CountryName, OrganizationName};
        for (parts, expected) in [
            (&[][..], ""),
            (&[(CommonName, "scanner")], "CN=scanner"),
            (
                &[
                    (CountryName, "DE"),
                    (OrganizationName, "Example"),
                    (CommonName, "scanner"),
                ],
                "CN=scanner,O=Example,C=DE",
            ),
            (
                &[(CommonName, "scanner,O=Example")],
                "CN=scanner\\,O=Example",
            ),
            (&[(CommonName, "a+b\"<;>\\")], "CN=a\\+b\\\"\\<\\;\\>\\\\"),
            (&[(CommonName, " # ")], "CN=\\ #\\ "),
            (&[(CommonName, "#a")], "CN=\\#a"),
            (&[(CommonName, "a\0b\r\nc")], "CN=a\\00b\\0D\\0Ac"),
            (&[(CommonName, "J\u{fc}rgen")], "CN=J\u{fc}rgen"),
            (
                &[(DnType::CustomDnType(vec![1, 2, 3, 4]), "x")],
                "1.2.3.4=#0c0178",
            ),
        ] {
            assert_eq!(subject(parts), expected);
        }
    }
}
