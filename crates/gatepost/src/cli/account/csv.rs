//! Tables of a spreadsheet: the first line names the columns, every other is an account.
//!
//! Columns are `name`, and of `address` (several with spaces between them), `password` (in clear) and `hash` (as in a
//! passwd file) those that are there, in any order. Fields are separated by commas or, as spreadsheets of half the world have it,
//! by semicolons; quotes as spreadsheets write them, but no line end within them.

use super::import::{Line, account};
use crate::control::account::WireKind;
use crate::control::portable::PortableAccount;

/// What stands in which place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Address,
    Password,
    Hash,
}

impl Column {
    fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "name" | "user" | "login" => Some(Self::Name),
            "address" | "addresses" => Some(Self::Address),
            "password" => Some(Self::Password),
            "hash" => Some(Self::Hash),
            _ => None,
        }
    }
}

/// Whether a first line names columns of such a table.
pub(super) fn is_header(line: &str) -> bool {
    let separator = separator(line);
    line.contains(separator)
        && fields(line, separator).is_some_and(|fields| {
            fields
                .iter()
                .any(|field| Column::parse(field) == Some(Column::Name))
        })
}

/// The lines behind the header; fails when the header cannot be used.
pub(super) fn parse(text: &str, kind: WireKind) -> Result<Vec<Line>, String> {
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map_or("", |(_, line)| line);
    let separator = separator(header);
    let columns = columns(header, separator)?;
    Ok(lines
        .map(|(number, line)| (number, read(line, separator, &columns, kind)))
        .collect())
}

fn separator(header: &str) -> char {
    if header.contains(';') { ';' } else { ',' }
}

fn columns(header: &str, separator: char) -> Result<Vec<Column>, String> {
    let names = fields(header, separator).ok_or("the quotes of its first line do not match")?;
    let mut columns = Vec::new();
    for name in &names {
        let column = Column::parse(name).ok_or_else(|| {
            format!(
                "its first line has a column {name:?}; known are name, address, password and hash"
            )
        })?;
        if columns.contains(&column) {
            return Err(format!("its first line has the column {name:?} twice"));
        }
        columns.push(column);
    }
    if !columns.contains(&Column::Name) {
        return Err("its first line names no column \"name\"".to_owned());
    }
    if !columns.contains(&Column::Password) && !columns.contains(&Column::Hash) {
        return Err("its first line names neither a column \"password\" nor \"hash\"".to_owned());
    }
    Ok(columns)
}

fn read(
    line: &str,
    separator: char,
    columns: &[Column],
    kind: WireKind,
) -> Result<PortableAccount, String> {
    let fields = fields(line, separator).ok_or("its quotes do not match")?;
    if fields.len() != columns.len() {
        return Err(format!(
            "it has {} fields, the first line {}",
            fields.len(),
            columns.len()
        ));
    }
    let of = |column| {
        let place = columns.iter().position(|it| *it == column);
        place
            .and_then(|place| fields.get(place))
            .map_or("", String::as_str)
    };
    let verifier = match (of(Column::Password), of(Column::Hash)) {
        ("", "") => return Err("it has no password".to_owned()),
        ("", hash) => hash.to_owned(),
        (password, "") => format!("{{PLAIN}}{password}"),
        _ => return Err("it has a password and a hash: leave one out".to_owned()),
    };
    let mut account = account(
        of(Column::Name).trim(),
        kind,
        &zeroize::Zeroizing::new(verifier),
    );
    let addresses = of(Column::Address).split_whitespace();
    account.addresses = addresses.map(str::to_owned).collect();
    Ok(account)
}

/// The fields of a line; `None` when its quotes do not match.
fn fields(line: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.strip_suffix('\r').unwrap_or(line);
    loop {
        let (field, behind) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let end = rest.find(separator).unwrap_or(rest.len());
            let (field, behind) = rest.split_at_checked(end)?;
            (field.to_owned(), behind)
        };
        fields.push(field);
        if behind.is_empty() {
            return Some(fields);
        }
        rest = behind.strip_prefix(separator)?;
    }
}

/// A field up to its closing quote, and what is behind that; a doubled quote stands for one.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut field = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"')?;
        field.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_as_spreadsheets_do() {
        for (line, separator, expected) in [
            ("a,b,c", ',', Some(vec!["a", "b", "c"])),
            ("a,,", ',', Some(vec!["a", "", ""])),
            (
                "\"a,b\",\"say \"\"hi\"\"\"\r",
                ',',
                Some(vec!["a,b", "say \"hi\""]),
            ),
            ("a;b,c", ';', Some(vec!["a", "b,c"])),
            ("", ',', Some(vec![""])),
            ("\"a", ',', None),
            ("\"a\"b,c", ',', None),
        ] {
            let found = fields(line, separator);
            let found = found
                .as_ref()
                .map(|fields| fields.iter().map(String::as_str).collect());
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_table_is_read_by_the_names_of_its_columns() {
        let text = "Password;Name;Address\n\"a;b\";fred;fred@example.com f@example.com\n;wilma;\n";
        let lines = parse(text, WireKind::Password).unwrap();
        let fred = lines[0].1.as_ref().unwrap();
        assert_eq!((lines[0].0, fred.name.as_str()), (2, "fred"));
        assert_eq!(fred.addresses, ["fred@example.com", "f@example.com"]);
        assert_eq!(fred.credentials[0].verifiers[0].expose(), "{PLAIN}a;b");
        assert_eq!(lines[1].1, Err("it has no password".to_owned()));
    }

    #[test]
    fn a_header_that_is_none_is_told() {
        for (text, says) in [
            ("name,passwort\n", "\"passwort\""),
            ("name,address\n", "neither"),
            ("password,hash\n", "\"name\""),
            ("name,name,password\n", "twice"),
            ("\"name,password\n", "quotes"),
        ] {
            let why = parse(text, WireKind::Password).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
        assert!(is_header("name,password") && is_header("User;Hash"));
        assert!(!is_header("fred:{PLAIN}name,password") && !is_header("name"));
    }
}
