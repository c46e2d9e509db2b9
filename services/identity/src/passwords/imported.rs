//! Hashes of other systems. They are imported as they are, and replaced at the next login.
//!
//! Supported are Argon2 (PHC strings), bcrypt (`$2a$`, `$2b$`, `$2y$`) and PBKDF2 with SHA-256 or SHA-512, as a PHC string
//! (`$pbkdf2-sha256$i=600000$salt$hash`) or as Django writes it (`pbkdf2_sha256$600000$salt$hash`). A hash that costs
//! much more than ours is rejected, because its logins would keep the service busy.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

/// The width of the column.
const MAX_HASH_BYTES: usize = 255;
/// Memory times passes of an Argon2 hash: some seconds.
const MAX_MEMORY_KIB_PASSES: u64 = 1024 * 1024;
/// Of an Argon2 hash.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// Of an Argon2 hash.
const MAX_LANES: u32 = 16;
/// As a power of two: about a second.
const MAX_BCRYPT_COST: u32 = 14;
/// About a second.
const MAX_PBKDF2_ITERATIONS: u32 = 2_000_000;
/// Size of a PBKDF2 hash.
const PBKDF2_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

enum ParsedHash {
    Argon2(Box<PasswordHash>),
    Bcrypt,
    Pbkdf2(Pbkdf2),
}

struct Pbkdf2 {
    is_sha512: bool,
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

/// Checks whether a hash can be imported.
///
/// # Errors
/// The reason, which does not quote the hash.
pub fn check(text: &str) -> Result<(), String> {
    if text.len() > MAX_HASH_BYTES {
        return Err(format!("must have at most {MAX_HASH_BYTES} bytes"));
    }
    parse(text).map(drop)
}

/// Whether a hash is of this password. `None` if the hash is not supported.
pub(super) fn matches(password: &[u8], text: &str) -> Option<bool> {
    Some(match parse(text).ok()? {
        ParsedHash::Argon2(hash) => Argon2::default().verify_password(password, &*hash).is_ok(),
        ParsedHash::Bcrypt => bcrypt::verify(password, text).unwrap_or(false),
        ParsedHash::Pbkdf2(known) => known.matches(password),
    })
}

fn parse(text: &str) -> Result<ParsedHash, String> {
    if text.starts_with("$argon2") {
        return parse_argon2(text);
    }
    if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
        return parse_bcrypt(text);
    }
    let (is_sha512, rest) = [
        ("$pbkdf2-sha256$", false),
        ("$pbkdf2-sha512$", true),
        ("pbkdf2_sha256$", false),
        ("pbkdf2_sha512$", true),
    ]
    .iter()
    .find_map(|(prefix, is_sha512)| Some((*is_sha512, text.strip_prefix(prefix)?)))
    .ok_or("is no hash of Argon2, bcrypt or PBKDF2 with SHA-2")?;
    parse_pbkdf2(is_sha512, text.starts_with('$'), rest)
}

fn parse_argon2(text: &str) -> Result<ParsedHash, String> {
    let malformed = "is no PHC string of Argon2";
    let hash = PasswordHash::new(text).map_err(|_| malformed)?;
    let known = Algorithm::try_from(hash.algorithm.as_str()).is_ok()
        && hash.version.is_none_or(|version| Version::try_from(version).is_ok())
        && hash.hash.is_some();
    let params = Params::try_from(&hash).ok().filter(|_| known).ok_or(malformed)?;
    let cost = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MAX_MEMORY_KIB || cost > MAX_MEMORY_KIB_PASSES || params.p_cost() > MAX_LANES {
        return Err("is too expensive: at most 256 MiB, and 1 GiB times passes".to_owned());
    }
    Ok(ParsedHash::Argon2(Box::new(hash)))
}

fn parse_bcrypt(text: &str) -> Result<ParsedHash, String> {
    let cost = text.parse::<bcrypt::HashParts>().map_err(|_| "is no hash of bcrypt")?.get_cost();
    if !(4..=MAX_BCRYPT_COST).contains(&cost) {
        return Err(format!("has a bcrypt cost that is not 4 to {MAX_BCRYPT_COST}"));
    }
    Ok(ParsedHash::Bcrypt)
}

/// After the algorithm: `i=600000,l=32$salt$hash` or `600000$salt$hash`.
fn parse_pbkdf2(is_sha512: bool, is_phc: bool, rest: &str) -> Result<ParsedHash, String> {
    let malformed = || "is no hash of PBKDF2".to_owned();
    let [cost, salt, hash] = *rest.split('$').collect::<Vec<_>>() else { return Err(malformed()) };
    let iterations = match is_phc {
        true => cost.split(',').find_map(|pair| pair.strip_prefix("i=")).ok_or_else(malformed)?,
        false => cost,
    };
    let iterations: u32 = iterations.parse().map_err(|_| malformed())?;
    if !(1..=MAX_PBKDF2_ITERATIONS).contains(&iterations) {
        return Err(format!("has PBKDF2 iterations that are not 1 to {MAX_PBKDF2_ITERATIONS}"));
    }
    let decode =
        |text: &str| STANDARD_NO_PAD.decode(text).or_else(|_| STANDARD.decode(text)).map_err(|_| malformed());
    // Django's salt is text.
    let salt = if is_phc { decode(salt)? } else { salt.as_bytes().to_vec() };
    let hash = decode(hash)?;
    if salt.is_empty() || !PBKDF2_BYTES.contains(&hash.len()) {
        return Err(malformed());
    }
    Ok(ParsedHash::Pbkdf2(Pbkdf2 { is_sha512, iterations, salt, hash }))
}

impl Pbkdf2 {
    fn matches(&self, password: &[u8]) -> bool {
        let mut made = vec![0; self.hash.len()];
        if self.is_sha512 {
            pbkdf2_hmac::<Sha512>(password, &self.salt, self.iterations, &mut made);
        } else {
            pbkdf2_hmac::<Sha256>(password, &self.salt, self.iterations, &mut made);
        }
        made.ct_eq(&self.hash).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `correct horse`, computed by Python's hashlib, bcrypt and argon2-cffi.
    const HASHES: [&str; 5] = [
        "$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$TSWXQupParD7p4pi1ivxCVZCrQyRPRrHhlEd8pbeRw8",
        "$2b$05$ae.WnEOQDF1Sr9IG/ASda.hv.2a2Pgv2.bij8JWSSC/rtdzRScRE6",
        "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$BBs+1+PaslLtBPULUr8/lQicvVuHiEPMz0i8MjLCbzM",
        "pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso=",
        "pbkdf2_sha512$1000$seasalt$CBx2rkpvjyEAoopNVuRZWOOxTTRwoV6JjrHARZAmWoRGf7Bll/+N6ttV/4gWvtd16NJ94OpVpZHm44IdMrFULg==",
    ];

    #[test]
    fn hashes_of_other_systems_match_only_their_password() {
        for hash in HASHES {
            check(hash).unwrap();
            assert_eq!(matches(b"correct horse", hash), Some(true), "{hash}");
            assert_eq!(matches(b"Correct horse", hash), Some(false), "{hash}");
        }
    }

    #[test]
    fn malformed_and_too_expensive_hashes_are_rejected_and_not_quoted() {
        let salted = "$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for hash in [
            "",
            "!",
            "hunter2",
            "$argon2id$",
            "$2b$12$short",
            "$pbkdf2-sha256$",
            "pbkdf2_sha1$1000$salt$AAAAAAAAAAAAAAAAAAAAAA==",
            "pbkdf2_sha256$x$salt$AAAAAAAAAAAAAAAAAAAAAA==",
            "pbkdf2_sha256$1000$salt$AAAA",
            "pbkdf2_sha256$2000001$salt$AAAAAAAAAAAAAAAAAAAAAA==",
            "$2b$15$AAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            &format!("$argon2id$v=19$m=524288,t=1,p=1{salted}"),
            &format!("$argon2id$v=19$m=262144,t=5,p=1{salted}"),
            &format!("$argon2id$v=19$m=65536,t=1,p=17{salted}"),
            &format!("$pbkdf2-sha256$i=4000000{salted}"),
            &"x".repeat(256),
        ] {
            let refusal = check(hash).unwrap_err();
            assert!(hash.len() < 5 || !refusal.contains(hash), "{refusal}");
        }
        check(&format!("$argon2id$v=19$m=262144,t=4,p=4{salted}")).unwrap();
    }
}
