//! `dafnck user`: what operators do with accounts.

use anyhow::{Context, ensure};
use clap::{Args, Subcommand, ValueEnum};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::v1::{User, UserRecord, UserStatus};
use shared::siblings::{Sibling, SiblingChannel};

use crate::operator::{OperatorOptions, explain};
use crate::progress::print_line;

/// Accounts that are asked for at a time.
const PAGE_SIZE: i32 = 1_000;

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
    Delete(UserSelector),
    /// Overwrite an account's personal data for good; its id stays
    Erase(EraseOptions),
    /// Write all that is known about a user to standard output, one JSON object a line
    Export(UserSelector),
}

#[derive(Args, Clone, Debug)]
struct UserSelector {
    /// UUID of the user
    user_id: String,
}

#[derive(Args, Clone, Debug)]
struct EraseOptions {
    /// UUID of the user
    user_id: String,
    /// Do it: nothing brings the data back
    #[arg(long)]
    yes: bool,
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

/// Does it and prints the accounts as they now are, one a line.
///
/// # Errors
/// When the service refuses.
pub async fn command(options: UserOptions) -> anyhow::Result<()> {
    let mut service = Administration::new(options.operator.services()?.channel(Sibling::Identity));
    let user = match options.action {
        UserAction::List(options) => return list(&mut service, options).await,
        UserAction::Suspend(UserSelector { user_id }) => {
            service.suspend_user(admin::SuspendUserRequest { user_id }).await
        }
        UserAction::Reactivate(UserSelector { user_id }) => {
            service.reactivate_user(admin::ReactivateUserRequest { user_id }).await
        }
        UserAction::Delete(UserSelector { user_id }) => {
            service.delete_user(admin::DeleteUserRequest { user_id }).await
        }
        UserAction::Export(UserSelector { user_id }) => return export(&mut service, user_id).await,
        UserAction::Erase(EraseOptions { user_id, yes }) => {
            ensure!(yes, "nothing brings erased data back; give --yes to erase {user_id}");
            service.erase_user(admin::EraseUserRequest { user_id }).await
        }
    };
    print_line!("{}", line(&user.map_err(explain)?.into_inner()));
    Ok(())
}

async fn list(service: &mut Administration, options: ListOptions) -> anyhow::Result<()> {
    let filter = admin::UserFilter {
        statuses: options.status.map(|status| UserStatus::from(status).into()).into_iter().collect(),
        email_prefix: options.email,
        username_prefix: options.username,
        ..Default::default()
    };
    let mut request =
        admin::ListUsersRequest { page_size: PAGE_SIZE, filter: Some(filter), ..Default::default() };
    loop {
        let page = service.list_users(request.clone()).await.map_err(explain)?.into_inner();
        for user in &page.users {
            print_line!("{}", line(user));
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn export(service: &mut Administration, user_id: String) -> anyhow::Result<()> {
    let kind = record_kind()?;
    let mut records =
        service.export_user(admin::ExportUserRequest { user_id }).await.map_err(explain)?.into_inner();
    while let Some(record) = records.message().await.map_err(explain)? {
        print_line!("{}", json(&kind, &record)?);
    }
    Ok(())
}

fn record_kind() -> anyhow::Result<MessageDescriptor> {
    let pool = proto::descriptor_pool();
    pool.get_message_by_name("dafnck.identity.v1.UserRecord").context("there is no message for records")
}

/// A record in the JSON form of its message.
fn json(kind: &MessageDescriptor, record: &UserRecord) -> anyhow::Result<String> {
    let mut message = DynamicMessage::new(kind.clone());
    message.transcode_from(record)?;
    Ok(serde_json::to_string(&message)?)
}

fn line(user: &User) -> String {
    let status = user.status().as_str_name().trim_start_matches("USER_STATUS_").to_lowercase();
    format!("{}  {status:<9}  {:<30}  {}", user.id, user.username, user.email)
}

#[cfg(test)]
mod tests {
    use proto::identity::v1::user_record::Data;

    use super::*;

    #[test]
    fn a_record_is_a_line_of_json() {
        let user = User { username: "olga".to_owned(), email_verified: true, ..Default::default() };
        let line = json(&record_kind().unwrap(), &UserRecord { data: Some(Data::User(user)) }).unwrap();
        assert_eq!(line, r#"{"user":{"username":"olga","emailVerified":true}}"#);
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
