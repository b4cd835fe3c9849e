//! Servers that misbehave (T-48): a table of who does what where, and what a client is to make of it.
//!
//! A rogue is faultless but for one stage of the dialogue. The table is played to the client's session in memory, where silence costs no
//! time, and to delivery over sockets.

/// Where the dialogue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The connection is new.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH, and every line of the exchange.
    Auth,
    /// The same at a server that offers LOGIN and nothing else.
    Login,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The end of each chunk but the first, at a server that offers CHUNKING.
    Chunk,
    /// The final dot.
    End,
    /// QUIT.
    Quit,
}

/// What a server does when it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Says this, be it a reply or not, and listens on.
    Say(&'static [u8]),
    /// Says this and closes.
    SayAndClose(&'static [u8]),
    /// Says the first once and the second without end.
    Flood(&'static [u8], &'static [u8]),
}

/// What a client is to make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The message is the server's.
    Taken,
    /// It is to be tried again later.
    Later,
    /// It is refused for good.
    Refused,
    /// Something is wrong with the credential, or with who asks for it; trying the message elsewhere is no remedy.
    Credential,
}

/// A server that misbehaves at one stage.
#[derive(Clone, Copy, Debug)]
pub struct Rogue {
    /// What it does.
    pub name: &'static str,
    /// Where.
    pub at: At,
    /// The misdeed.
    pub act: Act,
    /// What is to come of it.
    pub end: End,
}

/// The longest that a rogue talks without having been asked anything: a client that has not turned away by then never does.
pub const ENDLESS: usize = 1 << 30;

const SILENCE: Act = Act::Say(b"");
const CLOSE: Act = Act::SayAndClose(b"");

macro_rules! rogues {
    ($($at:ident { $($name:literal: $act:expr => $end:ident,)* })*) => {
        /// Every rogue.
        pub static ROGUES: &[Rogue] = &[$($(Rogue {
            name: $name,
            at: At::$at,
            act: $act,
            end: End::$end,
        },)*)*];
    };
}

use Act::{Flood, Say, SayAndClose};

rogues! {
    Greeting {
        "closes without a greeting": CLOSE => Later,
        "is silent": SILENCE => Later,
        "says half a line and no more": Say(b"220 pe") => Later,
        "has one line of 1 GiB": Flood(b"220 ", b"x") => Later,
        "has a million lines": Flood(b"", b"220-x\r\n") => Later,
        "sends rubbish without end": Flood(b"", b"\0\xff\x1b\x80") => Later,
        "sends empty lines without end": Flood(b"", b"\r\n") => Later,
        "is a web server": SayAndClose(b"HTTP/1.1 400 Bad Request\r\n\r\n") => Later,
        "is an IMAP server": Say(b"* OK IMAP4rev1\r\n") => Later,
        "is a POP server": Say(b"+OK ready\r\n") => Later,
        "speaks TLS": SayAndClose(&[0x15, 3, 1, 0, 2, 2, 80]) => Refused,
        "is going down": SayAndClose(b"421 4.3.2 going down\r\n") => Later,
        "takes nobody": Say(b"554 5.3.2 no service\r\n") => Refused,
        "has a code that is none": Say(b"999 x\r\n") => Later,
        "has a code of two digits": Say(b"22 x\r\n") => Later,
        "has a code of four digits": Say(b"2200 x\r\n") => Later,
        "has a preliminary code": Say(b"120 wait\r\n") => Later,
        "changes its code midway": Say(b"220-one\r\n554 two\r\n") => Refused,
    }
    Hello {
        "closes at EHLO": CLOSE => Later,
        "is silent at EHLO": SILENCE => Later,
        "offers without end": Flood(b"250-peer\r\n", b"250-X-EXTENSION\r\n") => Later,
        "offers mechanisms without end": Flood(b"250-AUTH ", b"PLAIN ") => Later,
        "changes its code among the offers": Say(b"250-peer\r\n500 5.5.1 no\r\n") => Refused,
        "goes on before it was asked": Say(b"354 go\r\n") => Later,
        "answers EHLO twice": Say(b"250-peer\r\n250 AUTH PLAIN\r\n235 2.7.0 welcome\r\n") => Later,
        "offers no AUTH": Say(b"250-peer\r\n250 SIZE\r\n") => Credential,
        "offers AUTH of nothing": Say(b"250-peer\r\n250 AUTH\r\n") => Credential,
        "offers what nobody knows": Say(b"250-peer\r\n250 AUTH X-NONE \x1b[2J\r\n") => Credential,
        "takes ten octets": Say(b"250-peer\r\n250-SIZE 10\r\n250 AUTH PLAIN\r\n") => Refused,
        "takes a size that no number holds": Say(b"250-peer\r\n250-SIZE 99999999999999999999999\r\n250 AUTH PLAIN\r\n") => Taken,
        "limits what makes no sense": Say(b"250-peer\r\n250-LIMITS RCPTMAX=0 MAILMAX=-1 X=\r\n250 AUTH PLAIN\r\n") => Taken,
    }
    StartTls {
        "has no time for TLS": Say(b"454 4.7.0 not now\r\n") => Later,
        "does not do what it offered": Say(b"502 5.5.1 what?\r\n") => Refused,
        "injects an offer behind the go-ahead": Say(b"220 go\r\n250-peer\r\n250 AUTH PLAIN\r\n") => Refused,
        "injects an octet behind the go-ahead": Say(b"220 go\r\n\x16") => Refused,
        "goes ahead with another code": Say(b"250 go\r\n") => Later,
        "closes instead of a handshake": CLOSE => Later,
        "is silent instead of a handshake": SILENCE => Later,
        "talks without end instead": Flood(b"220-", b"x") => Later,
    }
    Auth {
        "closes at AUTH": CLOSE => Later,
        "is silent at AUTH": SILENCE => Later,
        "asks again and again": Say(b"334 \r\n") => Later,
        "asks for something each time": Say(b"334 UGFzc3dvcmQ6\r\n") => Later,
        "asks in what is no base64": Say(b"334 \x1b[2J!\r\n") => Later,
        "has a challenge without end": Flood(b"334 ", b"QUFB") => Later,
        "has challenges without end": Flood(b"", b"334 \r\n") => Later,
        "knows nobody": Say(b"535 5.7.8 no\r\n") => Credential,
        "cannot ask its directory": Say(b"454 4.7.0 later\r\n") => Later,
        "wants something stronger": Say(b"534 5.7.9 too weak\r\n") => Credential,
        "wants the data": Say(b"354 go\r\n") => Later,
        "goes down at AUTH": SayAndClose(b"421 4.3.2 going down\r\n") => Later,
        "welcomes twice": Say(b"235 2.7.0 ok\r\n250 2.0.0 ok\r\n") => Later,
    }
    Login {
        "asks for the name again and again": Say(b"334 VXNlcm5hbWU6\r\n") => Later,
        "asks for the password again and again": Say(b"334 UGFzc3dvcmQ6\r\n") => Later,
        "asks LOGIN for nothing again and again": Say(b"334 \r\n") => Later,
    }
    Mail {
        "closes at MAIL": CLOSE => Later,
        "wants the data at MAIL": Say(b"354 go\r\n") => Later,
        "does not like the sender": Say(b"550 5.7.1 \x1b[2Jno\r\n") => Refused,
        "does not like the sender now": Say(b"451 4.7.1 later\r\n") => Later,
        "has no end of MAIL": Flood(b"250-", b"x\r\n250-") => Later,
        "answers MAIL and what comes next": Say(b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n") => Later,
    }
    Rcpt {
        "closes at RCPT": CLOSE => Later,
        "does not know the recipient": Say(b"550 5.1.1 nobody\r\n") => Refused,
        "is greylisting": Say(b"450 4.7.1 later\r\n") => Later,
        "forwards": Say(b"251 2.1.5 elsewhere\r\n") => Taken,
        "wants the data at RCPT": Say(b"354 go\r\n") => Later,
        "speaks of the recipient without end": Flood(b"550 ", b"no") => Later,
    }
    Data {
        "closes at DATA": CLOSE => Later,
        "takes the message before it came": Say(b"250 2.0.0 taken\r\n") => Later,
        "goes ahead and takes it at once": Say(b"354 go\r\n250 2.0.0 taken\r\n") => Later,
        "goes ahead and goes down": SayAndClose(b"354 go\r\n421 4.3.2 going down\r\n") => Later,
        "goes ahead and closes": SayAndClose(b"354 go\r\n") => Later,
        "has no recipients": Say(b"554 5.5.1 no valid recipients\r\n") => Refused,
        "has no room": Say(b"452 4.3.1 full\r\n") => Later,
        "talks without end at DATA": Flood(b"", b"354-x\r\n") => Later,
    }
    Chunk {
        "refuses the message midway": Say(b"552 5.3.4 too much\r\n") => Refused,
        "has no room midway": Say(b"452 4.3.1 full\r\n") => Later,
        "has forgotten the recipients midway": Say(b"503 5.5.1 MAIL first\r\n") => Refused,
        "wants the data midway": Say(b"354 go\r\n") => Later,
        "goes down midway": SayAndClose(b"421 4.3.2 going down\r\n") => Later,
        "closes midway": CLOSE => Later,
        "is silent midway": SILENCE => Later,
        "talks without end midway": Flood(b"250-", b"x\r\n250-") => Later,
    }
    End {
        "closes after the final dot": CLOSE => Later,
        "is silent after the final dot": SILENCE => Later,
        "wants more after the final dot": Say(b"354 go on\r\n") => Later,
        "says half of yes": SayAndClose(b"250") => Later,
        "says half of many lines": SayAndClose(b"250-2.0.0 ok\r\n") => Later,
        "does not like the content": Say(b"554 5.7.1 \x07spam\r\n") => Refused,
        "goes down after the final dot": SayAndClose(b"421 4.3.2 going down\r\n") => Later,
        "talks without end of the message": Flood(b"250 ", b"ok") => Later,
        "takes it and goes on": Say(b"250 2.0.0 ok\r\n550 5.0.0 no\r\n") => Taken,
        "takes it with line ends of its own": Say(b"250 2.0.0 ok\n") => Taken,
    }
    Quit {
        "closes at QUIT": CLOSE => Taken,
        "is silent at QUIT": SILENCE => Taken,
        "does not know QUIT": Say(b"500 5.5.1 what?\r\n") => Taken,
        "takes it once more": Say(b"250 2.0.0 ok\r\n") => Taken,
        "talks without end at QUIT": Flood(b"221 ", b"bye ") => Taken,
    }
}

/// One connection to a rogue.
#[derive(Debug)]
pub struct Dialogue {
    rogue: Rogue,
    in_data: bool,
    in_exchange: bool,
    secured: bool,
    /// Chunks that began, and octets of the last one that are to come.
    chunks: usize,
    chunk_left: usize,
}

impl Dialogue {
    /// A connection at its beginning.
    pub fn with(rogue: Rogue) -> Self {
        Self {
            rogue,
            in_data: false,
            in_exchange: false,
            secured: false,
            chunks: 0,
            chunk_left: 0,
        }
    }

    /// The greeting.
    pub fn greet(&self) -> Act {
        self.act(At::Greeting)
    }

    /// What the rogue does at a line of the client, given with its end, if it has one. `None`: nothing, it is a line of a message.
    pub fn hear(&mut self, line: &[u8]) -> Option<Act> {
        if self.chunk_left > 0 {
            self.chunk_left = self.chunk_left.saturating_sub(line.len());
            return (self.chunk_left == 0).then(|| self.chunk());
        }
        let line = line.trim_ascii_end();
        if self.in_data {
            self.in_data = line != b".";
            return (!self.in_data).then(|| self.act(At::End));
        }
        let auth = match self.rogue.at {
            At::Login => At::Login,
            _ => At::Auth,
        };
        let mut words = line.split(|&octet| octet == b' ');
        let at = match words.next().unwrap_or_default() {
            _ if self.in_exchange => auth,
            b"EHLO" | b"HELO" => At::Hello,
            b"STARTTLS" => At::StartTls,
            b"AUTH" => auth,
            b"BDAT" => {
                let length = words.next().and_then(|word| str::from_utf8(word).ok());
                self.chunk_left = length.and_then(|word| word.parse().ok()).unwrap_or(0);
                self.chunks += 1;
                return (self.chunk_left == 0).then(|| self.chunk());
            }
            b"MAIL" => At::Mail,
            b"RCPT" => At::Rcpt,
            b"DATA" => At::Data,
            b"QUIT" => At::Quit,
            _ => return Some(Say(b"250 2.0.0 ok\r\n")),
        };
        let act = self.act(at);
        let says = |beginning: &[u8]| match act {
            Say(octets) | SayAndClose(octets) => octets.starts_with(beginning),
            Flood(..) => false,
        };
        self.in_exchange = at == auth && says(b"334");
        self.in_data = at == At::Data && says(b"354");
        self.secured |= at == At::StartTls;
        Some(act)
    }

    /// A chunk has come to its end.
    fn chunk(&self) -> Act {
        match self.chunks {
            1 => Say(b"250 2.0.0 ok\r\n"),
            _ => self.act(At::Chunk),
        }
    }

    fn act(&self, at: At) -> Act {
        if at == self.rogue.at {
            return self.rogue.act;
        }
        match at {
            At::Greeting => Say(b"220 peer ESMTP\r\n"),
            At::Hello if self.rogue.at == At::StartTls && !self.secured => {
                Say(b"250-peer\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n")
            }
            At::Hello if self.rogue.at == At::Login => Say(b"250-peer\r\n250 AUTH LOGIN\r\n"),
            At::Hello if self.rogue.at == At::Chunk => {
                Say(b"250-peer\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n")
            }
            At::Hello => Say(b"250-peer\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n"),
            At::StartTls => Say(b"220 go\r\n"),
            At::Auth | At::Login => Say(b"235 2.7.0 ok\r\n"),
            At::Mail | At::Rcpt | At::Chunk | At::End => Say(b"250 2.0.0 ok\r\n"),
            At::Data => Say(b"354 go\r\n"),
            At::Quit => SayAndClose(b"221 2.0.0 bye\r\n"),
        }
    }
}
