//! The email of an invitation.

use serde::Deserialize;
use shared::error::{Error, Result};
use shared::mail::{Mail, QueuedMail};

use super::token::InvitationTokens;

/// Longer project names are cut in the email.
const MAX_NAME_CHARS: usize = 100;

/// Parameters that the trigger `queue_invitation_email` stores.
#[derive(Deserialize)]
struct Parameters {
    generation: i32,
    project: String,
}

/// Composes a queued email.
///
/// # Errors
/// `INTERNAL` for parameters that no version of this service has queued.
pub(crate) fn write(tokens: &InvitationTokens, queued: &QueuedMail) -> Result<Mail> {
    let parameters: Parameters =
        serde_json::from_value(queued.parameters.clone()).map_err(Error::internal)?;
    let token = tokens.of(queued.entity_id, parameters.generation);
    let name = plain_name(&parameters.project);
    let text = format!(
        "You are invited to the project {name}.\n\n\
         Sign in, or make an account with any address, and give this code:\n\n    {token}\n\n\
         It works once, until {}. Whoever has it can join: keep it to yourself.\n\
         If you do not know what this is about, you need not do anything.\n",
        queued.expires_at.format("%Y-%m-%d %H:%M UTC"),
    );
    Mail::new(queued.id, &queued.recipient, &format!("You are invited to {name}"), text)
}

/// A project's name without what mail programs turn into a link, and without invisible characters. The name is chosen
/// by the inviter, and the recipient may not know them.
fn plain_name(name: &str) -> String {
    let is_invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let is_of_links = |c: char| {
        matches!(
            c,
            '.' | ':'
                | '/'
                | '\\'
                | '@'
                | '<'
                | '>'
                | '['
                | ']'
                | '\u{3002}'
                | '\u{ff0e}'
                | '\u{ff61}'
                | '\u{ff1a}'
                | '\u{ff0f}'
                | '\u{ff20}'
        )
    };
    let visible = name.chars().filter(|c| !is_invisible(*c));
    visible.map(|c| if is_of_links(c) { ' ' } else { c }).take(MAX_NAME_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_an_email_has_no_links_and_no_invisible_characters() {
        for (name, expected) in [
            ("Apollo 11", "Apollo 11"),
            ("win at http://evil.example/x", "win at http   evil example x"),
            ("call me@evil.example", "call me evil example"),
            ("evil\u{3002}example", "evil example"),
            ("a\u{202e}b\u{200b}c\nd", "abcd"),
        ] {
            assert_eq!(plain_name(name), expected);
        }
        assert_eq!(plain_name(&"n".repeat(300)).len(), MAX_NAME_CHARS);
    }
}
