//! How octets are cut on their way: TCP keeps their order and nothing else.

/// A way to cut what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// As it comes.
    Whole,
    /// Octet by octet.
    Octets,
    /// Once, behind so many octets since the beginning of the connection.
    Once(usize),
    /// In pieces of 1 to 40 octets, the same for the same seed.
    Random(u64),
}

/// Cuts one direction of a connection.
#[derive(Clone, Debug)]
pub struct Splitter {
    cuts: Cuts,
    state: u64,
    sent: usize,
}

impl Splitter {
    /// A splitter at the beginning of a connection.
    pub fn new(cuts: Cuts) -> Self {
        let state = match cuts {
            Cuts::Random(seed) => seed | 1,
            _ => 1,
        };
        Self {
            cuts,
            state,
            sent: 0,
        }
    }

    /// The pieces of `octets`, in order; together they are `octets`.
    pub fn pieces<'a>(&mut self, octets: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        let mut rest = octets;
        while !rest.is_empty() {
            let length = self.next_length(rest.len()).clamp(1, rest.len());
            let (piece, behind) = rest.split_at(length);
            self.sent += length;
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }

    fn next_length(&mut self, left: usize) -> usize {
        match self.cuts {
            Cuts::Whole => left,
            Cuts::Octets => 1,
            Cuts::Once(at) => at
                .checked_sub(self.sent)
                .filter(|&to| to > 0)
                .unwrap_or(left),
            Cuts::Random(_) => usize::try_from(self.random() % 40).unwrap_or(0) + 1,
        }
    }

    /// xorshift64: enough to vary, and the same everywhere.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_in_order() {
        let octets: Vec<u8> = (0..=255).collect();
        for cuts in [
            Cuts::Whole,
            Cuts::Octets,
            Cuts::Once(7),
            Cuts::Random(3),
            Cuts::Random(4),
        ] {
            let mut splitter = Splitter::new(cuts);
            assert_eq!(splitter.pieces(&octets).concat(), octets);
        }
        assert_eq!(
            Splitter::new(Cuts::Octets).pieces(b"abc"),
            [b"a", b"b", b"c"]
        );
        let mut once = Splitter::new(Cuts::Once(4));
        assert_eq!(once.pieces(b"abc"), [&b"abc"[..]]);
        assert_eq!(once.pieces(b"def"), [&b"d"[..], b"ef"]);
        assert_eq!(once.pieces(b"ghi"), [&b"ghi"[..]]);
        let random = |seed| {
            let mut splitter = Splitter::new(Cuts::Random(seed));
            splitter
                .pieces(&octets)
                .iter()
                .map(|piece| piece.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(random(5), random(5));
        assert_ne!(random(5), random(8));
    }
}
