//! Events are numbered from 1 without a gap; what is held back takes no number.

use crate::{script::any_script, world};
use proptest::prelude::*;

proptest! {
    #[test]
    fn seq_is_gap_free(script in any_script()) {
        for (expected, event) in (1..).zip(world::run(&script).events()) {
            prop_assert_eq!(event.seq, expected);
        }
    }
}
