//! Imports of comments with their versions and reactions; each batch is one transaction.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use proto::common::ImportResult;
use shared::access::Authorizer;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::import::{created, refused, unchanged};
use shared::service::ServiceContext;
use shared::user_lookup::known_users;
use uuid::Uuid;

use super::wire::CommentImport;
use super::{ImportItem, queries};
use crate::targets::access::resolve_task;
use crate::targets::{ContentTarget, EntityType};

/// Tasks that the task service is asked about at once.
const MAX_CONCURRENT_LOOKUPS: usize = 8;

type Items = [ImportItem<CommentImport>];

/// Imports a batch and returns the result of each item.
pub(super) async fn import(
    context: &ServiceContext,
    authorizer: &Authorizer,
    mut items: Vec<ImportItem<CommentImport>>,
) -> Result<Vec<ImportResult>> {
    reject_unknown_users(context, &mut items).await?;
    let projects_of_tasks = find_projects_of_tasks(context, &items).await?;
    // Before the transaction: a batch never holds two connections.
    let projects = targets(&items, EntityType::Project).chain(projects_of_tasks.values().copied());
    let known = authorizer.existing_projects(&Vec::from_iter(projects.collect::<HashSet<_>>())).await?;
    let is_known = |project: &Uuid| known.contains(project);
    let tx = context.worker.begin_background().await?;
    let documents: HashSet<Uuid> = targets(&items, EntityType::Document).collect();
    let projects_of_documents = queries::lock_projects_of_documents(&tx, Vec::from_iter(documents)).await?;
    set_projects(&mut items, |target| match target.entity_type {
        EntityType::Project => Some(target.id).filter(is_known),
        EntityType::Document => projects_of_documents.get(&target.id).copied(),
        EntityType::Task => projects_of_tasks.get(&target.id).copied().filter(is_known),
    });
    tx.keep_dates()?;
    let results = insert(&tx, items).await?;
    tx.commit().await?;
    context.signal.announce();
    Ok(results)
}

fn valid(items: &Items) -> impl Iterator<Item = &CommentImport> {
    items.iter().flat_map(|item| &item.value)
}

fn targets(items: &Items, entity_type: EntityType) -> impl Iterator<Item = Uuid> {
    valid(items)
        .filter(move |item| item.comment.entity_type == entity_type)
        .map(|item| item.comment.entity_id)
}

/// Refuses each item for which `reason` gives a reason.
fn reject(items: &mut Items, reason: impl Fn(&CommentImport) -> Option<String>) {
    for item in items {
        if let Some(reason) = item.value.as_ref().ok().and_then(&reason) {
            item.value = Err(reason);
        }
    }
}

async fn reject_unknown_users(context: &ServiceContext, items: &mut Items) -> Result<()> {
    let users: HashSet<Uuid> = valid(items).flat_map(CommentImport::users).map(|(_, user)| user).collect();
    let known = known_users(&context.siblings, &Vec::from_iter(users), false).await?;
    reject(items, |item| {
        let (field, user) = item.users().find(|(_, user)| !known.contains(user))?;
        Some(format!("{field}: {user} does not exist"))
    });
    Ok(())
}

async fn find_projects_of_tasks(context: &ServiceContext, items: &Items) -> Result<HashMap<Uuid, Uuid>> {
    let tasks: HashSet<Uuid> = targets(items, EntityType::Task).collect();
    let lookups = tasks.into_iter().map(|task| async move {
        match resolve_task(context, task).await {
            Ok(project) => Ok(Some((task, project))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let found: Vec<_> = stream::iter(lookups).buffer_unordered(MAX_CONCURRENT_LOOKUPS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn set_projects(items: &mut Items, project_of: impl Fn(ContentTarget) -> Option<Uuid>) {
    for item in items {
        let Ok(import) = &mut item.value else { continue };
        let target = import.comment.target();
        match project_of(target) {
            Some(project) => import.comment.project_id = project,
            None => item.value = Err(format!("target: {} does not exist", target.id)),
        }
    }
}

/// Inserts comments, then replies to comments that are there.
async fn insert(tx: &Transaction, mut items: Vec<ImportItem<CommentImport>>) -> Result<Vec<ImportResult>> {
    let mut new = insert_where(tx, &items, |import| import.comment.parent_id.is_none()).await?;
    let parents: HashSet<Uuid> = valid(&items).filter_map(|item| item.comment.parent_id).collect();
    let roots = queries::find_roots(tx, Vec::from_iter(parents)).await?;
    reject(&mut items, |item| {
        let parent = item.comment.parent_id?;
        let fits = roots.get(&parent) == Some(&item.comment.target());
        (!fits).then(|| format!("parent_id: {parent} does not begin a thread on this target"))
    });
    new.extend(insert_where(tx, &items, |import| import.comment.parent_id.is_some()).await?);
    let result = |ImportItem { line, value }: ImportItem<CommentImport>| match value {
        Err(reason) => refused(line, reason),
        // An id that occurs twice is created once.
        Ok(import) if new.remove(&import.comment.id) => created(line),
        Ok(_) => unchanged(line),
    };
    Ok(items.into_iter().map(result).collect())
}

/// Inserts those of the items that are not there, and returns their ids.
async fn insert_where(
    tx: &Transaction,
    items: &Items,
    is_chosen: impl Fn(&CommentImport) -> bool,
) -> Result<HashSet<Uuid>> {
    let chosen: Vec<&CommentImport> = valid(items).filter(|import| is_chosen(import)).collect();
    let comments: Vec<_> = chosen.iter().map(|import| import.comment.clone()).collect();
    let new = queries::insert_comments(tx, &comments).await?;
    let mut seen = HashSet::new();
    let inserted: Vec<&CommentImport> = chosen
        .into_iter()
        .filter(|import| new.contains(&import.comment.id) && seen.insert(import.comment.id))
        .collect();
    let versions = inserted.iter().flat_map(|import| import.versions.iter().cloned()).collect();
    queries::insert_comment_versions(tx, versions).await?;
    let reactions = inserted.iter().flat_map(|import| import.placed_reactions()).collect();
    queries::insert_reactions(tx, reactions).await?;
    Ok(new)
}
