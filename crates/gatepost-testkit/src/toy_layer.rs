//! A security layer that notices every slip: a buffer opened twice, out of order, by the wrong side, or from the wrong octet.
//!
//! A buffer is two octets of length, two of sequence number, the octets mixed with the key, and their checksum. No secret is
//! kept by it; it proves that sessions switch a layer on and off at the right octet before a real one does.

use gatepost_sasl::{LayerFault, SecurityLayer};

/// Most octets in one buffer: small, so that replies take several.
const MAX_PLAIN: usize = 100;
const HEAD: usize = 4;
const CHECKSUM: usize = 1;

/// One side's layer.
#[derive(Clone, Debug)]
pub struct ToyLayer {
    key: Vec<u8>,
    /// Mixed into what is sent.
    ours: u8,
    /// Mixed into what is received.
    theirs: u8,
    sent: u16,
    received: u16,
}

impl ToyLayer {
    /// The server's layer; both sides know `key`.
    pub fn server(key: &[u8]) -> Self {
        Self::new(key, b'S', b'C')
    }

    /// The client's layer.
    pub fn client(key: &[u8]) -> Self {
        Self::new(key, b'C', b'S')
    }

    fn new(key: &[u8], ours: u8, theirs: u8) -> Self {
        Self {
            key: key.to_vec(),
            ours,
            theirs,
            sent: 0,
            received: 0,
        }
    }

    /// As a session wants it.
    pub fn boxed(self) -> Box<dyn SecurityLayer> {
        Box::new(self)
    }

    fn mixed(&self, octets: &[u8], side: u8) -> Vec<u8> {
        let key = self.key.iter().copied().chain([side]).cycle();
        octets
            .iter()
            .zip(key)
            .map(|(octet, key)| octet ^ key ^ 0xa5)
            .collect()
    }
}

impl SecurityLayer for ToyLayer {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
        for piece in plain.chunks(MAX_PLAIN) {
            let length = u16::try_from(piece.len()).map_err(|_| LayerFault::TooLong)?;
            wire.extend(length.to_be_bytes());
            wire.extend(self.sent.to_be_bytes());
            wire.extend(self.mixed(piece, self.ours));
            wire.push(checksum(piece));
            self.sent = self.sent.checked_add(1).ok_or(LayerFault::Exhausted)?;
        }
        Ok(())
    }

    fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault> {
        let [l1, l2, s1, s2, rest @ ..] = wire else {
            return Ok(0);
        };
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        if length > MAX_PLAIN {
            return Err(LayerFault::TooLong);
        }
        if u16::from_be_bytes([*s1, *s2]) != self.received {
            return Err(LayerFault::Corrupt);
        }
        let (Some(sealed), Some(sum)) = (rest.get(..length), rest.get(length)) else {
            return Ok(0);
        };
        let opened = self.mixed(sealed, self.theirs);
        if checksum(&opened) != *sum {
            return Err(LayerFault::Corrupt);
        }
        plain.extend(opened);
        self.received = self.received.checked_add(1).ok_or(LayerFault::Exhausted)?;
        Ok(HEAD + length + CHECKSUM)
    }

    fn describe(&self) -> &'static str {
        "toy"
    }
}

fn checksum(octets: &[u8]) -> u8 {
    octets
        .iter()
        .fold(0x3c, |sum: u8, octet| sum.rotate_left(1) ^ octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        ToyLayer::client(b"key").seal(plain, &mut wire).unwrap();
        wire
    }

    #[test]
    fn what_one_side_seals_the_other_opens_and_nobody_else() {
        let text = "x".repeat(250);
        let wire = sealed(text.as_bytes());
        let mut server = ToyLayer::server(b"key");
        let (mut plain, mut used) = (Vec::new(), 0);
        while used < wire.len() {
            used += server.open(&wire[used..], &mut plain).unwrap();
        }
        assert_eq!(plain, text.as_bytes());

        let mut nobody = Vec::new();
        assert_eq!(
            ToyLayer::client(b"key").open(&wire, &mut nobody),
            Err(LayerFault::Corrupt)
        );
        assert_eq!(
            server.open(&wire, &mut nobody),
            Err(LayerFault::Corrupt),
            "a second time"
        );
        assert!(ToyLayer::server(b"kez").open(&wire, &mut nobody).is_err());
        assert!(
            ToyLayer::server(b"key")
                .open(b"EHLO x\r\n", &mut nobody)
                .is_err()
        );
    }

    #[test]
    fn a_buffer_is_opened_when_it_is_complete() {
        let wire = sealed(b"NOOP\r\n");
        for cut in 0..wire.len() {
            let mut plain = Vec::new();
            assert_eq!(
                ToyLayer::server(b"key").open(&wire[..cut], &mut plain),
                Ok(0)
            );
            assert!(plain.is_empty());
        }
    }
}
