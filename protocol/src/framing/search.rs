//! Finding the end of a line: the one loop that sees every byte of a stream.

/// The position of the first byte that `is_meant`, which should be a comparison or two.
///
/// Whole blocks are tested without a branch per byte, which the compiler turns into vector instructions: it halves
/// the cost of cutting a stream of small events.
pub(crate) fn find_byte(bytes: &[u8], is_meant: impl Fn(u8) -> bool) -> Option<usize> {
    const BLOCK: usize = 32;
    let skipped = bytes
        .chunks_exact(BLOCK)
        .take_while(|block| !block.iter().fold(false, |hit, &byte| hit | is_meant(byte)))
        .count()
        * BLOCK;
    let offset = bytes[skipped..].iter().position(|&byte| is_meant(byte))?;
    Some(skipped + offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_position_finds(bytes in prop::collection::vec(0_u8..60, 0..200), wanted in 0_u8..60) {
            prop_assert_eq!(find_byte(&bytes, |byte| byte == wanted), bytes.iter().position(|&byte| byte == wanted));
        }
    }
}
