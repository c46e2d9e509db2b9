//! The one form of a password in which it is hashed: the profile OpaqueString of RFC 8265, section 4.2.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Composed (NFC), with a plain space for every other one: keyboards and systems write the same letters differently.
pub(super) fn form(password: &str) -> Cow<'_, str> {
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    let spaced: String = password.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
    Cow::Owned(ComposingNormalizerBorrowed::new_nfc().normalize(&spaced).into_owned())
}

/// The space separators of Unicode (category Zs).
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}
