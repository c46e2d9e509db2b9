//! What was looked at, and what to do about it.

use std::fmt;

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

/// Everything that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// The worst of the findings.
    pub level: Level,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl DoctorReport {
    /// Of these findings.
    pub fn of(findings: Vec<Finding>) -> Self {
        let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
        Self { level, findings }
    }
}

/// Aligned lines, the hint below each.
impl fmt::Display for DoctorReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { level, check, message, hint } in &self.findings {
            writeln!(out, "{:<10}{check:<20}{message}", level.as_str())?;
            if let Some(hint) = hint {
                writeln!(out, "{:<30}-> {hint}", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_the_worst_counts() {
        let findings =
            vec![Finding::ok("redis", "answers"), Finding::warning("disk", "9 % free", "make room")];
        let report = DoctorReport::of(findings);
        assert_eq!(
            report.to_string(),
            "ok        redis               answers\nwarning   disk                9 % free\n                              -> make room\n"
        );
        assert_eq!(report.level, Level::Warning);
        assert_eq!(DoctorReport::of(Vec::new()).level, Level::Ok);
    }
}
