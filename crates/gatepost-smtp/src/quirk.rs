//! Quirks: each tolerated oddity of clients has a name, the product that needs it, and a switch.
//!
//! Some quirks change nothing that a strict peer could notice and are always tolerated; they are
//! only reported. The others are tolerated when they are in the listener's [`QuirkSet`]. A session
//! reports each quirk once.

use std::fmt;

macro_rules! quirks {
    ($( $(#[$doc:meta])* $name:ident $label:literal; )*) => {
        /// One tolerated oddity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Quirk { $( $(#[$doc])* $name, )* }

        impl Quirk {
            /// All quirks.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The name in logs and configuration: lower case with hyphens.
            pub const fn label(self) -> &'static str {
                match self { $( Self::$name => $label, )* }
            }
        }
    };
}

quirks! {
    /// Switch: announce `250-AUTH=LOGIN PLAIN` before the proper line, for Outlook up to 2003
    /// (CAP-05, LC-21).
    AuthEqualsLine "auth-equals-line";
    /// Switch: AUTH after HELO, for IP cameras (LEG-12, LC-18).
    AuthAfterHelo "auth-after-helo";
    /// Switch: `HELO` or `EHLO` without a name, for UPS devices (LC-19).
    EmptyHeloName "empty-helo-name";
    /// Switch: command lines that end in LF alone, for devices (EOL-06, LC-16).
    BareLineFeed "bare-line-feed";
    /// Switch: data that ends in LF.LF when the whole message had LF alone, for devices (EOL-05,
    /// LC-16).
    LineFeedEndOfData "line-feed-end-of-data";
    /// Switch: an authzid with an empty authcid is taken for both, for old PHP programs (PLAIN-08,
    /// LC-10).
    AuthzidWithoutAuthcid "authzid-without-authcid";
    /// Switch: MAIL and RCPT parameters after HELO (SMTP-05).
    ParametersAfterHelo "parameters-after-helo";
    /// `AUTH=<user@example.com>` without xtext, from curl (MPAR-03, LC-23).
    AuthParameterBrackets "auth-parameter-brackets";
    /// Hexadecimal digits in lower case in ENVID or ORCPT, where RFC 3461 §4 has upper case (DSN-02).
    LowerCaseXtext "lower-case-xtext";
    /// A path without angle brackets, from `MegaRAID` (SMTP-04, LC-22).
    MissingAngleBrackets "missing-angle-brackets";
    /// A source route, which is dropped (RFC 5321 §4.1.1.3, LC-22).
    SourceRoute "source-route";
    /// A space after `FROM:` or `TO:` (SMTP-04, LC-22).
    SpaceBeforePath "space-before-path";
    /// A trailing dot or space in the address (SMTP-04).
    TrailingDotOrSpace "trailing-dot-or-space";
    /// More than one space before the initial response, from Windows Mail 16005 (AUTH-03, LC-07).
    ExtraSpaceBeforeInitialResponse "extra-space-before-initial-response";
    /// White space behind a response (AUTH-12, LC-08).
    SpaceBehindResponse "space-behind-response";
    /// Base64 whose unused bits are not zero, from encoders of Outlook's age (AUTH-11).
    Base64TrailingBits "base64-trailing-bits";
    /// Base64 wrapped over several lines, from Ruby's `pack` and `base64` (AUTH-28, LC-12).
    WrappedBase64 "wrapped-base64";
    /// QUIT where a user name belongs, from Xerox printers (AUTH-24, LC-03).
    QuitInExchange "quit-in-exchange";
    /// `*` behind the server's final message, from `JavaMail` 1.5 (AUTH-10, LC-44).
    CancelBehindFinalData "cancel-behind-final-data";
    /// A name in EHLO that no domain or address literal can be (SMTP-02, LC-20).
    OddHeloName "odd-helo-name";
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A set of quirks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuirkSet(u32);

impl QuirkSet {
    /// No quirk at all: strict.
    pub const NONE: Self = Self(0);

    /// What ports 587 and 465 tolerate.
    pub const SUBMISSION: Self = Self::NONE.with(Quirk::BareLineFeed);

    /// What a legacy listener tolerates besides. [`Quirk::LineFeedEndOfData`],
    /// [`Quirk::AuthEqualsLine`] and [`Quirk::AuthzidWithoutAuthcid`] are switched on one by one.
    pub const LEGACY: Self = Self::SUBMISSION
        .with(Quirk::AuthAfterHelo)
        .with(Quirk::EmptyHeloName)
        .with(Quirk::ParametersAfterHelo);

    /// The same set and `quirk`.
    #[must_use]
    pub const fn with(self, quirk: Quirk) -> Self {
        Self(self.0 | 1 << quirk as u8)
    }

    /// The same set without `quirk`.
    #[must_use]
    pub const fn without(self, quirk: Quirk) -> Self {
        Self(self.0 & !(1 << quirk as u8))
    }

    /// Whether `quirk` is in the set.
    pub const fn contains(self, quirk: Quirk) -> bool {
        self.0 & 1 << quirk as u8 != 0
    }

    /// Adds `quirk`; says whether it was new.
    pub fn insert(&mut self, quirk: Quirk) -> bool {
        let new = !self.contains(quirk);
        *self = self.with(quirk);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_has_its_own_bit() {
        assert!(Quirk::ALL.len() <= 32);
        let mut set = QuirkSet::NONE;
        for &quirk in Quirk::ALL {
            assert!(set.insert(quirk), "{quirk}");
            assert!(!set.insert(quirk) && set.contains(quirk));
        }
        assert!(!set.without(Quirk::SourceRoute).contains(Quirk::SourceRoute));
    }
}
