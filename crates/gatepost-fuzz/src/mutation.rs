//! Mutations that are the same for the same seed: bits, splices, repeats, truncations, words.

/// What hostile octets are often made of.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b".",
    b"..",
    b"\xff",
    b"\x80",
    b"\x1b[2J",
    b"\xe2\x80\xa8",
    b"\xc3\xa9",
    b" ",
    b"\t",
    b"<",
    b">",
    b"<>",
    b"@",
    b"\"",
    b"\\",
    b"(",
    b")",
    b",",
    b";",
    b":",
    b"=",
    b"=?utf-8?q?",
    b"?=",
    b"+0A",
    b"+",
    b"%",
    b"[",
    b"]",
    b"--",
    b"--b\r\n",
    b"-",
    b"{",
    b"}",
    b"null",
    b"0",
    b"-1",
    b"4294967296",
    b"18446744073709551616",
    b"99999999999999999999",
    b"EHLO x\r\n",
    b"AUTH PLAIN ",
    b"*\r\n",
    b"STARTTLS\r\n",
    b"MAIL FROM:<a@example.com>\r\n",
    b"RCPT TO:<b@example.net>\r\n",
    b"DATA\r\n",
    b"BDAT 3 LAST\r\n",
    b"BDAT 1\r\n",
    b"RSET\r\n",
    b"QUIT\r\n",
    b"SIZE=",
    b"BODY=BINARYMIME",
    b"250-",
    b"250 ",
    b"334 ",
    b"354 ",
    b"235 ",
    b"421 ",
    b"535 5.7.8 ",
    b"n,,",
    b"r=",
    b"i=",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"\r\n\r\n",
    b"PROXY TCP4 ",
    b"\r\n\r\n\0\r\nQUIT\n",
];

/// The longest input that is made.
const LONGEST: usize = 16 << 10;

/// Draws mutations; the same for the same seed.
pub struct Mutator(u64);

impl Mutator {
    /// Any seed but 0 is as good as any other.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A mutation of one of the seeds, perhaps with parts of another.
    pub fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = self.one_of(seeds).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.mutate(&mut octets, seeds);
        }
        octets.truncate(LONGEST);
        octets
    }

    fn mutate(&mut self, octets: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(octets.len() + 1);
        match self.below(8) {
            0 => {
                let bit = 1 << self.below(8);
                octets
                    .get_mut(at)
                    .into_iter()
                    .for_each(|octet| *octet ^= bit);
            }
            1 => {
                let random = self.draw().to_le_bytes();
                octets
                    .get_mut(at)
                    .into_iter()
                    .zip(random)
                    .for_each(|(octet, new)| *octet = new);
            }
            2 => octets.truncate(at),
            3 => {
                let length = self.below(octets.len() - at + 1).min(64);
                octets.drain(at..at + length);
            }
            4 => {
                let length = self.below(octets.len() - at + 1).min(256);
                let most = if self.below(10) == 0 { 300 } else { 4 };
                let times = 1 + self.below(most);
                let part = octets
                    .get(at..at + length)
                    .unwrap_or_default()
                    .repeat(times);
                octets.splice(at..at, part.into_iter().take(LONGEST));
            }
            5 => {
                let other = self.one_of(seeds).cloned().unwrap_or_default();
                let from = self.below(other.len() + 1);
                octets.truncate(at);
                octets.extend(other.into_iter().skip(from));
            }
            _ => {
                let word = self.one_of(WORDS).copied().unwrap_or_default();
                octets.splice(at..at, word.iter().copied());
            }
        }
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len().max(1)))
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.draw() >> 16) % limit).unwrap_or_default()
    }

    /// xorshift64*.
    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
