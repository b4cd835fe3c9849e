use super::*;
use proptest::prelude::*;

/// Decodes `input` cut at `cuts`; returns the content, the octets left over and how it ended.
fn decode_cut(
    input: &[u8],
    cuts: &[usize],
    lf_end_of_data: bool,
) -> (String, usize, Option<EndOfData>) {
    let mut decoder = DataDecoder::new(lf_end_of_data);
    let mut out = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&input.len()]) {
        let decoded = decoder.decode(&input[start..end], &mut out);
        start += decoded.used;
        if decoded.end.is_some() {
            return (
                out.escape_ascii().to_string(),
                input.len() - start,
                decoded.end,
            );
        }
        assert_eq!(start, end);
    }
    (out.escape_ascii().to_string(), 0, None)
}

/// Decodes `input` whole and cut at every octet, and expects the same each time.
fn decode(input: &[u8]) -> (String, usize, Option<EndOfData>) {
    let whole = decode_cut(input, &[], false);
    for cut in 0..=input.len() {
        assert_eq!(
            decode_cut(input, &[cut], false),
            whole,
            "{} cut at {cut}",
            input.escape_ascii()
        );
    }
    let every: Vec<usize> = (0..input.len()).collect();
    assert_eq!(decode_cut(input, &every, false), whole, "octet by octet");
    whole
}

// EOL-01
#[test]
fn eol_01_only_crlf_dot_crlf_ends_data() {
    const ENDS: [&[u8]; 6] = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\0\n"];
    let mut wrong = 0;
    for before in ENDS {
        for behind in ENDS {
            let message = [
                b"Subject: x\r\n\r\nbody",
                before,
                b".",
                behind,
                b"MAIL FROM:<x@y>\r\n",
            ]
            .concat();
            let (content, _, end) = decode(&message);
            // CR CRLF ends in CRLF: the octets CRLF.CRLF are there.
            if matches!(before, b"\r\n" | b"\r\r\n") && behind == b"\r\n" {
                assert_eq!(end, Some(EndOfData::Standard));
                continue;
            }
            wrong += 1;
            let name = message.escape_ascii().to_string();
            assert_eq!(end, None, "{name}");
            assert!(
                content.ends_with("MAIL FROM:<x@y>\\r\\n"),
                "{name}: {content}"
            );
            // Read by anyone who takes LF or CR or CRLF for a line end, no line is a lone dot any
            // more.
            let lines: Vec<&str> = content.split("\\r\\n").collect();
            assert!(!lines.contains(&"."), "{name}: {content}");
            assert!(
                !content.replace("\\r\\n", "").contains(['\r', '\n']),
                "{name}: {content}"
            );
        }
    }
    assert_eq!(wrong, 34);
}

// EOL-03
#[test]
fn eol_03_lone_dots_beside_bare_line_ends_are_dropped() {
    let rows: [(&[u8], &str); 7] = [
        (b"a\n.\r\nb\r\n", "a\\r\\nb\\r\\n"),
        (b"a\r\n.\nb\r\n", "a\\r\\nb\\r\\n"),
        (b"a\n.\nb\r\n", "a\\r\\nb\\r\\n"),
        (b"a\r.\rb\r\n", "a\\r\\nb\\r\\n"),
        (b"a\r\n.\rb\r\n", "a\\r\\nb\\r\\n"),
        (b"a\r\n.\r\r\nb\r\n", "a\\r\\nb\\r\\n"),
        (b".\nb\r\n", "b\\r\\n"),
    ];
    for (input, expected) in rows {
        assert_eq!(
            decode(input),
            (expected.to_owned(), 0, None),
            "{}",
            input.escape_ascii()
        );
    }
    // A dot dropped for its own line end does not vouch for the next one.
    for input in [&b"a\r\n.\n.\r\nb\r\n"[..], b"a\r\n.\r.\r\nb\r\n"] {
        let expected = ("a\\r\\nb\\r\\n".to_owned(), 0, None);
        assert_eq!(decode(input), expected, "{}", input.escape_ascii());
    }
    // The dropped dot's own CRLF counts for the next line, as in Postfix.
    assert_eq!(decode(b"a\n.\r\n.\r\n").2, Some(EndOfData::Standard));
    assert_eq!(decode(b"a\r\n.\r\r\n.\r\n").2, Some(EndOfData::Standard));
}

/// T-37: what is held back is not counted by the size limit.
#[test]
fn t_37_octets_held_back_do_not_pile_up() {
    for (start, octet) in [("a", b'\r'), (".", b'\r'), ("", b'>')] {
        let mut decoder = DataDecoder::new(false);
        let (mut out, mut given_out) = (Vec::new(), 0);
        decoder.decode(start.as_bytes(), &mut out);
        for _ in 0..100 {
            decoder.decode(&[octet; 1000], &mut out);
            given_out += out.len();
            out.clear();
        }
        assert!(given_out > 98_000, "{start:?}: {given_out}");
        decoder.decode(b"x", &mut out);
        assert!(out.len() < 3000, "{start:?}");
    }
}

// EOL-03
#[test]
fn eol_03_every_other_line_loses_one_dot() {
    let rows: [(&[u8], &str); 6] = [
        (b"..\r\n.\r\n", ".\\r\\n"),
        (b"..x\r\n.\r\n", ".x\\r\\n"),
        (b".x\r\n.\r\n", "x\\r\\n"),
        (b"a\n..x\n.y\r\n.\r\n", "a\\r\\n.x\\r\\ny\\r\\n"),
        (b"a.\r\n.\r\n", "a.\\r\\n"),
        (b".\r\n", ""),
    ];
    for (input, expected) in rows {
        let (content, left, end) = decode(input);
        assert_eq!(
            (content.as_str(), left, end),
            (expected, 0, Some(EndOfData::Standard)),
            "{}",
            input.escape_ascii()
        );
    }
}

// EOL-02
#[test]
fn eol_02_bare_line_ends_become_crlf_and_are_noted() {
    assert_eq!(
        decode(b"a\nb\rc\r\r\nd\r\re\r\n").0,
        "a\\r\\nb\\r\\nc\\r\\nd\\r\\n\\r\\ne\\r\\n"
    );
    let noted = |input: &[u8]| {
        let mut decoder = DataDecoder::new(false);
        decoder.decode(input, &mut Vec::new());
        decoder.bare_line_ends()
    };
    assert_eq!(noted(b"a\r\n..\r\nb\r\n.\r\n"), BareLineEnds::None);
    for bare in [&b"a\nb"[..], b"a\rb", b"a\r\r\n", b"\r\n.\n"] {
        assert_eq!(noted(bare), BareLineEnds::Met, "{}", bare.escape_ascii());
    }
}

// PIPE-01
#[test]
fn pipe_01_what_follows_the_end_is_left() {
    assert_eq!(
        decode(b"a\r\n.\r\nQUIT\r\n"),
        ("a\\r\\n".to_owned(), 6, Some(EndOfData::Standard))
    );
}

// EOL-05
#[test]
fn eol_05_line_feed_end_of_data() {
    let end = |input: &[u8]| decode_cut(input, &[], true).2;
    assert_eq!(
        end(b"Subject: scan\n\nbody\n.\n"),
        Some(EndOfData::LineFeed)
    );
    assert_eq!(end(b"a\r\nb\n.\n"), None, "a CRLF was seen");
    assert_eq!(end(b"a\rb\n.\n"), None, "a CR was seen");
    assert_eq!(end(b"a\n.\nMAIL FROM:<x@y>\n"), None, "something follows");
    assert_eq!(decode_cut(b"a\n.\n", &[], false).2, None, "not allowed");
    assert_eq!(end(b"a\r\n.\r\n"), Some(EndOfData::Standard));
}

// EOL-03
#[test]
fn eol_03_first_line_rules() {
    let rows: [(&[u8], &str); 8] = [
        (
            b"From fred Mon\r\nSubject: x\r\n.\r\n",
            "X-Mailbox-Line: From fred Mon\\r\\nSubject: x\\r\\n",
        ),
        (
            b">>From a\r\nFrom b\r\nA: b\r\n.\r\n",
            "X-Mailbox-Line: >>From a\\r\\nX-Mailbox-Line: From b\\r\\nA: b\\r\\n",
        ),
        (b"From: fred\r\n.\r\n", "From: fred\\r\\n"),
        (b" leading\r\n.\r\n", "\\r\\n leading\\r\\n"),
        (b"\tleading\r\n.\r\n", "\\r\\n\\tleading\\r\\n"),
        (b">>Fro\r\n.\r\n", ">>Fro\\r\\n"),
        (b">F\n.\r\n.\r\n", ">F\\r\\n"),
        (b"A: b\r\nFrom x\r\n.\r\n", "A: b\\r\\nFrom x\\r\\n"),
    ];
    for (input, expected) in rows {
        assert_eq!(decode(input).0, expected, "{}", input.escape_ascii());
    }
}

proptest! {
    // EOL-01
    #[test]
    fn eol_01_t_34_data_ends_at_the_first_crlf_dot_crlf(
        input in proptest::collection::vec(prop_oneof![2 => Just(b'\r'), 2 => Just(b'\n'), 2 => Just(b'.'), 1 => Just(b'x')], 0..40),
    ) {
        let behind_data = [b"\r\n", &input[..]].concat();
        let expected = behind_data.windows(5).position(|octets| octets == b"\r\n.\r\n").map(|start| start + 3);
        let (_, left, end) = decode_cut(&input, &[], false);
        prop_assert_eq!(end.map(|_| input.len() - left), expected);
    }

    #[test]
    fn pieces_change_nothing(
        input in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'x'), Just(b'>'), Just(b' ')], 0..60),
        cuts in proptest::collection::vec(0_usize..60, 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode_cut(&input, &cuts, false), decode_cut(&input, &[], false));
    }

    #[test]
    fn stuffed_messages_come_back_unchanged(lines in proptest::collection::vec("[.a: ]{0,12}", 0..12)) {
        let content = ["A: b\r\n", &lines.join("\r\n"), "\r\n"].concat();
        let stuffed: String = content.split_inclusive("\r\n")
            .map(|line| if line.starts_with('.') { format!(".{line}") } else { line.to_owned() })
            .collect();
        let (decoded, left, end) = decode_cut(format!("{stuffed}.\r\nQUIT\r\n").as_bytes(), &[], false);
        prop_assert_eq!(decoded, content.as_bytes().escape_ascii().to_string());
        prop_assert_eq!((left, end), (6, Some(EndOfData::Standard)));
    }
}
