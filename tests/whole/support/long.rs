//! The long mode: the same tests, with more time for chance.

use std::env;

/// Whether `PERENNIAL_LONG=1` asks for it.
pub(crate) fn is_long() -> bool {
    env::var("PERENNIAL_LONG").is_ok_and(|value| value == "1")
}
