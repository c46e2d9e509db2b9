//! The machine's own sources of Debian packages, with another release in the place of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What has programs that are newer than those of the oldest release that the suite runs on.
pub(crate) const NEWER_RELEASE: &str = "trixie";
const OWN: &str = "/etc/os-release";
const SOURCES: &str = "/etc/apt/sources.list";
const MORE_SOURCES: &str = "/etc/apt/sources.list.d";

/// Sources of this release, as text for one `.sources` and one `.list` file: wherever the machine gets its own release
/// from, and nothing else.
fn sources_of(release: &str) -> Result<[(&'static str, String); 2]> {
    let own = fs::read_to_string(OWN).unwrap_or_default();
    let own = codename(&own).with_context(|| format!("{OWN} names no release of Debian"))?;
    let mut files = vec![fs::read_to_string(SOURCES).unwrap_or_default()];
    let mut stanzas = Vec::new();
    for entry in fs::read_dir(MORE_SOURCES).into_iter().flatten().flatten() {
        let path = entry.path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("list") => files.push(text),
            Some("sources") => stanzas.push(text),
            _ => {}
        }
    }
    let lines =
        files.iter().flat_map(|file| file.lines()).filter_map(|line| renamed_line(line, own, release));
    let stanzas = stanzas.iter().flat_map(|file| file.split("\n\n"));
    let stanzas = stanzas.filter_map(|stanza| renamed_stanza(stanza, own, release));
    Ok([
        ("machine.list", lines.collect::<Vec<_>>().join("\n") + "\n"),
        ("machine.sources", stanzas.collect::<Vec<_>>().join("\n\n") + "\n"),
    ])
}

/// Writes them into a directory.
pub(crate) fn write_sources(directory: &Path, release: &str) -> Result<()> {
    for (name, text) in sources_of(release)? {
        fs::write(directory.join(name), text)?;
    }
    Ok(())
}

fn codename(os_release: &str) -> Option<&str> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"'))
}

/// A suite of the own release (`bookworm`, `bookworm-security`) as one of the other.
fn renamed(suite: &str, own: &str, release: &str) -> Option<String> {
    let rest = suite.strip_prefix(own).filter(|rest| rest.is_empty() || rest.starts_with(['-', '/']))?;
    Some(format!("{release}{rest}"))
}

/// A line as `deb [options] URL suite component…`.
fn renamed_line(line: &str, own: &str, release: &str) -> Option<String> {
    line.trim_start().starts_with("deb ").then(|| renamed_words(line, own, release)).flatten()
}

/// A stanza in which `Suites:` names the own release.
fn renamed_stanza(stanza: &str, own: &str, release: &str) -> Option<String> {
    let mut is_own = false;
    let lines = stanza.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let suites = line.strip_prefix("Suites:").and_then(|words| renamed_words(words, own, release));
        is_own |= suites.is_some();
        suites.map_or_else(|| line.to_owned(), |words| format!("Suites: {words}"))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    is_own.then_some(text)
}

fn renamed_words(words: &str, own: &str, release: &str) -> Option<String> {
    let mut is_own = false;
    let words = words.split_whitespace().map(|word| {
        let other = renamed(word, own, release);
        is_own |= other.is_some();
        other.unwrap_or_else(|| word.to_owned())
    });
    let text = words.collect::<Vec<_>>().join(" ");
    is_own.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_release_becomes_another_and_other_sources_are_left_out() {
        let line = |line| renamed_line(line, "bookworm", "trixie");
        assert_eq!(
            line("deb [signed-by=/k] http://mirror/debian bookworm-updates main").unwrap(),
            "deb [signed-by=/k] http://mirror/debian trixie-updates main"
        );
        assert_eq!(line("deb http://elsewhere/apt tools-bookworm main"), None);
        assert_eq!(line("# deb http://mirror/debian bookworm main"), None);

        let stanza =
            "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main";
        assert_eq!(
            renamed_stanza(stanza, "bookworm", "trixie").unwrap(),
            "Types: deb\nURIs: http://mirror/debian\nSuites: trixie trixie-updates\nComponents: main"
        );
        assert_eq!(renamed_stanza("URIs: https://elsewhere\nSuites: nodistro", "bookworm", "trixie"), None);
    }

    #[test]
    fn a_release_is_known_by_its_code_name() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n"), Some("bookworm"));
        assert_eq!(codename("ID=other\n"), None);
    }
}
