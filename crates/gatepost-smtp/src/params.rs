//! Parameters of MAIL and RCPT, and the submitter.
//!
//! `key[=value]`, keys in any case, an unknown key is [`ParamFault::Unknown`], a bad value or a key
//! given twice is [`ParamFault::Syntax`] (SMTP-05). So is a parameter of RCPT on MAIL, or the other
//! way round (DSN-01).
//!
//! Standards: RFC 5321 §4.1.1.11, RFC 1870, RFC 6152, RFC 3030 §3, RFC 4954 §5, RFC 3461 §4, RFC 6531 §3.4.

use std::fmt;

use crate::dsn::{DsnFault, EnvelopeId, Notify, OriginalRecipient, Ret};
use crate::path::Address;
use crate::quirk::{Quirk, QuirkSet};
use crate::reply::Refusal;
use crate::xtext;

/// Why parameters were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamFault {
    /// Not a parameter of this server.
    Unknown,
    /// A bad value, a parameter given twice, or one of the other command.
    Syntax,
}

impl From<DsnFault> for ParamFault {
    fn from(_: DsnFault) -> Self {
        Self::Syntax
    }
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

/// Parameters of RCPT that mean nothing on MAIL, and of MAIL that mean nothing on RCPT.
const OF_RCPT: [&str; 2] = ["NOTIFY", "ORCPT"];
const OF_MAIL: [&str; 6] = ["SIZE", "BODY", "AUTH", "SMTPUTF8", "RET", "ENVID"];

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParams {
    /// `SIZE=`: octets the client means to send; 0 is the same as not given (RFC 1870 §6).
    pub size: Option<u64>,
    /// `BODY=`.
    pub body: Option<Body>,
    /// `AUTH=`. A mailbox beyond ASCII without SMTPUTF8 is as good as unknown (MPAR-10).
    pub auth: Option<Submitter>,
    /// `SMTPUTF8`: addresses and header may be UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// `RET=`.
    pub ret: Option<Ret>,
    /// `ENVID=`.
    pub envelope_id: Option<EnvelopeId>,
}

impl MailParams {
    /// Parses what stands behind the path. Quirks met on the way are added to `quirks`.
    pub(crate) fn parse(text: &str, quirks: &mut QuirkSet) -> Result<Self, ParamFault> {
        let mut params = Self::default();
        for (key, value) in pairs(text) {
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            if is("SIZE") {
                set_once(&mut params.size, parse_size(value)?)?;
            } else if is("BODY") {
                set_once(&mut params.body, parse_body(value)?)?;
            } else if is("AUTH") {
                let value = value.ok_or(ParamFault::Syntax)?;
                set_once(&mut params.auth, Submitter::from_xtext(value, quirks)?)?;
            } else if is("SMTPUTF8") {
                // EAI-01.
                if value.is_some() || std::mem::replace(&mut params.smtputf8, true) {
                    return Err(ParamFault::Syntax);
                }
            } else if is("RET") {
                let value = value.ok_or(ParamFault::Syntax)?;
                set_once(&mut params.ret, Ret::parse(value)?)?;
            } else if is("ENVID") {
                let value = xtext_value(value, quirks)?;
                set_once(&mut params.envelope_id, EnvelopeId::parse(value)?)?;
            } else {
                return Err(ParamFault::of_key(key, &OF_RCPT));
            }
        }
        if let Some(Submitter::Address(address)) = &params.auth
            && !params.smtputf8
            && !address.is_ascii()
        {
            params.auth = Some(Submitter::Unknown);
        }
        Ok(params)
    }
}

/// The parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParams {
    /// `NOTIFY=`.
    pub notify: Option<Notify>,
    /// `ORCPT=`.
    pub original_recipient: Option<OriginalRecipient>,
}

impl RcptParams {
    /// Parses what stands behind the path; `smtputf8` says whether MAIL had SMTPUTF8, without which
    /// there is no raw UTF-8. Quirks met on the way are added to `quirks`.
    pub(crate) fn parse(
        text: &str,
        smtputf8: bool,
        quirks: &mut QuirkSet,
    ) -> Result<Self, ParamFault> {
        let mut params = Self::default();
        for (key, value) in pairs(text) {
            if key.eq_ignore_ascii_case("NOTIFY") {
                let value = value.ok_or(ParamFault::Syntax)?;
                set_once(&mut params.notify, Notify::parse(value)?)?;
            } else if key.eq_ignore_ascii_case("ORCPT") {
                let value = xtext_value(value, quirks)?;
                if !smtputf8 && !value.is_ascii() {
                    return Err(ParamFault::Syntax);
                }
                let recipient = OriginalRecipient::parse(value)?;
                set_once(&mut params.original_recipient, recipient)?;
            } else {
                return Err(ParamFault::of_key(key, &OF_MAIL));
            }
        }
        Ok(params)
    }
}

impl ParamFault {
    /// What is wrong with a key that is none of this command's.
    fn of_key(key: &str, of_the_other: &[&str]) -> Self {
        if of_the_other
            .iter()
            .any(|name| key.eq_ignore_ascii_case(name))
        {
            Self::Syntax
        } else {
            Self::Unknown
        }
    }
}

/// A value in xtext, and the quirk that may be in it.
fn xtext_value<'a>(value: Option<&'a str>, quirks: &mut QuirkSet) -> Result<&'a str, ParamFault> {
    let value = value.ok_or(ParamFault::Syntax)?;
    if xtext::has_lower_case_digits(value) {
        quirks.insert(Quirk::LowerCaseXtext);
    }
    Ok(value)
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
        Some(value) if value.eq_ignore_ascii_case("BINARYMIME") => Ok(Body::BinaryMime),
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
        for body in [Body::SevenBit, Body::EightBitMime, Body::BinaryMime] {
            let text = format!("BODY={}", body.as_str());
            assert_eq!(parse(&text).unwrap().body, Some(body), "MIME-01");
        }
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
            "BODY=BINARY",
            "BODY=7BIT BODY=7BIT",
            "AUTH",
            "AUTH=",
            "AUTH=fred",
            "AUTH=+",
            "AUTH=a@b AUTH=a@b",
            "AUTH=a+0D+0Ab@example.com",
            "AUTH=+00@example.com",
            "AUTH=a@b+0A",
            "AUTH=+FF@example.com",
            "AUTH=\u{e9}@example.com SMTPUTF8",
            "SMTPUTF8=",
            "SMTPUTF8=1",
            "SMTPUTF8 smtputf8",
            "RET",
            "RET=ALL",
            "RET=FULL RET=FULL",
            "ENVID",
            "ENVID=",
            "ENVID=x ENVID=x",
            "ENVID=a+0Ab",
            "NOTIFY=NEVER",
            "orcpt=rfc822;a@b",
        ];
        for text in bad {
            assert_eq!(parse(text), Err(ParamFault::Syntax), "{text}");
        }
        for text in ["X", "X=1", "HOLDFOR=1", "=", "SIZE=1 FOO"] {
            assert_eq!(parse(text), Err(ParamFault::Unknown), "{text}");
        }
    }

    // EAI-01, DSN-01
    #[test]
    fn eai_01_dsn_01_more_parameters_of_mail() {
        let params = parse("ret=hdrs smtputf8 EnvId=QQ+20314159").unwrap();
        assert!(params.smtputf8);
        assert_eq!(params.ret, Some(Ret::Headers));
        assert_eq!(params.envelope_id.unwrap().as_str(), "QQ 314159");
        assert!(!parse("RET=FULL").unwrap().smtputf8);
    }

    // MPAR-10
    #[test]
    fn mpar_10_a_submitter_beyond_ascii_needs_smtputf8() {
        let auth = |text| parse(text).unwrap().auth.unwrap().to_string();
        assert_eq!(auth("AUTH=fr+C3+A9d@example.com"), "<>");
        for text in [
            "SMTPUTF8 AUTH=fr+C3+A9d@example.com",
            "AUTH=fr+C3+A9d@example.com SMTPUTF8",
        ] {
            assert_eq!(auth(text), "fr\u{e9}d@example.com", "{text}");
        }
    }

    // DSN-01, DSN-02
    #[test]
    fn dsn_01_dsn_02_parameters_of_rcpt() {
        let parse = |text, utf8| {
            let mut quirks = QuirkSet::NONE;
            let params = RcptParams::parse(text, utf8, &mut quirks);
            params.map(|params| (params, quirks.contains(Quirk::LowerCaseXtext)))
        };
        assert_eq!(parse(" ", false), Ok((RcptParams::default(), false)));
        let (params, quirk) = parse("notify=success,delay orcpt=rfc822;a+2bb@c", false).unwrap();
        assert!(quirk);
        assert!(
            params
                .notify
                .is_some_and(|notify| notify.success() && !notify.failure())
        );
        assert_eq!(params.original_recipient.unwrap().address(), "a+b@c");
        let bad = [
            "NOTIFY",
            "NOTIFY=",
            "NOTIFY=NEVER,DELAY",
            "NOTIFY=NEVER NOTIFY=NEVER",
            "ORCPT",
            "ORCPT=a@b",
            "ORCPT=rfc822;a@b ORCPT=rfc822;a@b",
            "ORCPT=utf-8;\u{e9}@b",
            "RET=FULL",
            "ENVID=x",
            "SMTPUTF8",
            "SIZE=1",
        ];
        for text in bad {
            assert_eq!(parse(text, false), Err(ParamFault::Syntax), "{text}");
        }
        assert_eq!(parse("BY=1", false), Err(ParamFault::Unknown));
        assert!(parse("ORCPT=utf-8;\u{e9}@b", true).is_ok());
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
