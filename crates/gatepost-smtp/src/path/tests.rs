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
}

// EAI-03, EAI-04
#[test]
fn eai_03_eai_04_addresses_beyond_ascii() {
    let rows = [
        (
            "fr\u{e9}d@b\u{fc}cher.example",
            "fr\u{e9}d",
            "b\u{fc}cher.example",
            "xn--bcher-kva.example",
        ),
        (
            "fred@B\u{dc}CHER.Example.",
            "fred",
            "b\u{fc}cher.example",
            "xn--bcher-kva.example",
        ),
        (
            "fred@bu\u{308}cher\u{3002}example",
            "fred",
            "b\u{fc}cher.example",
            "xn--bcher-kva.example",
        ),
        (
            "\"\u{4f8b} x\"@example.com",
            "\"\u{4f8b} x\"",
            "example.com",
            "example.com",
        ),
        (
            "\"\u{4f8b}\"@example.com",
            "\u{4f8b}",
            "example.com",
            "example.com",
        ),
    ];
    for (text, local, domain, ascii) in rows {
        let parsed = address(text);
        assert_eq!((parsed.local(), parsed.domain()), (local, domain), "{text}");
        assert_eq!(parsed.to_ascii_domain(), ascii);
        assert!(!parsed.is_ascii());
        let downgraded = parsed.to_ascii();
        assert_eq!(downgraded.is_some(), local.is_ascii());
        assert!(downgraded.is_none_or(|ascii| ascii == parsed && ascii.is_ascii()));
        assert_eq!(address(parsed.as_str()), parsed);
    }
    let long_label = format!("a@{}.example", "\u{fc}".repeat(60));
    for text in [
        "fred@-\u{fc}.example",
        "fred@\u{fc}_x.example",
        "fred@xn--\u{fc}.example",
        "fred@\u{fc}..example",
        "fred@\u{202e}\u{fc}.example",
        "fred@[\u{fc}]",
        "fr\u{a0}ed@example.com",
        &long_label,
    ] {
        assert_eq!(Address::parse(text), Err(AddressFault::Syntax), "{text:?}");
    }
}

// T-36
#[test]
fn t_36_no_address_holds_a_control_character() {
    for character in [
        '\r', '\n', '\0', '\u{1b}', '\u{7f}', '\u{80}', '\u{85}', '\u{2028}', '\u{2029}',
        '\u{202e}',
    ] {
        for text in [
            format!("a{character}b@example.com"),
            format!("\"a{character}b\"@example.com"),
            format!("\"a\\{character}b\"@example.com"),
            format!("a@ex{character}ample.com"),
            format!("a@\u{fc}x{character}ample.com"),
            format!("a@[{character}]"),
        ] {
            assert_eq!(Address::parse(&text), Err(AddressFault::Syntax), "{text:?}");
        }
    }
}

#[test]
fn the_same_character_composed_or_not_is_the_same_mailbox() {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
    let same = [
        "fr\u{e9}d@b\u{fc}cher.example",
        "fre\u{301}d@bu\u{308}cher.example",
        "fr\u{e9}d@XN--BCHER-KVA.example",
    ]
    .map(address);
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    for one in &same {
        assert_eq!(one, &same[0]);
        assert_eq!(hasher.hash_one(one), hasher.hash_one(&same[0]));
        let capitals = address("FR\u{c9}D@B\u{dc}CHER.example");
        assert_ne!(one, &capitals);
        assert!(one.is_same_mailbox(&capitals) && capitals.is_same_mailbox(one));
        assert!(!one.is_same_mailbox(&address("fred@b\u{fc}cher.example")));
        assert_ne!(one, &address("fr\u{e9}d@bucher.example"));
    }
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

// SUBM-06: "Complete unqualified From/To … only for configured domains."
#[test]
fn addresses_are_completed_by_the_domain_of_the_site() {
    let table = [
        ("scanner", "scanner@own.example"),
        ("fax@office", "fax@office.own.example"),
        ("\"a b\"", "\"a b\"@own.example"),
        ("a@b.example", "a@b.example"),
        ("root@localhost", "root@localhost"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@", "a@"),
        ("\"a@b\"", "\"a@b\""),
        ("", ""),
    ];
    for (address, expected) in table {
        assert_eq!(complete(address, "own.example"), expected, "{address}");
    }
}
