//! Every "yes" and "go on" of the server, in one table.

use super::{EnhancedCode, ReplyCode};

macro_rules! positives {
    ($( $(#[$doc:meta])* $name:ident = $code:literal $(($class:literal $subject:literal $detail:literal))? $text:literal; )*) => {
        /// A positive reply of the server: code, enhanced code where the kind of reply carries one,
        /// and text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Positive { $( $(#[$doc])* $name, )* }

        impl Positive {
            const fn row(self) -> (u16, Option<EnhancedCode>, &'static str) {
                match self { $( Self::$name => ($code, positives!(@enhanced $($class $subject $detail)?), $text), )* }
            }
        }
    };
    (@enhanced $class:literal $subject:literal $detail:literal) => { Some(EnhancedCode::new($class, $subject, $detail)) };
    (@enhanced) => { None };
}

positives! {
    /// The greeting; its text follows the host name (RFC 5321 §4.3.1).
    Greeting = 220 "";
    /// To EHLO and HELO; the text is the host name and the extensions. No enhanced code (RFC 2034
    /// §4).
    Hello = 250 "";
    /// To STARTTLS (RFC 3207 §4).
    StartTls = 220 (2 0 0) "Ready to start TLS";
    /// To QUIT.
    Closing = 221 (2 0 0) "Bye";
    /// AUTH succeeded. Devices compare this text with Postfix's: do not change it (CODE-08).
    Authenticated = 235 (2 7 0) "Authentication successful";
    /// A challenge: the text is base64 and nothing else (RFC 4954 §4, AUTH-07).
    Challenge = 334 "";
    /// To MAIL.
    SenderOk = 250 (2 1 0) "Ok";
    /// To RCPT.
    RecipientOk = 250 (2 1 5) "Ok";
    /// To DATA.
    StartData = 354 "End data with <CR><LF>.<CR><LF>";
    /// To BDAT that is not the last one; the number of octets taken follows (RFC 3030 §2).
    ChunkTaken = 250 (2 0 0) "Ok: ";
    /// After the end of data; the queue's name for the message follows.
    Queued = 250 (2 0 0) "Ok: queued as ";
    /// To RSET and NOOP.
    Ok = 250 (2 0 0) "Ok";
    /// To VRFY (RFC 5321 §3.5.3).
    CannotVerify = 252 (2 1 5) "Cannot verify, but will accept the message and attempt delivery";
    /// To HELP.
    Help = 214 (2 0 0) "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT";
}

impl Positive {
    /// The reply code.
    pub const fn code(self) -> ReplyCode {
        ReplyCode(self.row().0)
    }

    /// The enhanced code, where this kind of reply carries one.
    pub const fn enhanced(self) -> Option<EnhancedCode> {
        self.row().1
    }

    /// The text, or its beginning.
    pub const fn text(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CODE-01
    #[test]
    fn code_01_no_enhanced_code_on_greeting_hello_and_3yz() {
        for bare in [
            Positive::Greeting,
            Positive::Hello,
            Positive::Challenge,
            Positive::StartData,
        ] {
            assert_eq!(bare.enhanced(), None);
        }
        assert_eq!(Positive::SenderOk.enhanced().unwrap().to_string(), "2.1.0");
    }
}
