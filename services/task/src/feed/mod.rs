//! What happens to tasks, as it happens. How it is followed is [`shared::change_log::feed`]'s; here is what a
//! change of the log means, and who is told.

mod filter;
mod rpc;
mod watch;
pub(crate) mod wire;

use serde::Deserialize;
use serde_json::Value;
use shared::change_log::Record;
use shared::error::{Error, Result};
use uuid::Uuid;

use crate::dependencies::Dependency;
use crate::tasks::Task;

/// What a change was about, before and after it.
#[derive(Clone, Debug)]
pub(crate) enum Changed {
    /// A task.
    Task { before: Option<Box<Task>>, after: Option<Box<Task>> },
    /// A dependency.
    Dependency {
        before: Option<Dependency>,
        after: Option<Dependency>,
        /// The other project of one between two: only who reads that too may see it.
        other_project: Option<Uuid>,
    },
}

impl Changed {
    /// Reads what the log holds; `None` for what is no matter of clients.
    pub(crate) fn of(record: &Record) -> Result<Option<Self>> {
        Ok(match record.entity.as_str() {
            "tasks" => {
                let after: Option<Box<Task>> = read(record.new_values.as_ref())?;
                let version = version_of(record);
                let after = after.map(|task| Box::new(Task { version, ..*task }));
                Some(Self::Task { before: read(record.old_values.as_ref())?, after })
            }
            "task_dependencies" => Some(Self::Dependency {
                before: read(record.old_values.as_ref())?,
                after: read(record.new_values.as_ref())?,
                other_project: other_project(record)?,
            }),
            _ => None,
        })
    }
}

/// The row's version after a change: etags are the transaction that wrote the row, in 32 bits.
fn version_of(record: &Record) -> u32 {
    u32::try_from(record.cursor.transaction_id & i64::from(u32::MAX)).unwrap_or_default()
}

fn other_project(record: &Record) -> Result<Option<Uuid>> {
    let values = record.new_values.as_ref().or(record.old_values.as_ref());
    let named = values.and_then(|values| values.get("other_project_id"));
    named.map(Uuid::deserialize).transpose().map_err(Error::internal)
}

/// Reads a row as the log holds it.
pub(crate) fn read<'a, T: Deserialize<'a>>(values: Option<&'a Value>) -> Result<Option<T>> {
    values.map(T::deserialize).transpose().map_err(Error::internal)
}
