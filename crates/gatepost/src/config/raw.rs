//! The configuration as written: TOML with the place of every value.
//!
//! A [`Table`] gives out values by key, in the kind that [`option`](super::option) defines. What is wrong with a value is added to
//! a list of faults and the value counts as absent, so that one run shows everything there is to repair.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::option::{self, Absent, ConfigOption, OPTIONS};
use super::suggest::unknown_key;
use super::value::{parse_size, parse_time};

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> Placed<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed {
            value: change(self.value),
            span: self.span,
        }
    }

    /// The value, if `parse` can read it; the fault that it describes otherwise.
    fn parse<U, E: std::fmt::Display>(
        self,
        option: &ConfigOption,
        faults: &mut Vec<Fault>,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Placed<U>> {
        match parse(self.value) {
            Ok(value) => Some(Placed {
                value,
                span: self.span,
            }),
            Err(error) => {
                faults.push(bad_value(option, self.span, &error.to_string()));
                None
            }
        }
    }
}

/// One table of the file.
pub(super) struct Table<'t> {
    name: &'static str,
    entries: &'t DeTable<'t>,
    /// Where it begins.
    pub(super) span: Range<usize>,
}

impl<'t> Table<'t> {
    /// The table named `name` in [`OPTIONS`]; keys that it does not define are faults.
    pub(super) fn new(
        name: &'static str,
        entries: &'t DeTable<'t>,
        span: Range<usize>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        for key in entries.keys() {
            if option::find(name, key.get_ref()).is_none() {
                faults.push(unknown_key(name, key.get_ref(), key.span()));
            }
        }
        for option in OPTIONS.iter().filter(|option| option.table == name) {
            if option.default == Absent::Refused && !entries.contains_key(option.key) {
                faults.push(missing(option, span.clone()));
            }
        }
        Self {
            name,
            entries,
            span,
        }
    }

    /// Whether the key is written here.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The text as it stands there, whether or not it is one that is known.
    pub(super) fn as_written(&self, key: &str) -> Option<Placed<&'t str>> {
        let (_, value) = self.get(key)?;
        Some(Placed {
            value: value.get_ref().as_str()?,
            span: value.span(),
        })
    }

    /// A text of kind `Text` or `Word`; a word must be one of those defined and is given as defined.
    pub(super) fn text(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Placed<String>> {
        let (option, value) = self.get(key)?;
        let text = expect(option, value, faults, DeValue::as_str)?.map(str::to_owned);
        let option::Kind::Word(words) = option.kind else {
            return Some(text);
        };
        let known = words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(&text.value));
        if let Some(word) = known {
            return Some(text.map(|_| (*word).to_owned()));
        }
        let what = format!("\"{}\" is not known", text.value);
        faults.push(bad_value(option, text.span, &what));
        None
    }

    /// A path; a relative one is taken from `base`.
    pub(super) fn path(
        &self,
        key: &str,
        base: &Path,
        faults: &mut Vec<Fault>,
    ) -> Option<Placed<PathBuf>> {
        self.text(key, faults)
            .map(|text| text.map(|path| base.join(path)))
    }

    /// An IP address and a port.
    pub(super) fn address(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Placed<SocketAddr>> {
        let (option, _) = self.get(key)?;
        self.text(key, faults)?.parse(option, faults, |text| {
            text.parse::<SocketAddr>().map_err(|_| {
                format!("\"{text}\" is not an IP address with a port (names are not looked up)")
            })
        })
    }

    /// `true` or `false`.
    pub(super) fn truth(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Placed<bool>> {
        let (option, value) = self.get(key)?;
        expect(option, value, faults, DeValue::as_bool)
    }

    /// A whole number greater than 0.
    pub(super) fn count(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Placed<usize>> {
        let (option, value) = self.get(key)?;
        let number = expect(option, value, faults, whole_number)?;
        number.parse(option, faults, |number| match usize::try_from(number) {
            Ok(0) | Err(_) => Err(format!("{number} is out of range")),
            Ok(count) => Ok(count),
        })
    }

    /// A number of octets.
    pub(super) fn size(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Placed<u64>> {
        let (option, value) = self.get(key)?;
        if let Some(number) = whole_number(value.get_ref()) {
            return Some(Placed {
                value: number,
                span: value.span(),
            });
        }
        expect(option, value, faults, DeValue::as_str)?.parse(option, faults, parse_size)
    }

    /// A span of time.
    pub(super) fn time(&self, key: &str, faults: &mut Vec<Fault>) -> Option<Placed<Duration>> {
        let (option, value) = self.get(key)?;
        expect(option, value, faults, DeValue::as_str)?.parse(option, faults, parse_time)
    }

    /// A list of texts, each parsed; a single text counts as a list of one.
    pub(super) fn list<T, E: std::fmt::Display>(
        &self,
        key: &str,
        faults: &mut Vec<Fault>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<Placed<T>> {
        let Some((option, value)) = self.get(key) else {
            return Vec::new();
        };
        let single = std::slice::from_ref(value);
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().as_slice(),
            _ => single,
        };
        let mut parsed = Vec::new();
        for item in items {
            if let Some(text) = expect(option, item, faults, DeValue::as_str) {
                parsed.extend(text.parse(option, faults, &parse));
            }
        }
        parsed
    }

    /// The table under this key, named `name` in [`OPTIONS`].
    pub(super) fn table(
        &self,
        key: &str,
        name: &'static str,
        faults: &mut Vec<Fault>,
    ) -> Option<Table<'t>> {
        let (option, value) = self.get(key)?;
        let table = expect(option, value, faults, DeValue::as_table)?;
        Some(Table::new(name, table.value, table.span, faults))
    }

    /// The tables of the list under this key, named `name` in [`OPTIONS`].
    pub(super) fn tables(
        &self,
        key: &str,
        name: &'static str,
        faults: &mut Vec<Fault>,
    ) -> Vec<Table<'t>> {
        let Some((option, value)) = self.get(key) else {
            return Vec::new();
        };
        let Some(items) = expect(option, value, faults, DeValue::as_array) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.value {
            if let Some(table) = expect(option, item, faults, DeValue::as_table) {
                tables.push(Table::new(name, table.value, table.span, faults));
            }
        }
        tables
    }

    fn get(&self, key: &str) -> Option<(&'static ConfigOption, &'t Spanned<DeValue<'t>>)> {
        let option = option::find(self.name, key)?;
        Some((option, self.entries.get(key)?))
    }
}

fn expect<'v, T>(
    option: &ConfigOption,
    value: &'v Spanned<DeValue<'v>>,
    faults: &mut Vec<Fault>,
    read: impl FnOnce(&'v DeValue<'v>) -> Option<T>,
) -> Option<Placed<T>> {
    if let Some(read) = read(value.get_ref()) {
        return Some(Placed {
            value: read,
            span: value.span(),
        });
    }
    let what = format!("this is {}", article(value.get_ref().type_str()));
    faults.push(bad_value(option, value.span(), &what));
    None
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

fn bad_value(option: &ConfigOption, span: Range<usize>, what: &str) -> Fault {
    let example = if option.example.is_empty() {
        String::new()
    } else {
        format!(", for example {} = {}", option.key, option.example)
    };
    Fault::at(
        span,
        format!("{}: {what}", option.path()),
        format!("it must be {}{example}", option.kind.expectation()),
    )
}

fn missing(option: &ConfigOption, span: Range<usize>) -> Fault {
    let add = match option.kind {
        option::Kind::Tables => format!("add a [[{}]] section", option.key),
        _ => format!("add {} = {}", option.key, option.example),
    };
    Fault::at(
        span,
        format!("{} is missing", option.path()),
        format!("{add}. {}", option.text),
    )
}

fn whole_number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    let digits = integer.as_str().replace('_', "");
    u64::from_str_radix(&digits, integer.radix()).ok()
}
