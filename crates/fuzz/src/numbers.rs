//! Numbers that follow from one another, and the damage that they do.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.draw() as u8).collect()
    }

    /// A copy with one to four damages: bits, bytes, lengths, cuts, repetitions, pieces of another sample.
    pub fn damaged(&mut self, sample: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = sample.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(9) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => bytes.truncate(at),
                3 => {
                    let length = (self.draw() as u32).to_le_bytes();
                    bytes.splice(at..at, length);
                }
                4 => {
                    let piece = bytes[at..].to_vec();
                    bytes.extend(piece);
                }
                5 => {
                    let from = self.below(other.len());
                    bytes.splice(at.., other[from..].iter().copied());
                }
                6 => {
                    let end = at + self.below(8).min(bytes.len() - at);
                    bytes.drain(at..end);
                }
                7 => {
                    let length = 1 + self.below(8);
                    let fresh = self.bytes(length);
                    bytes.splice(at..at, fresh);
                }
                _ if bytes.len() >= at + 4 => bytes[at..at + 4].fill(0xff),
                _ => bytes.push(self.draw() as u8),
            }
        }
        bytes
    }
}
