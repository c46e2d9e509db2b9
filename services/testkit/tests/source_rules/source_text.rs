//! Rust source without what is not code.

use std::sync::LazyLock;

use regex::Regex;

/// Comments, strings, raw strings with up to two `#`, and character literals.
static NOT_CODE: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"//[^\n]*",
        r"/\*(?s:.*?)\*/",
        r"\br#{2}\x22(?s:.*?)\x22#{2}",
        r"\br#\x22(?s:.*?)\x22#",
        r"\br\x22[^\x22]*\x22",
        r"\x22(?s:\\.|[^\x22\\])*\x22",
        r"\x27(?:\\[^\x27]+|[^\x27\\])\x27",
    ];
    Regex::new(&parts.join("|")).unwrap()
});
static UNIT_TESTS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\s*mod \w+ \{").unwrap());

/// The code of a file, without its module of unit tests.
pub(crate) fn code(text: &str) -> String {
    let code = NOT_CODE.replace_all(text, " ").into_owned();
    let end = UNIT_TESTS.find(&code).map_or(code.len(), |found| found.start());
    code.get(..end).unwrap().to_owned()
}

#[test]
fn comments_strings_and_unit_tests_are_not_code() {
    let text = "use a::b; // use c::d;\nfn f<'a>() { g(\"use \\\" h\", 'x', r#\"i \" j\"#) }\n#[cfg(test)]\nmod tests { k }";
    assert_eq!(code(text), "use a::b;  \nfn f<'a>() { g( ,  ,  ) }\n");
}
