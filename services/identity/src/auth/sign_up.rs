//! Sign-up in two steps: a code that proves the address, then the account.

use std::sync::Arc;

use proto::identity::v1 as pb;
use shared::database::Transaction;
use shared::error::Result;
use shared::json::to_timestamp;
use shared::validation::Violations;
use tonic::{Request, Response, Status};

use super::login::{LoginOutcome, create_account, log_in_again};
use super::{AccountDraft, CompleteSignUpInput, LoginInput, NewAccount};
use crate::audit::{self, Event, Kind};
use crate::codes::{RedeemInput, RedeemedSignUpCode, SignUpCodeInput};
use crate::identity::Identity;
use crate::limits::{Account, Attempt, Purpose};
use crate::sessions::Device;

pub struct SignUpHandler(pub(crate) Arc<Identity>);

impl SignUpHandler {
    pub(crate) async fn begin_sign_up(
        &self,
        request: Request<pb::BeginSignUpRequest>,
    ) -> Result<Response<pb::BeginSignUpResponse>, Status> {
        let Self(identity) = self;
        let device = Device::of(&request);
        let input = SignUpCodeInput::try_from(request.into_inner())?;
        let attempt = Attempt::new(Purpose::SendCode, &device).on(Account::named(None, &input.email));
        identity.limiter.admit(&attempt).await?;

        let tx = identity.begin_anonymous().await?;
        let issued = identity.codes.issue_sign_up_code(&tx, &input).await?;
        // Also if nobody has the address: the response time does not tell.
        audit::append(&tx, &Event::new(Kind::SignUpRequested, issued.owner).from(&device))?;
        tx.commit().await?;
        identity.outbox.wake();

        let expires_at = Some(to_timestamp(issued.expires_at));
        Ok(Response::new(pb::BeginSignUpResponse { expires_at }))
    }

    pub(crate) async fn complete_sign_up(
        &self,
        request: Request<pb::CompleteSignUpRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        let input = request.into_inner().try_into()?;

        let outcome = self.complete(input, &device).await?;

        Ok(Response::new(outcome.into_wire(&self.0.keys)?))
    }

    async fn complete(&self, input: CompleteSignUpInput, device: &Device) -> Result<LoginOutcome> {
        let Self(identity) = self;
        let CompleteSignUpInput { redeem, account } = input;
        // A first look, undone: without a code nobody costs a hash, and a weak password does not cost the code.
        let (tx, code) = self.redeem(&redeem, device).await?;
        tx.undo();
        if code.is_replay {
            return log_in_again(identity, account.into(), code.id, device).await;
        }
        let mut v = Violations::new();
        account.check_password(&mut v, &code.email);
        v.finish()?;
        let password_hash = identity.passwords.hash(account.password.clone()).await?;

        let (tx, code) = self.redeem(&redeem, device).await?;
        if code.is_replay {
            return log_in_again(identity, account.into(), code.id, device).await;
        }
        let draft = AccountDraft {
            user_id: code.id,
            email: &code.email,
            email_verified: true,
            account: &account,
            password_hash: &password_hash,
        };
        create_account(identity, tx, draft, device).await
    }

    /// Uses the code up in a new transaction.
    async fn redeem(
        &self,
        input: &RedeemInput,
        device: &Device,
    ) -> Result<(Transaction, RedeemedSignUpCode)> {
        let Self(identity) = self;
        let redeem = async {
            let tx = identity.begin_anonymous().await?;
            let code = identity.codes.redeem_sign_up_code(&tx, input).await?;
            Ok((tx, code))
        };
        identity.limiter.guard(Attempt::new(Purpose::RedeemCode, device), redeem).await
    }
}

impl From<NewAccount> for LoginInput {
    fn from(account: NewAccount) -> Self {
        Self { login: account.username, password: account.password }
    }
}
