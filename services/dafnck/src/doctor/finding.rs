//! What was looked at, and what to do about it.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// Nothing is wrong, but somebody should know.
    Note,
    /// To be done in the next days.
    Warning,
    /// To be done now.
    Critical,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub check: &'static str,
    /// What was seen.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, message: message.into(), hint: None }
    }

    /// Nothing is wrong, but somebody should know.
    pub fn note(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Note, check, message: message.into(), hint: Some(hint.into()) }
    }

    /// To be done in the next days.
    pub fn warning(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warning, check, message: message.into(), hint: Some(hint.into()) }
    }

    /// To be done now.
    pub fn critical(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Critical, check, message: message.into(), hint: Some(hint.into()) }
    }
}

/// The findings as aligned lines, the hint below each.
pub fn as_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { level, check, message, hint } in findings {
        text.push_str(&format!("{:<10}{check:<20}{message}\n", level.as_str()));
        if let Some(hint) = hint {
            text.push_str(&format!("{:<30}-> {hint}\n", ""));
        }
    }
    text
}

/// The worst of them.
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_the_worst_counts() {
        let findings = [Finding::ok("redis", "answers"), Finding::warning("disk", "9 % free", "make room")];
        assert_eq!(
            as_text(&findings),
            "ok        redis               answers\nwarning   disk                9 % free\n                              -> make room\n"
        );
        assert_eq!(worst(&findings), Level::Warning);
        assert_eq!(worst(&[]), Level::Ok);
    }
}
