//! Which characters a line of text may have, and which of them can be seen.
//!
//! The annotations of the protos have the same rule as a pattern.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// Characters that have no place in a line: control characters, line breaks, and those that embed, override or isolate a
/// direction of writing (UTR 36, section 2.5): with them a name shows what it is not. Marks of direction stay.
pub(super) fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Blanks, control characters and format characters, which a web address does not show, or which change how it looks.
pub(super) fn is_hidden(c: char) -> bool {
    const HIDDEN: GeneralCategoryGroup = GeneralCategoryGroup::Separator
        .union(GeneralCategoryGroup::Control)
        .union(GeneralCategoryGroup::Format);
    HIDDEN.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// Whether a character shows by itself: it is no space, no control or format character, and no mark on another one.
pub fn is_visible(c: char) -> bool {
    const INVISIBLE: GeneralCategoryGroup = GeneralCategoryGroup::Separator
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::Control)
        .union(GeneralCategoryGroup::Format);
    // Letters and a sign without a glyph: the fillers of Hangul, and the blank pattern of Braille.
    let is_filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
    !is_filler && !INVISIBLE.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

#[cfg(test)]
mod tests {
    use crate::validation::Violations;

    fn accepts(text: &str) -> bool {
        let mut v = Violations::new();
        v.line("title", text.to_owned(), 1, 255);
        v.finish().is_ok()
    }

    #[test]
    fn a_line_has_something_to_see() {
        for c in [
            '\u{a0}',
            '\u{ad}',
            '\u{301}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{1680}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{2060}',
            '\u{2063}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0100}',
        ] {
            assert!(!accepts(&c.to_string()) && !accepts(&format!(" {c}{c}")), "{c:?}");
            assert!(accepts(&format!("{c}a")), "{c:?}");
        }
        for text in
            ["é", "e\u{301}", "❤\u{fe0f}", "👩\u{200d}💻", "می\u{200c}خواهم", "हिन्दी", "\u{f8ff}", "-"]
        {
            assert!(accepts(text), "{text:?}");
        }
    }

    #[test]
    fn a_line_is_one_line_in_one_order() {
        for c in
            ['\n', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}']
        {
            assert!(!accepts(&format!("invoice{c}fdp.exe")), "{c:?}");
        }
    }

    #[test]
    fn a_web_address_shows_where_it_leads() {
        let accepts = |text: &str| {
            let mut v = Violations::new();
            v.optional_url("url", Some(text.to_owned()));
            v.finish().is_ok()
        };
        assert!(accepts("https://example.org/größe?q=1#a") && accepts("http://bücher.example"));
        for c in [' ', '\u{a0}', '\n', '\u{200b}', '\u{202e}', '\u{2066}', '\u{ad}', '\u{feff}'] {
            assert!(!accepts(&format!("https://example.org/{c}gpj.exe")), "{c:?}");
        }
    }
}
