//! Conversions of registration, sign-up and login.

use proto::identity::v1 as pb;
use proto::identity::v1::login_response::Result as LoginResult;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::{Violations, normal_email};

use super::login::{IssuedSession, LoginOutcome};
use super::{CompleteSignUpInput, LoginInput, NewAccount, RegisterInput};
use crate::codes::{RedeemInput, SignUpCodeInput};
use crate::encryption::KeyRing;
use crate::passwords::{self, OwnWords};
use crate::users::fields;

const MAX_LOGIN_CHARS: usize = 255;

impl TryFrom<pb::RegisterRequest> for RegisterInput {
    type Error = Error;

    fn try_from(mut request: pb::RegisterRequest) -> Result<Self> {
        let mut v = Violations::new();
        // Not part of the key: its stored hash would allow guessing passwords and names.
        let password = std::mem::take(&mut request.password);
        let (first_name, last_name) = (request.first_name.take(), request.last_name.take());
        let registration = Self {
            key: RequestKey::of(&mut v, &request.request_id, &request),
            email: v.email("email", &request.email),
            account: NewAccount {
                username: fields::username(&mut v, "username", request.username),
                password,
                first_name: fields::name(&mut v, "first_name", first_name),
                last_name: fields::name(&mut v, "last_name", last_name),
            },
        };
        registration.account.check_password(&mut v, &registration.email);
        v.finish()?;
        Ok(registration)
    }
}

impl TryFrom<pb::CompleteSignUpRequest> for CompleteSignUpInput {
    type Error = Error;

    /// The address, of which the password must not be made, is known only after the code has been checked.
    fn try_from(request: pb::CompleteSignUpRequest) -> Result<Self> {
        let mut v = Violations::new();
        let completion = Self {
            redeem: RedeemInput::of(&mut v, &request.request_id, request.code),
            account: NewAccount {
                username: fields::username(&mut v, "username", request.username),
                password: request.password,
                first_name: fields::name(&mut v, "first_name", request.first_name),
                last_name: fields::name(&mut v, "last_name", request.last_name),
            },
        };
        completion.account.check_password(&mut v, "");
        v.finish()?;
        Ok(completion)
    }
}

impl NewAccount {
    /// Rejects a password that is weak or made of the account's own words.
    pub(super) fn check_password(&self, v: &mut Violations, email: &str) {
        let names = [&self.first_name, &self.last_name].into_iter().flatten().map(String::as_str);
        let words = [email, &self.username].into_iter().chain(names);
        passwords::check_new(v, "password", &self.password, &OwnWords::new(words));
    }
}

impl TryFrom<pb::BeginSignUpRequest> for SignUpCodeInput {
    type Error = Error;

    fn try_from(request: pb::BeginSignUpRequest) -> Result<Self> {
        let mut v = Violations::new();
        let email = v.email("email", &request.email);
        v.finish()?;
        Ok(Self { email, is_mailed: true })
    }
}

impl TryFrom<pb::LoginRequest> for LoginInput {
    type Error = Error;

    fn try_from(request: pb::LoginRequest) -> Result<Self> {
        let mut v = Violations::new();
        let login = v.text("login", request.login, 1, MAX_LOGIN_CHARS).trim().to_owned();
        let input = Self {
            login: normal_email(&login).unwrap_or(login),
            password: passwords::check_given(&mut v, "password", request.password),
            device_token: request.device_token,
        };
        v.finish()?;
        Ok(input)
    }
}

impl LoginOutcome {
    pub(super) fn into_wire(self, keys: &KeyRing) -> Result<pb::LoginResponse> {
        let result = match self {
            Self::Session(grant) => LoginResult::SessionGrant(grant.into_wire(keys)?),
            Self::Challenge(challenge) => LoginResult::SecondFactorChallenge(challenge.into()),
        };
        Ok(pb::LoginResponse { result: Some(result) })
    }
}

impl IssuedSession {
    pub(super) fn into_wire(self, keys: &KeyRing) -> Result<pb::SessionGrant> {
        let current = self.session.id;
        Ok(pb::SessionGrant {
            tokens: Some(pb::SessionTokens {
                session_token: self.tokens.session,
                refresh_token: self.tokens.refresh,
                expires_at: Some(to_timestamp(self.session.expires_at)),
                refresh_expires_at: Some(to_timestamp(self.session.refresh_expires_at)),
            }),
            user: Some(self.user.into_wire(keys)?),
            session: Some(self.session.into_wire(current)),
            device_token: self.device_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_has_10_to_1024_bytes() {
        let accepts = |password: &str| {
            let request = pb::RegisterRequest {
                email: "olga@example.org".to_owned(),
                username: "olga".to_owned(),
                password: password.to_owned(),
                ..Default::default()
            };
            RegisterInput::try_from(request).is_ok()
        };
        assert!(accepts("ten bytes!"));
        assert!(!accepts("too short"));
        assert!(accepts("äöüß€€"));
        assert!(accepts(&"x".repeat(1024)));
        assert!(!accepts(&"x".repeat(1025)));
    }
}
