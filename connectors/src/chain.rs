//! An error and its causes.

use std::{error::Error, io, iter::successors};

/// An error and its causes in one line, since only the innermost says which host or file.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The first of an error and its causes that is of type `T`.
pub(crate) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    successors(Some(error), |error| next(*error)).find_map(|error| error.downcast_ref())
}

/// What an `io::Error` was made of speaks for it and is not its source.
fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, Eq, PartialEq, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[test]
    fn every_cause_is_named_once() {
        let error = Outer(io::Error::other(Inner));
        assert_eq!(chain(&error), "outer: inner");
    }

    #[test]
    fn a_cause_is_found_also_in_an_io_error() {
        let error = Outer(io::Error::other(Inner));
        assert_eq!(find(&error), Some(&Inner));
        assert!(find::<std::fmt::Error>(&error).is_none());
    }
}
