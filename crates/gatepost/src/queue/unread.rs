//! What a reader has made ready and nobody has taken yet.

use tokio::io::ReadBuf;

/// Octets to be handed out from front to end.
#[derive(Default)]
pub(crate) struct Unread {
    octets: Vec<u8>,
    at: usize,
}

impl Unread {
    /// Hands out as much as fits; `false` if there is nothing left to hand out.
    pub(crate) fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let left = self.octets.get(self.at..).unwrap_or_default();
        let (now, _) = left.split_at(left.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.at += now.len();
        !left.is_empty()
    }
}

impl From<Vec<u8>> for Unread {
    fn from(octets: Vec<u8>) -> Self {
        Self { octets, at: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_octets_come_once_and_in_order() {
        let mut unread = Unread::from(b"abcde".to_vec());
        let mut read = Vec::new();
        let mut room = [0; 2];
        for _ in 0..3 {
            let mut buffer = ReadBuf::new(&mut room);
            assert!(unread.hand_out(&mut buffer));
            read.extend_from_slice(buffer.filled());
        }
        assert_eq!(read, b"abcde");
        assert!(!unread.hand_out(&mut ReadBuf::new(&mut room)));
    }

    // Else a reader would take a full buffer for the end.
    #[test]
    fn without_room_there_is_something_left() {
        let mut unread = Unread::from(b"a".to_vec());
        assert!(unread.hand_out(&mut ReadBuf::new(&mut [])));
        assert!(unread.hand_out(&mut ReadBuf::new(&mut [0])));
        assert!(!unread.hand_out(&mut ReadBuf::new(&mut [0])));
    }
}
