//! Words of users in a mail.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// Longer words are cut.
const MAX_CHARS: usize = 100;

/// What somebody else chose, as the name of a project, without what mail programs turn into a link and without invisible
/// characters: the recipient may not know them.
pub fn plain_words(text: &str) -> String {
    let is_of_links = |c: char| {
        matches!(
            c,
            '.' | ':' | '/' | '\\' | '@' | '<' | '>' | '[' | ']'
                // The full stops of Chinese and Japanese, and the wide forms of the signs.
                | '\u{3002}' | '\u{ff61}' | '\u{ff0e}' | '\u{ff1a}' | '\u{ff0f}' | '\u{ff3c}' | '\u{ff20}'
        )
    };
    let invisible = GeneralCategoryGroup::Control.union(GeneralCategoryGroup::Format);
    let categories = CodePointMapData::<GeneralCategory>::new();
    let shown = text.chars().filter(|c| !invisible.contains(categories.get(*c)));
    shown.map(|c| if is_of_links(c) { ' ' } else { c }).take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_a_mail_have_no_links_and_no_invisible_characters() {
        for (name, expected) in [
            ("Apollo 11", "Apollo 11"),
            ("win at http://evil.example/x", "win at http   evil example x"),
            ("call me@evil.example", "call me evil example"),
            ("evil\u{3002}example", "evil example"),
            ("a\u{202e}b\u{200b}c\nd", "abcd"),
            ("हिन्दी", "हिन्दी"),
        ] {
            assert_eq!(plain_words(name), expected);
        }
        assert_eq!(plain_words(&"n".repeat(300)).len(), MAX_CHARS);
    }
}
