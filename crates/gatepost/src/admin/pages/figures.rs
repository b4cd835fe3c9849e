//! Times and sizes for people.

use std::fmt;

use jiff::{Timestamp, Unit};
use maud::{Markup, html};

/// The moment a page is made at, which ages count from.
pub(super) struct Moment(Timestamp);

impl Moment {
    /// This moment.
    pub(super) fn now() -> Self {
        Self(Timestamp::now())
    }

    /// How long ago it was; the exact time shows when pointed at.
    pub(super) fn ago(&self, then: Timestamp) -> Markup {
        html! { time datetime=(then) title=(exact(then)) { (self.age(then)) } }
    }

    fn age(&self, then: Timestamp) -> String {
        let seconds = self.0.duration_since(then).as_secs();
        match seconds {
            ..5 => "just now".to_owned(),
            5..60 => format!("{seconds} s ago"),
            60..3600 => format!("{} min ago", seconds / 60),
            3600..86_400 => format!("{} h ago", seconds / 3600),
            _ => then.strftime("%Y-%m-%d").to_string(),
        }
    }
}

/// The exact time.
pub(super) fn exact(then: Timestamp) -> impl fmt::Display {
    let whole = then.round(Unit::Second).unwrap_or(then);
    whole.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A number of octets.
pub(super) fn size(octets: u64) -> String {
    let (unit, name) = match octets {
        ..1024 => return format!("{octets} B"),
        1024..1_048_576 => (1024, "KiB"),
        1_048_576..1_073_741_824 => (1_048_576, "MiB"),
        _ => (1_073_741_824, "GiB"),
    };
    let tenths = octets.saturating_mul(10) / unit;
    if tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (octets, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1023 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(octets), expected);
        }
    }

    #[test]
    fn ages_grow() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (seconds, expected) in [
            (-60, "just now"),
            (0, "just now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (86_400, "2027-01-14"),
        ] {
            let then = Timestamp::from_second(1_800_000_000 - seconds).unwrap();
            assert_eq!(Moment(now).age(then), expected);
        }
        assert_eq!(exact(now).to_string(), "2027-01-15 08:00:00 UTC");
    }
}
