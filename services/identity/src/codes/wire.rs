//! Conversions of codes.

use proto::identity::backend::v1 as pb;
use shared::error::{Error, Result};
use shared::json::to_timestamp;
use shared::validation::Violations;
use uuid::Uuid;

use super::sign_up::IssuedSignUpCode;
use super::{CodeInput, IssuedCode, Purpose, RedeemInput, SignUpCodeInput};

const MAX_CODE_CHARS: usize = 100;
const DELIVERY: &str = "must be either send_code or return_code";

impl TryFrom<pb::CreateEmailVerificationCodeRequest> for CodeInput {
    type Error = Error;

    fn try_from(request: pb::CreateEmailVerificationCodeRequest) -> Result<Self> {
        use pb::create_email_verification_code_request::Delivery;
        let mut v = Violations::new();
        v.require(request.delivery.is_some(), "delivery", DELIVERY);
        let input = Self {
            purpose: Purpose::VerifyEmail,
            user_id: Some(v.uuid("user_id", &request.user_id)),
            email: None,
            is_mailed: matches!(request.delivery, Some(Delivery::SendCode(_))),
        };
        v.finish()?;
        Ok(input)
    }
}

impl TryFrom<pb::CreatePasswordResetCodeRequest> for CodeInput {
    type Error = Error;

    fn try_from(request: pb::CreatePasswordResetCodeRequest) -> Result<Self> {
        use pb::create_password_reset_code_request::{Account, Delivery};
        let mut v = Violations::new();
        v.require(request.delivery.is_some(), "delivery", DELIVERY);
        let (user_id, email) = match request.account {
            Some(Account::UserId(id)) => (Some(v.uuid("user_id", &id)), None),
            Some(Account::Email(email)) => (None, Some(v.email("email", &email))),
            None => {
                v.add("account", "must be either user_id or email");
                (None, None)
            }
        };
        let is_mailed = matches!(request.delivery, Some(Delivery::SendCode(_)));
        v.finish()?;
        Ok(Self { purpose: Purpose::ResetPassword, user_id, email, is_mailed })
    }
}

impl TryFrom<pb::CreateEmailChangeCodeRequest> for CodeInput {
    type Error = Error;

    fn try_from(request: pb::CreateEmailChangeCodeRequest) -> Result<Self> {
        use pb::create_email_change_code_request::Delivery;
        let mut v = Violations::new();
        v.require(request.delivery.is_some(), "delivery", DELIVERY);
        let input = Self {
            purpose: Purpose::ChangeEmail,
            user_id: Some(v.uuid("user_id", &request.user_id)),
            email: Some(v.email("new_email", &request.new_email)),
            is_mailed: matches!(request.delivery, Some(Delivery::SendCode(_))),
        };
        v.finish()?;
        Ok(input)
    }
}

impl TryFrom<pb::CreateSignUpCodeRequest> for SignUpCodeInput {
    type Error = Error;

    fn try_from(request: pb::CreateSignUpCodeRequest) -> Result<Self> {
        use pb::create_sign_up_code_request::Delivery;
        let mut v = Violations::new();
        v.require(request.delivery.is_some(), "delivery", DELIVERY);
        let input = Self {
            email: v.email("email", &request.email),
            is_mailed: matches!(request.delivery, Some(Delivery::SendCode(_))),
        };
        v.finish()?;
        Ok(input)
    }
}

impl RedeemInput {
    /// From the fields `request_id` and `code`.
    pub fn of(v: &mut Violations, request_id: &str, code: String) -> Self {
        Self {
            request_id: v.optional_uuid("request_id", request_id).unwrap_or_else(Uuid::now_v7),
            code: v.text("code", code, 1, MAX_CODE_CHARS),
        }
    }
}

impl IssuedSignUpCode {
    pub(super) fn into_wire(self) -> Result<pb::AccountCode> {
        if self.owner.is_some() {
            return Err(Error::AlreadyExists { field: "email" });
        }
        Ok(pb::AccountCode {
            user_id: self.id.to_string(),
            code: self.code,
            expires_at: Some(to_timestamp(self.expires_at)),
        })
    }
}

impl IssuedCode {
    pub(super) fn into_wire(self) -> Result<pb::AccountCode> {
        let addressee = self.addressee.ok_or_else(|| Error::not_found("user", ""))?;
        if addressee.is_taken {
            return Err(Error::AlreadyExists { field: "new_email" });
        }
        Ok(pb::AccountCode {
            user_id: addressee.user_id.to_string(),
            code: self.code,
            expires_at: Some(to_timestamp(self.expires_at)),
        })
    }
}
