//! Imports of documents and versions; each batch is one transaction.

use std::collections::{HashMap, HashSet};

use proto::common::ImportResult;
use shared::database::Transaction;
use shared::error::Result;
use shared::import::{created, refused, unchanged};
use shared::service::ServiceContext;
use shared::user_lookup::known_users;
use uuid::Uuid;

use super::queries::LastVersion;
use super::wire::ImportBatch;
use super::{ImportItem, queries};
use crate::documents::NewDocument;
use crate::versions::NewVersion;
use shared::access::Authorizer;

/// Imports a batch and returns the result of each item, first of the documents, then of the versions.
pub(super) async fn import(
    context: &ServiceContext,
    authorizer: &Authorizer,
    mut batch: ImportBatch,
) -> Result<Vec<ImportResult>> {
    reject_unknown_authors(context, &mut batch).await?;
    reject_unknown_projects(authorizer, &mut batch.documents).await?;
    let tx = context.worker.begin_background().await?;
    tx.keep_dates()?;
    let mut results = insert_documents(&tx, batch.documents).await?;
    results.extend(insert_versions(&tx, batch.versions).await?);
    tx.commit().await?;
    context.signal.announce();
    Ok(results)
}

async fn reject_unknown_authors(context: &ServiceContext, batch: &mut ImportBatch) -> Result<()> {
    let of_documents = batch.documents.iter().flat_map(|item| &item.value).map(|d| d.author_id);
    let of_versions = batch.versions.iter().flat_map(|item| &item.value).map(|v| v.author_id);
    let authors: HashSet<Uuid> = of_documents.chain(of_versions).collect();
    let known = known_users(&context.siblings, &Vec::from_iter(authors), false).await?;
    reject_unknown(&mut batch.documents, "author_id", &known, |document| document.author_id);
    reject_unknown(&mut batch.versions, "author_id", &known, |version| version.author_id);
    Ok(())
}

async fn reject_unknown_projects(
    authorizer: &Authorizer,
    documents: &mut [ImportItem<NewDocument>],
) -> Result<()> {
    let projects: HashSet<Uuid> =
        documents.iter().flat_map(|item| &item.value).map(|document| document.project_id).collect();
    let known = authorizer.existing_projects(&Vec::from_iter(projects)).await?;
    reject_unknown(documents, "project_id", &known, |document| document.project_id);
    Ok(())
}

fn reject_unknown<T>(
    items: &mut [ImportItem<T>],
    field: &str,
    known: &HashSet<Uuid>,
    id: impl Fn(&T) -> Uuid,
) {
    for item in items {
        if let Ok(value) = &item.value
            && !known.contains(&id(value))
        {
            item.value = Err(format!("{field}: {} does not exist", id(value)));
        }
    }
}

async fn insert_documents(
    tx: &Transaction,
    items: Vec<ImportItem<NewDocument>>,
) -> Result<Vec<ImportResult>> {
    let valid: Vec<NewDocument> = items.iter().flat_map(|item| &item.value).cloned().collect();
    let mut new = match valid.as_slice() {
        [] => HashSet::new(),
        valid => queries::insert_documents(tx, valid).await?,
    };
    let result = |ImportItem { line, value }: ImportItem<NewDocument>| match value {
        Err(reason) => refused(line, reason),
        // An id that occurs twice is created once.
        Ok(document) if new.remove(&document.id) => created(line),
        Ok(_) => unchanged(line),
    };
    Ok(items.into_iter().map(result).collect())
}

async fn insert_versions(tx: &Transaction, items: Vec<ImportItem<NewVersion>>) -> Result<Vec<ImportResult>> {
    let documents: HashSet<Uuid> =
        items.iter().flat_map(|item| &item.value).map(|version| version.document_id).collect();
    if documents.is_empty() {
        return Ok(items.into_iter().filter_map(|i| i.value.err().map(|e| refused(i.line, e))).collect());
    }
    let newest = queries::lock_documents(tx, documents.into_iter().collect()).await?;
    let (results, new) = classify_versions(newest, items);
    if !new.is_empty() {
        queries::insert_versions(tx, &new).await?;
        queries::update_to_newest_versions(tx, new.iter().map(|version| version.document_id).collect())
            .await?;
    }
    Ok(results)
}

/// Separates versions that are next for their documents from those that exist and those that would leave a gap.
fn classify_versions(
    mut newest: HashMap<Uuid, LastVersion>,
    items: Vec<ImportItem<NewVersion>>,
) -> (Vec<ImportResult>, Vec<NewVersion>) {
    let mut new = Vec::with_capacity(items.len());
    let mut results = Vec::with_capacity(items.len());
    for ImportItem { line, value } in items {
        results.push(match value {
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
    fn versions_that_leave_a_gap_are_refused() {
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
        let last = LastVersion { number: 2, title: "now".to_owned() };
        let items = [2, 3, 5, 3, 4]
            .map(|number| ImportItem { line: number as u64, value: Ok(version(number)) })
            .into();
        let (results, new) = classify_versions(HashMap::from([(document_id, last)]), items);
        let outcomes: Vec<_> = results.iter().map(ImportResult::outcome).collect();
        use ImportOutcome::{Created, Refused, Unchanged};
        assert_eq!(outcomes, [Unchanged, Created, Refused, Unchanged, Created]);
        let inserted: Vec<_> = new.iter().map(|v| (v.version_number, v.title.as_deref())).collect();
        assert_eq!(inserted, [(3, Some("then")), (4, Some("now"))]);
    }
}
