//! A buffer that never takes more memory than its limit, for bytes whose sender is not trusted.

/// What a cleared buffer keeps for the next piece; one huge piece must not cost its memory for ever.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The bytes did not fit; nothing of them was taken.
#[derive(Debug)]
pub(crate) struct Full;

#[derive(Debug)]
pub(crate) struct BoundedBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

impl BoundedBuffer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    pub(crate) fn push(&mut self, more: &[u8]) -> Result<(), Full> {
        if more.len() > self.limit - self.bytes.len() {
            return Err(Full);
        }
        self.grow_for(more.len());
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// `Vec` would double past the limit.
    fn grow_for(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let doubled = self.bytes.capacity().saturating_mul(2).min(self.limit);
            self.bytes.reserve_exact(needed.max(doubled) - self.bytes.len());
        }
    }

    pub(crate) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn memory_stays_within_the_limit(limit in 0_usize..300, pieces in prop::collection::vec(0_usize..120, 0..20)) {
            let mut buffer = BoundedBuffer::new(limit);
            let mut held = 0;
            for piece in pieces {
                let fits = held + piece <= limit;
                prop_assert_eq!(buffer.push(&vec![b'x'; piece]).is_ok(), fits);
                held += if fits { piece } else { 0 };
                prop_assert_eq!(buffer.as_slice().len(), held);
                prop_assert!(buffer.bytes.capacity() <= limit.max(8));
            }
        }
    }

    #[test]
    fn a_huge_piece_does_not_keep_its_memory() {
        let mut buffer = BoundedBuffer::new(1 << 20);
        assert!(buffer.push(&vec![b'x'; 1 << 20]).is_ok());
        buffer.clear();
        assert_eq!((buffer.is_empty(), buffer.bytes.capacity()), (true, 0));
    }
}
