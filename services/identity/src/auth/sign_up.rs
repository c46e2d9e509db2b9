//! Signing up in two steps: a code that proves the address, then the account.

use proto::identity::v1 as pb;
use shared::database::Transaction;
use shared::error::Result;
use shared::json::to_timestamp;
use shared::mail::Outbox;
use shared::validation::Violations;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{AccountDraft, AuthApi, Completion, Login, NewAccount, wire};
use crate::audit::{self, Event, Kind};
use crate::codes::{CodeGate, Codes, ProvenAddress, Redemption};
use crate::limits::{Account, Attempt, Purpose};
use crate::sessions::Device;

/// Serves `SignUpService`.
pub struct SignUpApi {
    auth: AuthApi,
    codes: Codes,
    gate: CodeGate,
    outbox: Outbox,
}

impl SignUpApi {
    /// With first sessions that `auth` opens.
    pub fn new(auth: AuthApi, codes: Codes, gate: CodeGate, outbox: Outbox) -> Self {
        Self { auth, codes, gate, outbox }
    }

    /// Uses the code up in a new transaction, within the limits on guessing.
    async fn redeem(&self, redemption: &Redemption, device: &Device) -> Result<(Transaction, ProvenAddress)> {
        let redeem = async {
            let tx = self.auth.context.database.begin_as(Uuid::nil()).await?;
            let proven = self.codes.redeem_to_sign_up(&tx, redemption).await?;
            Ok((tx, proven))
        };
        self.gate.guard(device, redeem).await
    }

    async fn complete(
        &self,
        Completion { redemption, account }: Completion,
        device: &Device,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        // First only to look: whoever has no code costs no hash, and a weak password does not cost the code.
        let (tx, proven) = self.redeem(&redemption, device).await?;
        tx.undo();
        if proven.is_replay {
            return self.auth.sign_in_again(account.into(), proven.id, device).await;
        }
        let mut v = Violations::new();
        account.check_password(&mut v, &proven.email);
        v.finish()?;
        let password_hash = self.auth.passwords.hash(account.password.clone()).await?;

        let (tx, proven) = self.redeem(&redemption, device).await?;
        if proven.is_replay {
            return self.auth.sign_in_again(account.into(), proven.id, device).await;
        }
        let founding = AccountDraft {
            user_id: proven.id,
            email: &proven.email,
            email_verified: true,
            account: &account,
            password_hash: &password_hash,
        };
        self.auth.found(tx, founding, device).await
    }
}

impl From<NewAccount> for Login {
    fn from(account: NewAccount) -> Self {
        Self { login: account.username, password: account.password }
    }
}

impl SignUpApi {
    pub(crate) async fn begin_sign_up(
        &self,
        request: Request<pb::BeginSignUpRequest>,
    ) -> Result<Response<pb::BeginSignUpResponse>, Status> {
        let device = Device::of(&request);
        let wish = wire::wished_address(request.get_ref())?;
        let attempt = Attempt::new(Purpose::SendCode).on(Account::Unknown(wish.email.clone()));
        self.auth.limits.admit(attempt.from(&device)).await?;

        let tx = self.auth.context.database.begin_as(Uuid::nil()).await?;
        let issued = self.codes.issue_to_sign_up(&tx, &wish).await?;
        // Also of nobody's account: whether the address has one shows in nothing that takes time.
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
        let completion = request.into_inner().try_into()?;
        self.complete(completion, &device).await
    }
}
