//! Signing in on the wire.

use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::proto::identity::v1 as pb;
use shared::validation::Violations;

use super::{Login, Opened, Registration};
use crate::passwords::{self, OwnWords};
use crate::sealing::KeyRing;
use crate::sessions::Tokens;
use crate::users::fields;

/// Longest text that may name an account, in characters.
const MAX_LOGIN_CHARS: usize = 255;

impl TryFrom<pb::RegisterRequest> for Registration {
    type Error = Error;

    fn try_from(mut request: pb::RegisterRequest) -> Result<Self> {
        let mut v = Violations::new();
        // Kept out of the key, whose hash would let somebody who has it try passwords and names.
        let password = std::mem::take(&mut request.password);
        let (first_name, last_name) = (request.first_name.take(), request.last_name.take());
        let registration = Self {
            key: RequestKey::of(&mut v, &request.request_id, &request),
            email: fields::email(&mut v, "email", &request.email),
            username: fields::username(&mut v, "username", request.username),
            password,
            first_name: fields::name(&mut v, "first_name", first_name),
            last_name: fields::name(&mut v, "last_name", last_name),
        };
        let names =
            [&registration.first_name, &registration.last_name].into_iter().flatten().map(String::as_str);
        let words = [registration.email.as_str(), &registration.username].into_iter().chain(names);
        passwords::check_new(&mut v, "password", &registration.password, &OwnWords::of(words));
        v.finish()?;
        Ok(registration)
    }
}

impl TryFrom<pb::LoginRequest> for Login {
    type Error = Error;

    fn try_from(request: pb::LoginRequest) -> Result<Self> {
        let mut v = Violations::new();
        let login = Self {
            login: v.text("login", request.login.trim().to_owned(), 1, MAX_LOGIN_CHARS),
            password: passwords::check_given(&mut v, "password", request.password),
        };
        v.finish()?;
        Ok(login)
    }
}

impl Opened {
    /// The account, its session and the tokens, which are shown this once.
    pub(super) fn into_wire(self, keys: &KeyRing, tokens: Tokens) -> Result<pb::SignedIn> {
        let current = self.session.id;
        Ok(pb::SignedIn {
            tokens: Some(pb::SessionTokens {
                session_token: tokens.session,
                refresh_token: tokens.refresh,
                expires_at: Some(to_timestamp(self.session.expires_at)),
                refresh_expires_at: Some(to_timestamp(self.session.refresh_expires_at)),
            }),
            user: Some(self.user.into_wire(keys)?),
            session: Some(self.session.into_wire(current)),
            second_factor_challenge: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_measured_in_bytes() {
        let accepts = |password: &str| {
            let request = pb::RegisterRequest {
                email: "olga@example.org".to_owned(),
                username: "olga".to_owned(),
                password: password.to_owned(),
                ..Default::default()
            };
            Registration::try_from(request).is_ok()
        };
        assert!(accepts("ten bytes!"));
        assert!(!accepts("too short"));
        assert!(accepts("äöüß€€"));
        assert!(accepts(&"x".repeat(1024)));
        assert!(!accepts(&"x".repeat(1025)));
    }
}
