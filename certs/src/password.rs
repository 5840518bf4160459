//! Passwords: the Argon2id hash that one is checked with, and which were right a while ago.

use std::{collections::HashMap, fmt, str::FromStr};

use argon2::{
    Algorithm, Argon2, Block, Error, Params, PasswordHash, PasswordHasher, Version,
    password_hash::phc::Output,
};
use parking_lot::Mutex;
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// The most memory that a check may take, in KiB.
const MAX_MEMORY: u32 = 256 << 10;
/// The most passes over it.
const MAX_PASSES: u32 = 32;
/// The most lanes in it.
const MAX_LANES: u32 = 16;

/// Room for so many blocks of a KiB is asked for at least, used or not: 33 MiB. An allocator such
/// as glibc's gives what is smaller out of heaps that it has for each thread, and keeps it there
/// afterwards: some 60 MB for each thread that has checked a password. What is larger goes back to
/// the system.
const LEAST_ROOM: usize = 33 << 10;

/// What a password is checked with: its Argon2id hash, with its salt and parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Password(PasswordHash);

impl Password {
    /// Hashes a password with a salt of its own.
    pub(crate) fn hash(password: &[u8]) -> Result<Password, &'static str> {
        if password.is_empty() {
            return Err("the password is empty");
        }
        let mut salt = [0; 16];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| "this system gives no random numbers")?;
        let hash = Argon2::default().hash_password_with_salt(password, &salt);
        hash.map(Password)
            .map_err(|_| "the password cannot be hashed: there is too little memory")
    }

    /// Whether this is the password. It takes time and memory on purpose.
    pub(crate) fn is(&self, password: &[u8]) -> bool {
        let PasswordHash { salt, hash, .. } = &self.0;
        let params = Params::try_from(&self.0).ok();
        let (Some(salt), Some(hash), Some(params)) = (salt, hash, params) else {
            return false;
        };
        let mut bytes = [0; Output::MAX_LENGTH];
        let bytes = &mut bytes[..hash.len()];
        // The two are compared in a time that says nothing about them.
        compute(params, password, salt, bytes).is_ok()
            && Output::new(bytes).is_ok_and(|computed| computed == *hash)
    }
}

/// Fills `hash` with the Argon2id hash of `password`, in memory that goes back to the system.
fn compute(params: Params, password: &[u8], salt: &[u8], hash: &mut [u8]) -> Result<(), Error> {
    let blocks = params.block_count();
    let mut memory = Vec::new();
    let reserved = memory.try_reserve_exact(blocks.max(LEAST_ROOM));
    reserved.map_err(|_| Error::OutOfMemory)?;
    memory.resize(blocks, Block::new());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password, salt, hash, memory)
}

impl FromStr for Password {
    type Err = String;

    fn from_str(text: &str) -> Result<Password, String> {
        let example = "it is written as `perennial users add` does: \
                       \"$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH\"";
        let hash = PasswordHash::new(text)
            .map_err(|_| format!("this is no hash of a password; {example}"))?;
        let is_ours = hash.algorithm.as_str() == "argon2id" && hash.version == Some(19);
        let params = Params::try_from(&hash).ok().filter(|_| is_ours);
        let params = params.ok_or_else(|| format!("this is no Argon2id hash; {example}"))?;
        let is_whole = |length: Option<usize>| length.is_some_and(|length| length >= 16);
        if hash.salt.is_none_or(|salt| salt.as_ref().len() < 8)
            || !is_whole(hash.hash.map(|output| output.len()))
        {
            return Err(format!(
                "the salt or the hash is missing or short; {example}"
            ));
        }
        if params.m_cost() > MAX_MEMORY
            || params.t_cost() > MAX_PASSES
            || params.p_cost() > MAX_LANES
        {
            return Err(format!(
                "a check would cost too much: at most m={MAX_MEMORY} (256 MiB), \
                 t={MAX_PASSES} and p={MAX_LANES} are taken"
            ));
        }
        Ok(Password(hash))
    }
}

impl fmt::Display for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which passwords were right, so that a thousand clients that come back together do not cost a
/// thousand checks.
///
/// It holds one entry for each user at most: an HMAC over the name, the hash and the password that
/// was right, by a key that is in no other place than this memory. Wrong passwords leave nothing.
pub(crate) struct Verified {
    key: hmac::Key,
    tags: Mutex<HashMap<String, hmac::Tag>>,
}

impl Verified {
    /// Nothing yet.
    pub(crate) fn new() -> Result<Verified, &'static str> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Verified {
            key: key.map_err(|_| "this system gives no random numbers")?,
            tags: Mutex::default(),
        })
    }

    /// Whether this was found to be the password of the user called `name`, who is checked with
    /// `password`. It takes no time.
    pub(crate) fn knows(&self, name: &str, password: &Password, shown: &[u8]) -> bool {
        let known = self.tags.lock().get(name).copied();
        known.is_some_and(|tag| {
            let said = said(name, password, shown);
            hmac::verify(&self.key, &said, tag.as_ref()).is_ok()
        })
    }

    /// Whether this is the password of the user called `name`, who is checked with `password`.
    pub(crate) fn check(&self, name: &str, password: &Password, shown: &[u8]) -> bool {
        if self.knows(name, password, shown) {
            return true;
        }
        let is_right = password.is(shown);
        if is_right {
            let tag = hmac::sign(&self.key, &said(name, password, shown));
            self.tags.lock().insert(name.to_owned(), tag);
        }
        is_right
    }
}

/// What the HMAC is over; neither a name nor a hash holds a zero.
fn said(name: &str, password: &Password, shown: &[u8]) -> Vec<u8> {
    let password = password.to_string();
    [name.as_bytes(), password.as_bytes(), shown].join(&0)
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verified").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_with_a_salt_of_its_own_and_known_again() {
        let (one, other) = (Password::hash(b"x").unwrap(), Password::hash(b"x").unwrap());
        assert_ne!(one, other);
        assert!(
            one.to_string()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        let read: Password = one.to_string().parse().unwrap();
        assert!(read.is(b"x") && !read.is(b"y") && !read.is(b""));
        assert!(Password::hash(b"").is_err());
    }

    #[test]
    fn a_hash_of_another_program_is_taken() {
        // Of the reference implementation, by argon2-cffi.
        let hash = "$argon2id$v=19$m=64,t=3,p=2$b3RoZXJzYWx0OTk$9g7KX1ieDprHWhTSuzXGNvyzHmITAWLBtWjI1qU1Qvo";
        let read: Password = hash.parse().unwrap();
        assert!(read.is(b"open sesame") && !read.is(b"open sesam"));
    }

    #[test]
    fn what_costs_too_much_or_is_no_argon2id_is_refused() {
        let refused = |text: &str| text.parse::<Password>().unwrap_err();
        let hash = |start: &str, params: &str, salt: &str, hash: &str| {
            format!("${start}${params}${salt}${hash}")
        };
        let (id, salt, digest) = ("argon2id$v=19", "c29tZXNhbHQ", "A".repeat(43));
        let of = |params: &str| hash(id, params, salt, &digest);
        assert!(of("m=262144,t=32,p=16").parse::<Password>().is_ok());
        for params in ["m=262145,t=2,p=1", "m=19456,t=33,p=1", "m=19456,t=2,p=17"] {
            assert!(
                refused(&of(params)).starts_with("a check would cost too much"),
                "{params}"
            );
        }
        let params = "m=16,t=1,p=1";
        for start in [
            "argon2i$v=19",
            "argon2d$v=19",
            "argon2id$v=16",
            "argon2id",
            "scrypt",
        ] {
            let error = refused(&hash(start, params, salt, &digest));
            assert!(
                error.starts_with("this is no Argon2id hash"),
                "{start}: {error}"
            );
        }
        let short = refused(&hash(id, params, salt, &"A".repeat(20)));
        assert!(
            short.starts_with("the salt or the hash is missing or short"),
            "{short}"
        );
        for wrong in ["", "sesame", "$2b$12$x", "$argon2id$v=19$m=x$s"] {
            assert!(refused(wrong).starts_with("this is no"), "{wrong}");
        }
    }

    #[test]
    fn a_right_password_is_remembered_for_its_user_and_hash_only() {
        let cheap = |password: &[u8]| {
            let params = Params::new(16, 1, 1, None).unwrap();
            let argon2 = Argon2::from(params);
            Password(
                argon2
                    .hash_password_with_salt(password, b"saltsalt")
                    .unwrap(),
            )
        };
        let (password, other) = (cheap(b"right"), cheap(b"other"));
        let verified = Verified::new().unwrap();
        assert!(!verified.check("li", &password, b"wrong"));
        assert!(
            verified.tags.lock().is_empty(),
            "a wrong password leaves nothing"
        );
        assert!(!verified.knows("li", &password, b"right"));
        assert!(verified.check("li", &password, b"right"));
        assert!(verified.knows("li", &password, b"right"));
        assert!(!verified.knows("li", &password, b"wrong"));
        assert_eq!(verified.tags.lock().len(), 1);
        assert!(!verified.check("li", &password, b"wrong"));
        assert!(!verified.check("li", &other, b"right"));
        assert!(!verified.check("ann", &other, b"right"));
        // What is remembered stands in for the check.
        let tag = hmac::sign(&verified.key, &said("ann", &password, b"unchecked"));
        verified.tags.lock().insert("ann".to_owned(), tag);
        assert!(verified.check("ann", &password, b"unchecked"));
    }
}
