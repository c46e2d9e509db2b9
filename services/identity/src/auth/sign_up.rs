//! Sign-up in two steps: a code that proves the address, then the account.

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
use crate::handler::IdentityHandler;
use crate::limits::{Account, Attempt, Purpose};
use crate::sessions::Device;

impl IdentityHandler {
    pub(crate) async fn begin_sign_up(
        &self,
        request: Request<pb::BeginSignUpRequest>,
    ) -> Result<Response<pb::BeginSignUpResponse>, Status> {
        let device = Device::of(&request);
        let input = SignUpCodeInput::try_from(request.into_inner())?;
        let attempt = Attempt::new(Purpose::SendCode, &device).on(Account::named(None, &input.email));
        self.limiter.admit(&attempt).await?;

        let tx = self.begin_anonymous().await?;
        let issued = self.codes.issue_sign_up_code(&tx, &input).await?;
        // Also if nobody has the address: the response time does not tell.
        audit::append(&tx, &Event::new(Kind::SignUpRequested, issued.owner).from(&device))?;
        tx.commit().await?;
        self.outbox.wake();

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

        Ok(Response::new(outcome.into_wire(&self.keys)?))
    }

    async fn complete(&self, input: CompleteSignUpInput, device: &Device) -> Result<LoginOutcome> {
        let CompleteSignUpInput { redeem, account } = input;
        // A first look, undone: without a code nobody costs a hash, and a weak password does not cost the code.
        let (tx, code) = self.redeem(&redeem, device).await?;
        tx.undo();
        if code.is_replay {
            return log_in_again(self, account.into(), code.id, device).await;
        }
        let mut v = Violations::new();
        account.check_password(&mut v, &code.email);
        v.finish()?;
        let password_hash = self.passwords.hash(account.password.clone()).await?;

        let (tx, code) = self.redeem(&redeem, device).await?;
        if code.is_replay {
            return log_in_again(self, account.into(), code.id, device).await;
        }
        let draft = AccountDraft {
            user_id: code.id,
            email: &code.email,
            email_verified: true,
            account: &account,
            password_hash: &password_hash,
        };
        create_account(self, tx, draft, device).await
    }

    /// Uses the code up in a new transaction.
    async fn redeem(
        &self,
        input: &RedeemInput,
        device: &Device,
    ) -> Result<(Transaction, RedeemedSignUpCode)> {
        let redeem = async {
            let tx = self.begin_anonymous().await?;
            let code = self.codes.redeem_sign_up_code(&tx, input).await?;
            Ok((tx, code))
        };
        self.limiter.guard(Attempt::new(Purpose::RedeemCode, device), redeem).await
    }
}

impl From<NewAccount> for LoginInput {
    fn from(account: NewAccount) -> Self {
        Self { login: account.username, password: account.password, device_token: String::new() }
    }
}
