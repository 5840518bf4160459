//! Files that a person names on the command line.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::Failure;

/// The most that a certificate or a policy has.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a text.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let read = || {
        let mut text = String::new();
        let file = File::open(path)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        match text.len() as u64 > MAX_BYTES {
            true => Err(io::Error::other("it is larger than 1 MiB")),
            false => Ok(text),
        }
    };
    read().map_err(|source| Failure::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// `path` as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:+@".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_path_as_it_is() {
        for (path, expected) in [
            ("a-1/ca.pem", "a-1/ca.pem"),
            ("my files/ca.pem", "'my files/ca.pem'"),
            ("it's", "'it'\\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_file_that_is_no_text_of_ours_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pem");
        let told = |path: &Path| read(path).unwrap_err().in_words();
        let begin = format!("perennial: cannot read {}: ", path.display());
        assert!(told(&path).starts_with(&format!("{begin}No such file")));
        std::fs::write(&path, vec![b'a'; 2 << 20]).unwrap();
        assert_eq!(told(&path), format!("{begin}it is larger than 1 MiB"));
        std::fs::write(&path, "a text").unwrap();
        assert_eq!(read(&path).unwrap(), "a text");
    }
}
