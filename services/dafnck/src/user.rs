//! `dafnck user`: what operators do with accounts.

use anyhow::{Context, ensure};
use clap::{Args, Subcommand, ValueEnum};
use prost::Message;
use prost_reflect::DynamicMessage;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1::{User, UserStatus};
use shared::siblings::{Sibling, SiblingChannel};
use uuid::Uuid;

use crate::call_error::explain;
use crate::operator::OperatorOptions;
use crate::output::{self, Confirmation};

/// Accounts that are asked for at a time.
const PAGE_SIZE: i32 = 1_000;
const USER: &str = "dafnck.identity.v1.User";
const RECORD: &str = "dafnck.identity.v1.UserRecord";

/// What to do with which accounts.
#[derive(Args, Clone, Debug)]
pub struct UserOptions {
    #[command(subcommand)]
    action: UserAction,
    /// Where the services are.
    #[command(flatten)]
    operator: OperatorOptions,
}

#[derive(Subcommand, Clone, Debug)]
enum UserAction {
    /// List accounts, newest first
    List(ListOptions),
    /// Close an account until it is reactivated; its sessions end at once
    Suspend(UserSelector),
    /// Open a suspended or deleted account again
    Reactivate(UserSelector),
    /// Mark an account as deleted; its sessions end at once, its data stays
    Delete(DestroyOptions),
    /// Overwrite an account's personal data for good; its id stays
    Erase(DestroyOptions),
    /// Write all that is known about a user to standard output, one JSON object a line
    Export(UserSelector),
}

#[derive(Args, Clone, Debug)]
struct UserSelector {
    /// Id, username or address of the user
    user: String,
}

#[derive(Args, Clone, Debug)]
struct DestroyOptions {
    #[command(flatten)]
    selector: UserSelector,
    #[command(flatten)]
    confirmation: Confirmation,
}

#[derive(Args, Clone, Debug)]
struct ListOptions {
    /// Only accounts in this state
    #[arg(long)]
    status: Option<Status>,
    /// Only accounts whose address begins with this
    #[arg(long, default_value = "")]
    email: String,
    /// Only accounts whose username begins with this
    #[arg(long, default_value = "")]
    username: String,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Status {
    Active,
    Inactive,
    Suspended,
    Deleted,
}

impl From<Status> for UserStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => Self::Active,
            Status::Inactive => Self::Inactive,
            Status::Suspended => Self::Suspended,
            Status::Deleted => Self::Deleted,
        }
    }
}

type Administration = UserAdminServiceClient<SiblingChannel>;

/// Does it and prints the accounts as they now are.
///
/// # Errors
/// When there is no such account, or the service refuses.
pub async fn command(options: UserOptions) -> anyhow::Result<()> {
    let mut service = Administration::new(options.operator.connect()?.channel(Sibling::Identity));
    let user = match options.action {
        UserAction::List(options) => return list(&mut service, options).await,
        UserAction::Export(selector) => {
            let user_id = find(&mut service, &selector).await?;
            return export(&mut service, user_id).await;
        }
        UserAction::Suspend(selector) => {
            let user_id = find(&mut service, &selector).await?;
            service.suspend_user(admin::SuspendUserRequest { user_id }).await
        }
        UserAction::Reactivate(selector) => {
            let user_id = find(&mut service, &selector).await?;
            service.reactivate_user(admin::ReactivateUserRequest { user_id }).await
        }
        UserAction::Delete(DestroyOptions { selector, confirmation }) => {
            let user_id = find(&mut service, &selector).await?;
            confirmation.require(&format!("this deletes the account {}", selector.user)).await?;
            service.delete_user(admin::DeleteUserRequest { user_id }).await
        }
        UserAction::Erase(DestroyOptions { selector, confirmation }) => {
            let user_id = find(&mut service, &selector).await?;
            confirmation.require(&format!("nothing brings back what is erased of {}", selector.user)).await?;
            service.erase_user(admin::EraseUserRequest { user_id }).await
        }
    };
    let user = user.map_err(explain)?.into_inner();
    output::item(&json(USER, &user)?, line(&user))
}

/// The id of the account. Names and addresses are compared in any case, as the service does.
async fn find(service: &mut Administration, UserSelector { user }: &UserSelector) -> anyhow::Result<String> {
    if Uuid::try_parse(user).is_ok() {
        return Ok(user.clone());
    }
    let is_address = user.contains('@');
    let (email_prefix, username_prefix) = match is_address {
        true => (user.clone(), String::new()),
        false => (String::new(), user.clone()),
    };
    let filter = admin::UserFilter { email_prefix, username_prefix, ..Default::default() };
    let is_it = |found: &User| {
        let name = if is_address { &found.email } else { &found.username };
        name.to_lowercase() == user.to_lowercase()
    };
    let mut request = request(filter);
    loop {
        let page = service.list_users(request.clone()).await.map_err(explain)?.into_inner();
        if let Some(found) = page.users.into_iter().find(is_it) {
            return Ok(found.id);
        }
        ensure!(!page.next_page_token.is_empty(), "there is no user `{user}`");
        request.page_token = page.next_page_token;
    }
}

fn request(filter: admin::UserFilter) -> admin::ListUsersRequest {
    admin::ListUsersRequest { page_size: PAGE_SIZE, filter: Some(filter), ..Default::default() }
}

async fn list(service: &mut Administration, options: ListOptions) -> anyhow::Result<()> {
    let filter = admin::UserFilter {
        statuses: options.status.map(|status| UserStatus::from(status).into()).into_iter().collect(),
        email_prefix: options.email,
        username_prefix: options.username,
        ..Default::default()
    };
    let mut request = request(filter);
    loop {
        let page = service.list_users(request.clone()).await.map_err(explain)?.into_inner();
        for user in &page.users {
            output::item(&json(USER, user)?, line(user))?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn export(service: &mut Administration, user_id: String) -> anyhow::Result<()> {
    let mut records =
        service.export_user(admin::ExportUserRequest { user_id }).await.map_err(explain)?.into_inner();
    while let Some(record) = records.message().await.map_err(explain)? {
        let record = json(RECORD, &record)?;
        output::item(&record, serde_json::to_string(&record)?)?;
    }
    Ok(())
}

/// A message in its JSON form.
fn json(name: &str, message: &impl Message) -> anyhow::Result<DynamicMessage> {
    let kind = proto::descriptor_pool().get_message_by_name(name);
    let mut dynamic = DynamicMessage::new(kind.with_context(|| format!("there is no message {name}"))?);
    dynamic.transcode_from(message)?;
    Ok(dynamic)
}

fn line(user: &User) -> String {
    let status = user.status().as_str_name().trim_start_matches("USER_STATUS_").to_lowercase();
    format!("{}  {status:<9}  {:<30}  {}", user.id, user.username, user.email)
}

#[cfg(test)]
mod tests {
    use proto::identity::v1::UserRecord;
    use proto::identity::v1::user_record::Data;

    use super::*;

    #[test]
    fn a_record_is_a_line_of_json() {
        let user = User { username: "olga".to_owned(), email_verified: true, ..Default::default() };
        let record = json(RECORD, &UserRecord { data: Some(Data::User(user)) }).unwrap();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"user":{"username":"olga","emailVerified":true}}"#
        );
    }

    #[test]
    fn a_line_names_the_account_and_its_state() {
        let user = User {
            id: "0a1b".to_owned(),
            username: "olga".to_owned(),
            email: "olga@example.org".to_owned(),
            status: UserStatus::Suspended.into(),
            ..Default::default()
        };
        let line = line(&user);
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words, ["0a1b", "suspended", "olga", "olga@example.org"]);
    }
}
