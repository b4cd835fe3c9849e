//! The security layer of DIGEST-MD5: frames with a sequence number, a MAC, and, with auth-conf, encryption.
//!
//! ```text
//!   auth-int    length(4)  message                    MAC(10)   0x0001  sequence(4)
//!   auth-conf   length(4)  sealed{ message  padding   MAC(10) } 0x0001  sequence(4)
//! ```
//!
//! What the peer sends must fit our `maxbuf`, count up from 0 and verify; anything else is a fault for good (bis-12 §2.3;
//! RFC 2831 says to drop the frame, but a stream with a hole in it is no SMTP). What we send is cut to the peer's `maxbuf`.
//!
//! Standards: RFC 2831 §2.3, §2.4; RFC 4422 §3.7.

use subtle::ConstantTimeEq;

use super::MAXBUF;
use super::cipher::{BLOCK, CipherState};
use super::keys::{SessionKey, Side};
use super::protection::Protection;
use crate::hmac_md5::HmacMd5Contexts;
use crate::layer::{LayerFault, SecurityLayer};

/// Octets of the MAC that are sent.
const MAC: usize = 10;

/// The message type: always 1 (RFC 2831 §2.3).
const MESSAGE_TYPE: [u8; 2] = [0, 1];

/// Octets behind the MAC, which are not encrypted: message type and sequence number.
const TRAILER: usize = 6;

/// The layer of one side of one connection.
pub(super) struct DigestLayer {
    protection: Protection,
    sending: Direction,
    receiving: Direction,
    /// Most octets to protect in one frame, at least 1.
    most_plain: usize,
}

struct Direction {
    signing: HmacMd5Contexts,
    cipher: Option<CipherState>,
    /// Of the next frame; `None` when they are used up.
    sequence: Option<u32>,
}

/// The layer that `us` puts on, or none where none was agreed. `peer_maxbuf` is the largest buffer the peer takes.
pub(super) fn agreed(
    key: &SessionKey,
    protection: Protection,
    us: Side,
    peer_maxbuf: u32,
) -> Option<Box<dyn SecurityLayer>> {
    if protection == Protection::None {
        return None;
    }
    let peer = match us {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    };
    let most_plain = (peer_maxbuf as usize).saturating_sub(protection.overhead());
    Some(Box::new(DigestLayer {
        protection,
        sending: Direction::new(key, us, protection),
        receiving: Direction::new(key, peer, protection),
        most_plain: most_plain.max(1),
    }))
}

impl SecurityLayer for DigestLayer {
    fn seal(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
        for part in plain.chunks(self.most_plain) {
            self.sending.seal(part, wire)?;
        }
        Ok(())
    }

    fn open(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<usize, LayerFault> {
        let Some((length, rest)) = wire.split_first_chunk::<4>() else {
            return Ok(0);
        };
        let length = u32::from_be_bytes(*length);
        if length > MAXBUF {
            return Err(LayerFault::TooLong);
        }
        let Some(frame) = rest.get(..length as usize) else {
            return Ok(0);
        };
        self.receiving.open(frame, plain)?;
        Ok(4 + frame.len())
    }

    fn describe(&self) -> &str {
        self.protection.describe()
    }
}

impl Direction {
    fn new(key: &SessionKey, sender: Side, protection: Protection) -> Self {
        let cipher = protection.cipher();
        Self {
            signing: HmacMd5Contexts::of_key(key.signing(sender).as_slice()),
            cipher: cipher.map(|cipher| CipherState::new(cipher, &key.sealing(sender, cipher))),
            sequence: Some(0),
        }
    }

    fn next_sequence(&mut self) -> Result<[u8; 4], LayerFault> {
        let sequence = self.sequence.ok_or(LayerFault::Exhausted)?;
        self.sequence = sequence.checked_add(1);
        Ok(sequence.to_be_bytes())
    }

    fn seal(&mut self, message: &[u8], wire: &mut Vec<u8>) -> Result<(), LayerFault> {
        let sequence = self.next_sequence()?;
        let mac = self.mac(sequence, message);
        let mut body = message.to_vec();
        if let Some(CipherState::Chained(..)) = self.cipher {
            let padding = BLOCK - (message.len() + MAC) % BLOCK;
            body.resize(message.len() + padding, u8::try_from(padding).unwrap_or(0));
        }
        body.extend_from_slice(&mac);
        if let Some(cipher) = &mut self.cipher {
            cipher.encrypt(&mut body);
        }
        let length = u32::try_from(body.len() + TRAILER).map_err(|_| LayerFault::TooLong)?;
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(&body);
        wire.extend_from_slice(&MESSAGE_TYPE);
        wire.extend_from_slice(&sequence);
        Ok(())
    }

    fn open(&mut self, frame: &[u8], plain: &mut Vec<u8>) -> Result<(), LayerFault> {
        let expected = self.next_sequence()?;
        let (body, trailer) = frame
            .split_last_chunk::<TRAILER>()
            .ok_or(LayerFault::Corrupt)?;
        let [type_0, type_1, sequence @ ..] = *trailer;
        if [type_0, type_1] != MESSAGE_TYPE || sequence != expected {
            return Err(LayerFault::Corrupt);
        }
        let mut body = body.to_vec();
        let chained = matches!(self.cipher, Some(CipherState::Chained(..)));
        if let Some(cipher) = &mut self.cipher {
            if chained && body.len() % BLOCK != 0 {
                return Err(LayerFault::Corrupt);
            }
            cipher.decrypt(&mut body);
        }
        let (padded, mac) = body.split_last_chunk::<MAC>().ok_or(LayerFault::Corrupt)?;
        let message = if chained { unpadded(padded)? } else { padded };
        if self.mac(sequence, message).ct_eq(mac).into() {
            plain.extend_from_slice(message);
            Ok(())
        } else {
            Err(LayerFault::Corrupt)
        }
    }

    /// HMAC over sequence number and message, as much of it as is sent.
    fn mac(&self, sequence: [u8; 4], message: &[u8]) -> [u8; MAC] {
        let [mac @ .., _, _, _, _, _, _] = self.signing.mac(&[&sequence, message].concat());
        mac
    }
}

/// Takes off one to eight octets, each of which says how many they are.
fn unpadded(padded: &[u8]) -> Result<&[u8], LayerFault> {
    let count = padded.last().copied().unwrap_or_default();
    let at = padded.len().checked_sub(count.into());
    match at.and_then(|at| padded.split_at_checked(at)) {
        Some((message, padding))
            if (1..=BLOCK).contains(&padding.len())
                && padding.iter().all(|octet| *octet == count) =>
        {
            Ok(message)
        }
        _ => Err(LayerFault::Corrupt),
    }
}
