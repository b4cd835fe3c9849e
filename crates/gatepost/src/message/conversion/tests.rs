use super::*;
use crate::message::header_encoding::has_long_line;
use crate::message::text_part::first_text;

const SEVEN: HopAbilities = HopAbilities {
    octets: Octets::SevenBit,
    utf8_headers: false,
};
const EIGHT: HopAbilities = HopAbilities {
    octets: Octets::EightBit,
    utf8_headers: false,
};

fn needs(octets: Octets, long_lines: bool, utf8_headers: bool) -> Needs {
    Needs {
        octets,
        long_lines,
        utf8_headers,
    }
}

/// Converts in pieces of several sizes, which must not matter; `None`: nothing is to be done.
fn converted(
    content: &[u8],
    needs: Needs,
    hop: HopAbilities,
) -> Result<Option<Vec<u8>>, Impossible> {
    let Some(goal) = needed(needs, hop) else {
        return Ok(None);
    };
    let in_pieces = |size: usize| {
        let mut survey = Survey::new(goal);
        content.chunks(size).for_each(|piece| survey.feed(piece));
        let Some(plan) = survey.finish()? else {
            return Ok(None);
        };
        let (mut conversion, mut result) = (Conversion::new(plan), Vec::new());
        for piece in content.chunks(size) {
            result.extend(conversion.feed(piece));
        }
        result.extend(conversion.finish());
        Ok(Some(result))
    };
    let whole = in_pieces(content.len());
    for size in [1, 2, 3, 7, 64, 1000] {
        assert!(in_pieces(size) == whole, "pieces of {size}");
    }
    whole
}

fn to_seven(content: &str) -> Result<String, Impossible> {
    let content = content.replace('\n', "\r\n");
    let needs = needs(Octets::EightBit, false, false);
    let result = converted(content.as_bytes(), needs, SEVEN)?.unwrap();
    assert!(result.is_ascii());
    Ok(String::from_utf8(result).unwrap().replace("\r\n", "\n"))
}

// MIME-01, SIZE-02: what each next hop needs to have done.
#[test]
fn what_is_needed_depends_on_message_and_next_hop() {
    use Octets::{Binary, EightBit, SevenBit};
    let hop = |octets, utf8_headers| HopAbilities {
        octets,
        utf8_headers,
    };
    let table = [
        (needs(SevenBit, false, false), hop(SevenBit, false), false),
        (needs(EightBit, false, false), hop(SevenBit, false), true),
        (needs(EightBit, false, false), hop(EightBit, false), false),
        (needs(Binary, false, false), hop(EightBit, false), true),
        (needs(Binary, true, false), hop(Binary, false), false),
        (needs(SevenBit, true, false), hop(Binary, true), true),
        (needs(EightBit, false, true), hop(EightBit, false), true),
        (needs(EightBit, false, true), hop(EightBit, true), false),
    ];
    for (needs, hop, expected) in table {
        assert_eq!(needed(needs, hop).is_some(), expected, "{needs:?} {hop:?}");
    }
}

// MIME-01, SUBM-07: "Transfer encode (8.4) for 8bit→7bit hops".
#[test]
fn text_becomes_quoted_printable_and_says_so() {
    assert_eq!(
        to_seven("Subject: x\n\nGrüße = \n").unwrap(),
        "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
         Gr=C3=BC=C3=9Fe =3D=20\n"
    );
    assert_eq!(
        to_seven("MIME-Version: 1.0\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\nSubject: ü\n\nmostly ASCII: ü\n").unwrap(),
        "MIME-Version: 1.0\nContent-Type: text/html; charset=iso-8859-1\nSubject: =?utf-8?Q?=C3=BC?=\nContent-Transfer-Encoding: quoted-printable\n\nmostly ASCII: =C3=BC\n"
    );
    let chinese = "你好".repeat(20);
    let converted = to_seven(&format!(
        "Content-Type: text/plain; charset=utf-8\n\n{chinese}\n"
    ))
    .unwrap();
    assert!(
        converted.contains("\nContent-Transfer-Encoding: base64\n\n"),
        "{converted}"
    );
    assert_eq!(
        first_text(converted.as_bytes()).unwrap().text,
        format!("{chinese}\r\n")
    );
    // ASCII that was called 8-bit is called what it is.
    assert_eq!(
        to_seven("Content-Transfer-Encoding: 8BIT\n\nplain\n").unwrap(),
        "Content-Transfer-Encoding: 7bit\n\nplain\n"
    );
}

#[test]
fn only_the_parts_that_need_it_are_encoded() {
    let message = "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npr\u{e9}\n--b\n\nplain\n--b\n\
                   Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nü\n\n--b\n\
                   Content-Type: application/pdf; name=\"ü.pdf\"\n\n\u{ff}\u{fe}\n--b\n\
                   Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: ü\n\nö and more text\n--b--\n";
    assert_eq!(
        to_seven(message).unwrap(),
        "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\npr??\n--b\n\nplain\n--b\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw7wNCg==\n--b\n\
         Content-Type: application/pdf;\n\tname*=utf-8''%C3%BC.pdf\nContent-Transfer-Encoding: base64\n\nw7/Dvg==\n--b\n\
         Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: =?utf-8?Q?=C3=BC?=\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=C3=B6 and more text\n--b--\n"
    );
}

// SUBM-04, SUBM-07, BDAT-03: "never inside multipart/signed", "unless signed, else bounce 5.6.3".
#[test]
fn what_is_signed_stays_as_it_is_or_the_message_cannot_go() {
    let signed = |text: &str| {
        format!(
            "Content-Type: multipart/signed; boundary=s; protocol=\"application/pgp-signature\"\nContent-Transfer-Encoding: 8bit\n\n\
             --s\nContent-Transfer-Encoding: 8bit\n\n{text}\n--s\n\nsignature\n--s--\n"
        )
    };
    assert_eq!(to_seven(&signed("ü")), Err(Impossible::Sealed));
    assert_eq!(
        to_seven(&signed("ü").replace("multipart/signed", "multipart/encrypted")),
        Err(Impossible::Sealed)
    );
    assert_eq!(
        to_seven(&signed("plain")).unwrap(),
        signed("plain").replacen("Encoding: 8bit", "Encoding: 7bit", 1),
        "what is outside of the signature only"
    );
    let long = signed(&"x".repeat(2000)).replace('\n', "\r\n");
    let needs = needs(Octets::EightBit, true, false);
    assert_eq!(
        converted(long.as_bytes(), needs, EIGHT),
        Ok(None),
        "long lines are no ground"
    );
    assert_eq!(
        to_seven("Content-Transfer-Encoding: x-uuencode\n\nü\n"),
        Err(Impossible::Sealed)
    );
}

// SMTP-06, SUBM-07: "Text lines > 998: accept up to 64 KiB, and re-encode (SUBM-07) rather than cut".
#[test]
fn long_lines_are_encoded_and_dkim_is_not_broken_for_them() {
    let line = "word ".repeat(400);
    let needs = needs(Octets::SevenBit, true, false);
    for body in [line.clone(), format!("{line}ü")] {
        let message = format!("Subject: x\r\n\r\nshort\r\n{body}\r\n");
        let result = converted(message.as_bytes(), needs, EIGHT)
            .unwrap()
            .unwrap();
        assert!(!has_long_line(&result));
        assert_eq!(
            first_text(&result).unwrap().text,
            format!("short\r\n{body}\r\n")
        );
        let signed = format!("DKIM-Signature: v=1\r\n{message}");
        assert!(converted(signed.as_bytes(), needs, EIGHT) == Ok(None));
    }
    let base64 = format!(
        "Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        "QUJD".repeat(1000)
    );
    let result = converted(base64.as_bytes(), needs, EIGHT).unwrap().unwrap();
    assert!(!has_long_line(&result));
    assert_eq!(first_text(&result).unwrap().text, "ABC".repeat(1000));
    let header = format!("To: {}\r\n\r\nx\r\n", vec!["a@b.example"; 200].join(", "));
    let result = converted(header.as_bytes(), needs, EIGHT).unwrap().unwrap();
    assert!(!has_long_line(&result));
}

// BDAT-03: "Next hop without BINARYMIME: convert to base64/8bit".
#[test]
fn binary_becomes_base64_and_the_rest_eight_bit() {
    let binary: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n--b\r\n\
        Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nbare\nline\r\n--b\r\n\
        Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n".to_vec();
    message.extend(&binary);
    message.extend(b"\r\n--b--\r\n");
    let needs = needs(Octets::Binary, true, false);
    let result = converted(&message, needs, EIGHT).unwrap().unwrap();
    assert!(!result.contains(&0) && !has_long_line(&result));
    let text = String::from_utf8(result).unwrap();
    assert!(text.starts_with(
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n"
    ));
    assert!(
        text.contains("Content-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--b"),
        "{text}"
    );
    assert!(
        text.contains("Content-Transfer-Encoding: base64\r\n\r\nYmFyZQpsaW5l\r\n--b"),
        "{text}"
    );
    let (_, image) = text.rsplit_once("\r\n\r\n").unwrap();
    let (image, _) = image.split_once("--b--").unwrap();
    assert_eq!(
        crate::message::transfer_encoding::base64(image.as_bytes()),
        binary
    );
}

// EAI-04: "Next hop without SMTPUTF8: bounce 5.6.7, or downgrade only if domain → A-label suffices".
#[test]
fn headers_are_downgraded_where_they_can_be() {
    let needs = needs(Octets::EightBit, false, true);
    let message = "From: Jürgen <me@müller.example>\r\nSubject: ü\r\n\r\nü\r\n";
    assert_eq!(
        String::from_utf8(
            converted(message.as_bytes(), needs, EIGHT)
                .unwrap()
                .unwrap()
        )
        .unwrap(),
        "From: =?utf-8?Q?J=C3=BCrgen?= <me@xn--mller-kva.example>\r\nSubject: =?utf-8?Q?=C3=BC?=\r\n\r\nü\r\n"
    );
    let message = "From: jürgen@own.example\r\n\r\nü\r\n";
    assert_eq!(
        converted(message.as_bytes(), needs, EIGHT),
        Err(Impossible::Address)
    );
}

#[test]
fn a_message_of_any_size_takes_little_memory() {
    let needs = needs(Octets::Binary, true, false);
    let goal = needed(needs, SEVEN).unwrap();
    let piece = vec![0xff; 64 << 10];
    let mut survey = Survey::new(goal);
    survey.feed(b"Content-Type: image/png\r\n\r\n");
    (0..200).for_each(|_| survey.feed(&piece));
    let mut conversion = Conversion::new(survey.finish().unwrap().unwrap());
    conversion.feed(b"Content-Type: image/png\r\n\r\n");
    for _ in 0..200 {
        let written = conversion.feed(&piece).len();
        assert!((80 << 10..96 << 10).contains(&written), "{written}");
    }
}

// SMTP-06: the limit is exact, however the lines come.
#[test]
fn long_lines_are_noticed_on_the_way_in() {
    for (length, expected) in [(998, false), (999, true), (70_000, true)] {
        for end in ["\r\n", "\r\nshort\r\n"] {
            let body = format!("short\r\n{}{end}", "x".repeat(length));
            for size in [1, 7, 1000, body.len()] {
                let mut meter = LineMeter::default();
                body.as_bytes()
                    .chunks(size)
                    .for_each(|piece| meter.add(piece));
                assert_eq!(meter.has_long_line(), expected, "{length} {size}");
            }
        }
    }
}
