//! Batches of documents and versions: each is one transaction.

use std::collections::{HashMap, HashSet};

use proto::common::ImportResult;
use shared::database::Transaction;
use shared::error::Result;
use shared::import::{created, refused, unchanged};
use shared::service::ServiceContext;
use shared::user_lookup::known_users;
use uuid::Uuid;

use super::queries::Last;
use super::wire::Batch;
use super::{Item, known_projects, queries};
use crate::documents::NewDocument;
use crate::entrance::Entrance;
use crate::versions::NewVersion;

/// Stores a batch, and tells what became of each item: first the documents, then the versions.
pub(super) async fn import(
    context: &ServiceContext,
    entrance: &Entrance,
    mut batch: Batch,
) -> Result<Vec<ImportResult>> {
    refuse_strangers(context, &mut batch).await?;
    refuse_homeless(context, entrance, &mut batch.documents).await?;
    let tx = context.worker.begin_background().await?;
    tx.keep_dates()?;
    let mut results = store_documents(&tx, batch.documents).await?;
    results.extend(store_versions(&tx, batch.versions).await?);
    tx.commit().await?;
    context.signal.announce();
    Ok(results)
}

/// Refuses items of authors who do not exist.
async fn refuse_strangers(context: &ServiceContext, batch: &mut Batch) -> Result<()> {
    let of_documents = batch.documents.iter().flat_map(|item| &item.checked).map(|d| d.author_id);
    let of_versions = batch.versions.iter().flat_map(|item| &item.checked).map(|v| v.author_id);
    let authors: HashSet<Uuid> = of_documents.chain(of_versions).collect();
    let known = known_users(&context.siblings, &Vec::from_iter(authors), false).await?;
    refuse_unknown(&mut batch.documents, "author_id", &known, |document| document.author_id);
    refuse_unknown(&mut batch.versions, "author_id", &known, |version| version.author_id);
    Ok(())
}

/// Refuses documents of projects that do not exist.
async fn refuse_homeless(
    context: &ServiceContext,
    entrance: &Entrance,
    documents: &mut [Item<NewDocument>],
) -> Result<()> {
    let projects = documents.iter().flat_map(|item| &item.checked).map(|d| d.project_id).collect();
    let known = known_projects(context, entrance, &projects).await?;
    refuse_unknown(documents, "project_id", &known, |document| document.project_id);
    Ok(())
}

fn refuse_unknown<T>(items: &mut [Item<T>], field: &str, known: &HashSet<Uuid>, id: impl Fn(&T) -> Uuid) {
    for item in items {
        if let Ok(checked) = &item.checked
            && !known.contains(&id(checked))
        {
            item.checked = Err(format!("{field}: {} does not exist", id(checked)));
        }
    }
}

async fn store_documents(tx: &Transaction, items: Vec<Item<NewDocument>>) -> Result<Vec<ImportResult>> {
    let good: Vec<NewDocument> = items.iter().flat_map(|item| &item.checked).cloned().collect();
    let mut new = match good.as_slice() {
        [] => HashSet::new(),
        good => queries::insert_documents(tx, good).await?,
    };
    let result = |Item { line, checked }: Item<NewDocument>| match checked {
        Err(reason) => refused(line, reason),
        // An id that comes twice is new only once.
        Ok(document) if new.remove(&document.id) => created(line),
        Ok(_) => unchanged(line),
    };
    Ok(items.into_iter().map(result).collect())
}

async fn store_versions(tx: &Transaction, items: Vec<Item<NewVersion>>) -> Result<Vec<ImportResult>> {
    let documents: HashSet<Uuid> =
        items.iter().flat_map(|item| &item.checked).map(|version| version.document_id).collect();
    if documents.is_empty() {
        return Ok(items.into_iter().filter_map(|i| i.checked.err().map(|e| refused(i.line, e))).collect());
    }
    let newest = queries::lock_documents(tx, documents.into_iter().collect()).await?;
    let (results, new) = sort_out(newest, items);
    if !new.is_empty() {
        queries::insert_versions(tx, &new).await?;
        queries::show_newest(tx, new.iter().map(|version| version.document_id).collect()).await?;
    }
    Ok(results)
}

/// Tells the versions that are next for their documents from those that are there and those that leave a gap.
fn sort_out(
    mut newest: HashMap<Uuid, Last>,
    items: Vec<Item<NewVersion>>,
) -> (Vec<ImportResult>, Vec<NewVersion>) {
    let mut new = Vec::with_capacity(items.len());
    let mut results = Vec::with_capacity(items.len());
    for Item { line, checked } in items {
        results.push(match checked {
            Err(reason) => refused(line, reason),
            Ok(mut version) => match newest.get_mut(&version.document_id) {
                None => refused(line, format!("document_id: {} does not exist", version.document_id)),
                Some(last) if version.version_number <= last.number => unchanged(line),
                Some(last) if version.version_number - 1 > last.number => refused(
                    line,
                    format!("version_number: version {} is missing", last.number.saturating_add(1)),
                ),
                Some(last) => {
                    last.number = version.version_number;
                    version.title.get_or_insert_with(|| last.title.clone());
                    new.push(version);
                    created(line)
                }
            },
        });
    }
    (results, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::common::ImportOutcome;

    #[test]
    fn versions_leave_no_gap() {
        let document_id = Uuid::now_v7();
        let version = |number| NewVersion {
            document_id,
            version_number: number,
            title: (number == 3).then(|| "then".to_owned()),
            content: String::new(),
            change_summary: None,
            author_id: document_id,
            created_at: None,
        };
        let last = Last { number: 2, title: "now".to_owned() };
        let items =
            [2, 3, 5, 3, 4].map(|number| Item { line: number as u64, checked: Ok(version(number)) }).into();
        let (results, new) = sort_out(HashMap::from([(document_id, last)]), items);
        let outcomes: Vec<_> = results.iter().map(ImportResult::outcome).collect();
        use ImportOutcome::{Created, Refused, Unchanged};
        assert_eq!(outcomes, [Unchanged, Created, Refused, Unchanged, Created]);
        let kept: Vec<_> = new.iter().map(|v| (v.version_number, v.title.as_deref())).collect();
        assert_eq!(kept, [(3, Some("then")), (4, Some("now"))]);
    }
}
