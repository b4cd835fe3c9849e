//! Parameters of MAIL and RCPT, and the submitter.
//!
//! `key[=value]`, keys in any case, an unknown key is [`ParamFault::Unknown`], a bad value or a key
//! given twice is [`ParamFault::Syntax`] (SMTP-05).
//!
//! Standards: RFC 5321 §4.1.1.11, RFC 1870, RFC 6152, RFC 4954 §5.

use std::fmt;

use crate::path::Address;
use crate::quirk::{Quirk, QuirkSet};
use crate::reply::Refusal;
use crate::xtext;

/// Why parameters were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamFault {
    /// Not a parameter of this server.
    Unknown,
    /// A bad value, or a parameter given twice.
    Syntax,
}

impl From<ParamFault> for Refusal {
    fn from(fault: ParamFault) -> Self {
        match fault {
            ParamFault::Unknown => Self::ParameterUnknown,
            ParamFault::Syntax => Self::ParameterSyntax,
        }
    }
}

/// Value of `BODY=` (RFC 6152 §2, RFC 3030 §3): what a content may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// `7BIT`: lines of octets up to 127.
    #[default]
    SevenBit,
    /// `8BITMIME`: lines of any octets.
    EightBitMime,
    /// `BINARYMIME`: any octets, which need not be lines. Goes by BDAT only.
    BinaryMime,
}

impl Body {
    /// The value as on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

/// Value of `AUTH=`: who submitted the message first (RFC 4954 §5). Displayed decoded; on the wire
/// it is [`Self::to_xtext`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Submitter {
    /// `<>`: not known, or not to be believed.
    Unknown,
    /// The mailbox of the original submitter.
    Address(Address),
}

impl Submitter {
    /// The parameter's value as on the wire.
    pub fn to_xtext(&self) -> String {
        match self {
            Self::Unknown => "<>".to_owned(),
            Self::Address(address) => xtext::encode(address.as_str()),
        }
    }

    /// Reads the parameter's value: xtext of `<>` or of a mailbox (MPAR-02). curl's brackets are
    /// stripped (MPAR-03).
    fn from_xtext(value: &str, quirks: &mut QuirkSet) -> Result<Self, ParamFault> {
        let decoded = xtext::decode(value).map_err(|_| ParamFault::Syntax)?;
        let decoded = std::str::from_utf8(&decoded).map_err(|_| ParamFault::Syntax)?;
        let mailbox = match decoded
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
        {
            Some("") => return Ok(Self::Unknown),
            Some(inner) => {
                quirks.insert(Quirk::AuthParameterBrackets);
                inner
            }
            None => decoded,
        };
        Address::parse(mailbox)
            .map(Self::Address)
            .map_err(|_| ParamFault::Syntax)
    }
}

impl fmt::Display for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("<>"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParams {
    /// `SIZE=`: octets the client means to send; 0 is the same as not given (RFC 1870 §6).
    pub size: Option<u64>,
    /// `BODY=`.
    pub body: Option<Body>,
    /// `AUTH=`.
    pub auth: Option<Submitter>,
}

impl MailParams {
    /// Parses what stands behind the path. Quirks met on the way are added to `quirks`.
    pub(crate) fn parse(text: &str, quirks: &mut QuirkSet) -> Result<Self, ParamFault> {
        let mut params = Self::default();
        for (key, value) in pairs(text) {
            if key.eq_ignore_ascii_case("SIZE") {
                set_once(&mut params.size, parse_size(value)?)?;
            } else if key.eq_ignore_ascii_case("BODY") {
                set_once(&mut params.body, parse_body(value)?)?;
            } else if key.eq_ignore_ascii_case("AUTH") {
                let value = value.ok_or(ParamFault::Syntax)?;
                set_once(&mut params.auth, Submitter::from_xtext(value, quirks)?)?;
            } else {
                return Err(ParamFault::Unknown);
            }
        }
        Ok(params)
    }
}

/// The parameters of RCPT: none is offered, so none is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RcptParams {}

impl RcptParams {
    /// Parses what stands behind the path.
    pub(crate) fn parse(text: &str) -> Result<Self, ParamFault> {
        match pairs(text).next() {
            None => Ok(Self {}),
            Some(_) => Err(ParamFault::Unknown),
        }
    }
}

/// The `key[=value]` words of a parameter list.
fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    words.map(|word| match word.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    })
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), ParamFault> {
    if slot.is_some() {
        return Err(ParamFault::Syntax);
    }
    *slot = Some(value);
    Ok(())
}

/// RFC 1870 §6: one to twenty digits. A number beyond 64 bits is simply too large for any limit.
fn parse_size(value: Option<&str>) -> Result<u64, ParamFault> {
    let digits = value.ok_or(ParamFault::Syntax)?;
    let plain =
        (1..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    if !plain {
        return Err(ParamFault::Syntax);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn parse_body(value: Option<&str>) -> Result<Body, ParamFault> {
    match value {
        Some(value) if value.eq_ignore_ascii_case("7BIT") => Ok(Body::SevenBit),
        Some(value) if value.eq_ignore_ascii_case("8BITMIME") => Ok(Body::EightBitMime),
        _ => Err(ParamFault::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MailParams, ParamFault> {
        MailParams::parse(text, &mut QuirkSet::NONE.clone())
    }

    // SMTP-05
    #[test]
    fn smtp_05_good_parameters() {
        assert_eq!(parse("").unwrap(), MailParams::default());
        let params = parse(" size=100  Body=8bitmime AUTH=e+3Dmc2@example.com ").unwrap();
        assert_eq!(params.size, Some(100));
        assert_eq!(params.body, Some(Body::EightBitMime));
        assert_eq!(
            params.auth,
            Some(Submitter::Address(
                Address::parse("e=mc2@example.com").unwrap()
            ))
        );
        assert_eq!(parse("BODY=7BIT").unwrap().body, Some(Body::SevenBit));
        assert_eq!(
            parse("SIZE=99999999999999999999").unwrap().size,
            Some(u64::MAX)
        );
        assert_eq!(parse("AUTH=<>").unwrap().auth, Some(Submitter::Unknown));
    }

    // SMTP-05, MPAR-02, MPAR-04
    #[test]
    fn smtp_05_mpar_02_mpar_04_bad_parameters() {
        let bad = [
            "SIZE",
            "SIZE=",
            "SIZE=x",
            "SIZE=-1",
            "SIZE=+1",
            "SIZE=1 SIZE=1",
            "BODY",
            "BODY=BINARYMIME",
            "BODY=7BIT BODY=7BIT",
            "AUTH",
            "AUTH=",
            "AUTH=fred",
            "AUTH=+",
            "AUTH=a@b AUTH=a@b",
            "AUTH=a+0D+0Ab@example.com",
            "AUTH=+00@example.com",
            "AUTH=a@b+0A",
            "AUTH=+C3+A9@example.com",
            "AUTH=+FF@example.com",
        ];
        for text in bad {
            assert_eq!(parse(text), Err(ParamFault::Syntax), "{text}");
        }
        for text in ["X", "X=1", "SMTPUTF8", "RET=FULL", "=", "SIZE=1 FOO"] {
            assert_eq!(parse(text), Err(ParamFault::Unknown), "{text}");
        }
        assert_eq!(RcptParams::parse(" "), Ok(RcptParams {}));
        assert_eq!(RcptParams::parse(" NOTIFY=NEVER"), Err(ParamFault::Unknown));
    }

    // MPAR-03
    #[test]
    fn mpar_03_curl_sends_brackets() {
        let mut quirks = QuirkSet::NONE;
        let params = MailParams::parse("AUTH=<user@example.com> SIZE=123", &mut quirks).unwrap();
        assert_eq!(params.auth.unwrap().to_string(), "user@example.com");
        assert!(quirks.contains(Quirk::AuthParameterBrackets));
    }
}
