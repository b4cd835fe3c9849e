use super::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn good_addresses() {
    let rows = [
        ("fred@example.com", "fred", "example.com"),
        ("dev@localhost", "dev", "localhost"),
        ("a..b.@EXAMPLE.com.", "a..b.", "EXAMPLE.com"),
        (
            "user%other@my_host.internal",
            "user%other",
            "my_host.internal",
        ),
        ("\"a b\"@example.com", "\"a b\"", "example.com"),
        ("\"a@b\"@example.com", "\"a@b\"", "example.com"),
        ("\"a\\\"b\"@example.com", "\"a\\\"b\"", "example.com"),
        ("\"\"@example.com", "\"\"", "example.com"),
        ("\"fred\"@example.com", "fred", "example.com"),
        ("\"f\\red\"@example.com", "fred", "example.com"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
    ];
    for (text, local, domain) in rows {
        let parsed = address(text);
        assert_eq!((parsed.local(), parsed.domain()), (local, domain), "{text}");
        assert_eq!(
            address(parsed.as_str()),
            parsed,
            "{text}: the wire form parses to the same value"
        );
    }
}

#[test]
fn bad_addresses() {
    let long_label = format!("a@{}.com", "x".repeat(64));
    let long_domain = format!("a@{}com", "x.".repeat(130));
    let long_local = format!("{}@example.com", "x".repeat(321));
    let rows = [
        "",
        "@",
        "@example.com",
        "a@",
        "a@.",
        "a@b..c",
        "a@b c",
        "a b@c",
        "a@b@c",
        "a@b>",
        "a,b@c",
        "a@[1.2.3]",
        "a@[x]",
        "a@[IPv6:1.2.3.4]",
        "\"a@b",
        "\"a\"b@c",
        "a@b\r\nRCPT",
        "a\0@b",
        "\"a\r\"@b",
        "\"\\\n\"@b",
        "<a@b>",
        "a@b..",
        &long_label,
        &long_domain,
        &long_local,
    ];
    for text in rows {
        assert_eq!(Address::parse(text), Err(AddressFault::Syntax), "{text:?}");
    }
    assert_eq!(Address::parse("fred"), Err(AddressFault::Unqualified));
    assert_eq!(
        Address::parse("fr\u{e9}d@example.com"),
        Err(AddressFault::NonAscii)
    );
    assert_eq!(
        Address::parse("fred@ex\u{2028}ample.com"),
        Err(AddressFault::NonAscii)
    );
}

#[test]
fn domains_compare_without_case_and_local_parts_with_it() {
    assert_eq!(address("fred@EXAMPLE.com"), address("fred@example.COM"));
    assert_ne!(address("Fred@example.com"), address("fred@example.com"));
}

#[test]
fn postmaster_needs_no_domain() {
    let path = ForwardPath::parse("Postmaster", "mx.example.com").unwrap();
    assert_eq!(path.to_string(), "<Postmaster@mx.example.com>");
    assert_eq!(ReversePath::parse("").unwrap().to_string(), "<>");
}

// SMTP-04
#[test]
fn smtp_04_arguments_as_the_field_sends_them() {
    let rows = [
        ("<a@b>", "a@b", "", vec![]),
        (" <a@b>", "a@b", "", vec![Quirk::SpaceBeforePath]),
        ("  <a@b> ", "a@b", " ", vec![Quirk::SpaceBeforePath]),
        ("a@b", "a@b", "", vec![Quirk::MissingAngleBrackets]),
        (
            " a@b SIZE=3",
            "a@b",
            " SIZE=3",
            vec![Quirk::MissingAngleBrackets, Quirk::SpaceBeforePath],
        ),
        (
            "<@relay:a@b> BODY=8BITMIME SIZE=100",
            "a@b",
            " BODY=8BITMIME SIZE=100",
            vec![Quirk::SourceRoute],
        ),
        ("<@r1,@r2:a@b>", "a@b", "", vec![Quirk::SourceRoute]),
        ("<a@b.>", "a@b.", "", vec![Quirk::TrailingDotOrSpace]),
        ("< a@b >", "a@b", "", vec![Quirk::TrailingDotOrSpace]),
        ("<>", "", "", vec![]),
        ("<\"a>b\"@c> X", "\"a>b\"@c", " X", vec![]),
        ("<\"a\\\">\"@c>", "\"a\\\">\"@c", "", vec![]),
    ];
    for (argument, address, params, quirks) in rows {
        let quirks = quirks.into_iter().fold(QuirkSet::NONE, QuirkSet::with);
        assert_eq!(
            split_argument(argument),
            Some(PathArgument {
                address,
                params,
                quirks
            }),
            "{argument:?}"
        );
    }
    for argument in ["", " ", "<", "<a@b", "<a@b>SIZE=1", "<\"a>"] {
        assert_eq!(split_argument(argument), None, "{argument:?}");
    }
}
