//! The encryption keys: from the environment or a file, never from the database.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use clap::Args;
use shared::config::Secret;

const KEY_BYTES: usize = 32;
const MAX_ID_CHARS: usize = 16;

/// The source of the keys.
#[derive(Args, Clone, Debug, Default)]
#[group(required = true, multiple = false)]
pub struct KeyRingOptions {
    /// Keys that personal data is encrypted under: `id:key` with commas between, each key 32 bytes in base64, each
    /// id at most 16 letters and digits. The first encrypts, all decrypt. No default
    #[arg(long, env = "DAFNCK_ENCRYPTION_KEYS", hide_env_values = true)]
    pub encryption_keys: Option<Secret>,
    /// File with the same, one `id:key` per line. Default: not set
    #[arg(long, env = "DAFNCK_ENCRYPTION_KEYS_FILE")]
    pub encryption_keys_file: Option<PathBuf>,
}

impl KeyRingOptions {
    /// Reads the keys.
    ///
    /// # Errors
    /// When there are none, or one is malformed; never with the text of one.
    pub fn load(&self) -> anyhow::Result<KeyRing> {
        match (&self.encryption_keys, &self.encryption_keys_file) {
            (Some(keys), None) => KeyRing::parse(keys.expose()),
            (None, Some(file)) => {
                let name = file.display();
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
                KeyRing::parse(&text).with_context(|| format!("the keys in {name}"))
            }
            _ => bail!("give either --encryption-keys or --encryption-keys-file"),
        }
    }
}

/// Keys by id. The first given is the current one.
#[derive(Clone)]
pub struct KeyRing {
    current: String,
    ciphers: BTreeMap<String, XChaCha20Poly1305>,
}

impl KeyRing {
    /// Reads `id:key` pairs with commas or line ends between them.
    ///
    /// # Errors
    /// When there is none, or one is malformed; never with the text of one.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let pairs = text.split([',', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
        let (mut current, mut ciphers) = (None, BTreeMap::new());
        for (number, pair) in pairs.enumerate() {
            let (id, cipher) = parse_key(pair).with_context(|| format!("encryption key {}", number + 1))?;
            current.get_or_insert_with(|| id.clone());
            ensure!(ciphers.insert(id.clone(), cipher).is_none(), "there are two encryption keys `{id}`");
        }
        Ok(Self { current: current.context("there is no encryption key")?, ciphers })
    }

    /// The key that encrypts, and its id.
    pub(super) fn current(&self) -> (&str, &XChaCha20Poly1305) {
        #[allow(
            clippy::expect_used,
            reason = "only `parse` makes a ring, and it keeps the current key in it"
        )]
        (&self.current, self.ciphers.get(&self.current).expect("the current key is in the ring"))
    }

    pub(super) fn get(&self, id: &str) -> Option<&XChaCha20Poly1305> {
        self.ciphers.get(id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.ciphers.keys()).finish()
    }
}

fn parse_key(pair: &str) -> anyhow::Result<(String, XChaCha20Poly1305)> {
    let (id, key) = pair.split_once(':').context("is not of the form `id:key`")?;
    let named = (1..=MAX_ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    ensure!(named, "its id must have 1 to {MAX_ID_CHARS} letters and digits");
    let key = key.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(key).or_else(|_| STANDARD_NO_PAD.decode(key)).ok();
    let key: Option<[u8; KEY_BYTES]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let key = key.with_context(|| format!("its key must be {KEY_BYTES} bytes in base64"))?;
    Ok((id.to_owned(), XChaCha20Poly1305::new(&key.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_keys_are_rejected_and_not_quoted() {
        let good = URL_SAFE_NO_PAD.encode([7; KEY_BYTES]);
        let long_id = "x".repeat(MAX_ID_CHARS + 1);
        for text in [
            String::new(),
            good.clone(),
            format!(":{good}"),
            format!("{long_id}:{good}"),
            format!("a-b:{good}"),
            format!("a:{good}A"),
            "a:hunter2".to_owned(),
            format!("a:{good},a:{good}"),
        ] {
            let refusal = format!("{:#}", KeyRing::parse(&text).unwrap_err());
            assert!(!refusal.contains(&good) && !refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn keys_are_separated_by_lines_or_commas_in_either_base64() {
        let (url, standard) = (URL_SAFE_NO_PAD.encode([255; 32]), STANDARD_NO_PAD.encode([255; 32]));
        for text in [format!("a:{url},b:{standard}="), format!("a:{standard}\nb:{url}\n")] {
            assert_eq!(format!("{:?}", KeyRing::parse(&text).unwrap()), r#"{"a", "b"}"#);
        }
    }
}
