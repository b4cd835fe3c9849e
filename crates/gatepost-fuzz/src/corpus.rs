//! Where targets begin: the transcripts, taken apart, and small things that no transcript holds.

use std::path::{Path, PathBuf};

use gatepost_testkit::transcript::{Action, Side, Transcript};

/// Everything that clients say in the transcripts of our server: one seed for each ending, behind an octet that chooses a listener.
pub fn to_server() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for said in said_to(|side| matches!(side, Side::Server(_))) {
        // An open listener, and one that wants authentication.
        seeds.extend([3, 0].map(|choice| [&[choice], &*said.concat()].concat()));
    }
    seeds
}

/// Everything that servers say in the transcripts of our client, behind an octet that chooses the client.
pub fn to_client() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for said in said_to(|side| matches!(side, Side::Client(_))) {
        seeds.extend([0, 2, 50].map(|choice| [&[choice], &*said.concat()].concat()));
    }
    seeds
}

/// Single lines that clients say, without their ends.
pub fn lines_to_server() -> Vec<Vec<u8>> {
    let mut lines = lines(|side| matches!(side, Side::Server(_)));
    lines.extend(words(&[
        "<\"a b\"@example.com>",
        "<\"a\\\"b\"@[192.0.2.1]>",
        "<@relay.example:a@b.example>",
        "<postmaster>",
        "<a@[IPv6:2001:db8::1]>",
        "a@b@c",
        "<\"\"@h>",
        "<\\",
        "a\\@b",
        "grå@blå.example",
        "<a%b@c>",
        "e+3Dmc2@example.com",
        "BDAT 5 LAST",
        "MAIL FROM:<a@b.example> SIZE=1 BODY=8BITMIME AUTH=<> RET=FULL ENVID=QQ314159 SMTPUTF8",
        "RCPT TO:<a@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@c.example",
    ]));
    lines
}

/// Replies.
pub fn lines_to_client() -> Vec<Vec<u8>> {
    let mut seeds = words(&[
        "250-peer\r\n250-SIZE 99999999999999999999\r\n250-AUTH PLAIN LOGIN=\r\n250 LIMITS RCPTMAX=0 MAILMAX=x\r\n",
        "250\r\n",
        "550 5.7\r\n",
        "550 5.7.1\r\n",
        "550-\r\n550 \r\n",
        "550-5.7.1 \u{1b}[2J\r\n550 5.7.1 x\r\n",
        "250-a\r\n",
        "334\r\n",
        "334 \r\n",
        "421 4.3.2 x\r\n",
        "25\u{30}x\r\n",
        "2500 x\r\n",
        "250 \0\r\n",
        "250 x\n",
        "250 x\r",
    ]);
    seeds.extend(lines(|side| matches!(side, Side::Client(_))));
    seeds
}

/// Messages: those the transcripts send, and forms that readers of messages have tripped over.
pub fn contents() -> Vec<Vec<u8>> {
    let mut seeds = words(&[
        "",
        ".",
        "..",
        "x",
        "Subject: x\r\n\r\nx\r\n",
        "Subject: x\r\n",
        "\r\nbody only",
        "From x\r\nSubject: y\r\n\r\nz",
        "a: b\r\n\r\nx\r\n.\nMAIL FROM:<evil@example.com>\r\n",
        "a: b\r\n\r\nx\n.\r\nRSET\r\n",
        "a: b\r\n\r\nx\r.\r\nRSET",
        "a: b\r\n\r\n\r\n..\r\n...\r\n.a",
        "a: b\r\r\n\r\nx",
        "a: b\r\n c\r\n\td\r\n\r\n",
        ": no name\r\n\r\n",
        "__proto__: x\r\n\r\n",
        "Bcc: x@example.com\r\nbcc : y@example.com\r\nDate: nonsense\r\nMessage-ID: <>\r\n\r\nx",
        "Subject: =?utf-8?q?=0D=0A?= =?utf-8?b?////?= =?x?q?y?=\r\nFrom: a\0b@c\r\n\r\n",
    ]);
    for said in said_to(|side| matches!(side, Side::Server(_))) {
        seeds.extend(content_of(&said.concat()));
    }
    seeds
}

/// What stands between DATA and the final dot.
fn content_of(dialogue: &[u8]) -> Option<Vec<u8>> {
    let find = |what: &[u8], from: usize| {
        let rest = dialogue.get(from..)?;
        Some(from + rest.windows(what.len()).position(|part| part == what)?)
    };
    let begin = find(b"\r\nDATA\r\n", 0)? + 8;
    let end = find(b"\r\n.\r\n", begin)?;
    dialogue.get(begin..end).map(<[u8]>::to_vec)
}

/// Messages of parts.
pub fn mime() -> Vec<Vec<u8>> {
    let mut seeds = words(&[
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\u{fc}n\r\n",
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n--b\r\n\r\n\u{e9}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \u{e9}\r\n\r\n\u{e9}\r\n--b--\r\nend\r\n",
        "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=\"b\"; protocol=x/y; micalg=z\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
        "Content-Type: text/html; charset*0=iso; charset*1=-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9=\r\n=3D=\n==0\r\n",
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n4pyT\r\nAA==\r\n!\r\n",
        "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\n\u{e9}\r\n--b\r\n--b--",
        "DKIM-Signature: v=1\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n\r\n\u{e9}\r\n",
    ]);
    let level =
        |depth| format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n");
    let nested = (0..40).map(level).collect::<Vec<_>>().concat();
    seeds.push(nested.into_bytes());
    seeds.push(
        [
            b"a: b\r\n\r\n".as_slice(),
            &b"0123456789".repeat(120),
            b"\r\n\xe9\r\n",
        ]
        .concat(),
    );
    seeds.push(b"a: b\r\n\r\n\0\xff\r\n\r\r\n\n".to_vec());
    seeds
}

/// Address lists.
pub fn mailboxes() -> Vec<Vec<u8>> {
    words(&[
        "a@example.com",
        "A B <a@example.com>, \"C, D\" <c@example.com>",
        "group: a@example.com, b@example.com;",
        "(c (d)) a (e) @ (f) example.com",
        "=?utf-8?q?a@evil.example?= <a@example.com>",
        "\"x@evil.example y\"@example.com",
        "<@a,@b:c@d>",
        "a@[192.0.2.1]",
        "a@b.\r\n c",
        "a@example.com\0",
        "\"a\\\"b\"@example.com",
        "gr\u{e5}@bl\u{e5}.example",
        "undisclosed-recipients:;",
        ",,a@b.c,,",
        "a@b@c",
        "(((((((((",
    ])
}

/// Values of the parameters of RFC 3461.
pub fn dsn_values() -> Vec<Vec<u8>> {
    words(&[
        "NEVER",
        "SUCCESS,FAILURE,DELAY",
        "success",
        "FAILURE,FAILURE",
        "NEVER,DELAY",
        "FULL",
        "HDRS",
        "QQ314159",
        "a+2Bb",
        "a+0Ab",
        "+",
        "+2",
        "rfc822;Bob@Example.COM",
        "rfc822;a+3Db@c",
        "utf-8;gr\\x{E5}@example",
        "utf-8;gr\u{e5}@example",
        "x400;/C=x",
        ";",
        "rfc822;",
        "a;+00",
        "utf-8;\\x{110000}",
        "utf-8;\\x{D800}",
        "utf-8;\\x{5C}x+3D",
    ])
}

/// PROXY headers of both versions.
pub fn proxy() -> Vec<Vec<u8>> {
    let mut seeds = words(&[
        "PROXY TCP4 192.0.2.1 198.51.100.1 1234 587\r\n",
        "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\nEHLO",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN x y z\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 01 65536\r\n",
    ]);
    let version2 = |command: u8, family: u8, rest: &[u8]| {
        let length = u16::try_from(rest.len()).unwrap_or(u16::MAX).to_be_bytes();
        [
            b"\r\n\r\n\0\r\nQUIT\n",
            &[command, family][..],
            &length,
            rest,
        ]
        .concat()
    };
    let inet = [192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 2, 0x4b];
    let tlvs = [
        &inet[..],
        &[1, 0, 4],
        b"smtp",
        &[2, 0, 1],
        b"h",
        &[0x20, 0, 13, 7, 0, 0, 0, 0, 0x21, 0, 5],
        b"TLS13",
        &[4, 0, 2, 0, 0],
    ];
    seeds.extend([
        version2(0x20, 0, b""),
        version2(0x21, 0x11, &inet),
        version2(0x21, 0x11, &tlvs.concat()),
        version2(0x21, 0x21, &[1; 36]),
        version2(0x21, 0x31, &[0; 216]),
        version2(0x2f, 0xff, b"x"),
    ]);
    seeds
}

/// Configurations: the examples that are packaged, and small ones.
pub fn config() -> Vec<Vec<u8>> {
    let mut seeds = words(&[
        "",
        "hostname = \"mail.example.com\"\n",
        "[[listener]]\naddress = \"0.0.0.0:587\"\n",
        "a = [[[[[[[[[[1]]]]]]]]]]",
        "hostname = 1\nhostname = 2",
        "\u{1b}[2J = \"\\u0007\"",
        "[listener.\"x\\u001b\"]\ntls = \"no\"",
        "hostname = \"\u{202e}x\"",
    ]);
    let examples = root().join("packaging/examples");
    let entries = std::fs::read_dir(examples).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    seeds.extend(files.iter().filter_map(|file| std::fs::read(file).ok()));
    seeds
}

/// Lines of the control socket.
pub fn control() -> Vec<Vec<u8>> {
    words(&[
        r#"{"command":"account-add","name":"a@example.com","addresses":["b@example.com"],"password":"Tr0ub4dor","kind":"password"}"#,
        r#"{"command":"account-add","name":"a","addresses":[],"password":"Tr0ub4dor","kind":"legacy"}"#,
        r#"{"command":"account-list"}"#,
        r#"{"command":"account-show","name":"\u0000"}"#,
        r#"{"command":"account-enable","name":"a","enabled":false}"#,
        r#"{"command":"account-import","entries":[],"skip_bad":true,"dry_run":true}"#,
        r#"{"command":"account-export","secrets":true}"#,
        r#"{"command":["account-list"]}"#,
        "[[[[[[[[",
        "{}",
        "null",
        "\"\\ud800\"",
    ])
}

/// Hashes of other programs.
pub fn hashes() -> Vec<Vec<u8>> {
    words(&[
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{SSHA}MTIzNDU2Nzg5MDEyMzQ1Njc4OTBzYWx0",
        "{SHA256.HEX}00",
        "{CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$rounds=5000$salt$x",
        "$5$rounds=999999999$salt$x",
        "$2y$10$abcdefghijklmnopqrstuuxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "$2y$31$x",
        "{PBKDF2}$1$salt$5000$0000000000000000000000000000000000000000",
        "{PLAIN}x",
        "{",
        "}",
        "$",
        "$apr1$a$b",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1",
    ])
}

/// Exchanges: an octet that chooses the mechanism, then messages between octets FF.
pub fn exchanges() -> Vec<Vec<u8>> {
    let messages = [
        "\0user@example.com\0pencil",
        "victim\0user\0wrong",
        "user@example.com",
        "pencil",
        "n,,n=user@example.com,r=rOprNGfwEbeRWgbNEkqO",
        "y,a=victim,n=user@example.com,r=rOprNGfwEbeRWgbNEkqO",
        "n,,n=a=2Cb=3D,r=x",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO3rfcNHYJY1ZVvWVs7jfuzz,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        "e=other-error",
        "r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=2147483647",
        "Username:",
        "Password:",
        "<1896.697170952@mail.example.com>",
        "user@example.com b913a602c7eda7a495b4e6e7334d3890",
        "",
    ];
    let mut seeds = Vec::new();
    let mechanisms = u8::try_from(gatepost_sasl::mechanism::ALL.len()).unwrap_or(u8::MAX);
    for mechanism in 0..mechanisms {
        for (at, first) in messages.iter().enumerate() {
            for second in messages.iter().skip(at).take(2) {
                let both = [first.as_bytes(), second.as_bytes()].join(&0xff);
                seeds.push([&[mechanism][..], &both].concat());
                seeds.push([&[mechanism | 0x80][..], &both].concat());
            }
        }
    }
    seeds
}

/// Segments of the queue's log.
pub fn segments() -> Vec<Vec<u8>> {
    crate::spool::segment()
        .into_iter()
        .chain([Vec::new()])
        .collect()
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn lines(which: fn(&Side) -> bool) -> Vec<Vec<u8>> {
    let said = said_to(which).into_iter().flatten();
    let mut lines: Vec<Vec<u8>> = said.collect();
    lines.sort();
    lines.dedup();
    lines
}

/// What the player says in each scene, one entry per line, without the sides that `which` does not want.
fn said_to(which: fn(&Side) -> bool) -> Vec<Vec<Vec<u8>>> {
    let mut said = Vec::new();
    for folder in ["auth", "client", "data", "legacy", "relay", "starttls"] {
        let transcripts = Transcript::load_folder(&root().join("transcripts").join(folder));
        for transcript in transcripts.unwrap_or_default() {
            if which(&transcript.side) {
                said.extend(transcript.scenes.into_iter().map(|scene| {
                    let steps = scene.steps.into_iter();
                    steps
                        .filter_map(|step| match step.action {
                            Action::Say { octets, .. } => Some(octets),
                            _ => None,
                        })
                        .collect()
                }));
            }
        }
    }
    said
}

/// The top of the tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
