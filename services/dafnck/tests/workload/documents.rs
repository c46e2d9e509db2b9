//! Documents of the workload.

use std::collections::BTreeSet;

use proto::content::v1 as content;
use proto::content::v1::content_edit::Edit;
use rand::Rng as _;
use rand::seq::IteratorRandom as _;
use testkit::{Actor, new_id};

use super::model::{Document, HIDDEN, OK, Project, User};
use super::{Answer, NAMES, Workload, documents_of};

const MAX_DOCUMENTS: usize = 4;

impl Workload {
    pub(super) async fn create_document(&mut self, user: User, id: &str, number: usize) {
        if self.projects[id].documents.len() == MAX_DOCUMENTS {
            return;
        }
        let expected = self.projects[id].create_document(user);
        let (title, text) = (format!("document{number}"), format!("content {number}\n"));
        let new = content::Document {
            project_id: id.to_owned(),
            title: title.clone(),
            content: Some(text.clone()),
            ..Default::default()
        };
        let request = content::CreateDocumentRequest {
            request_id: new_id(),
            document: Some(new),
            ..Default::default()
        };
        let documents = || self.actors[user].documents();
        let made = self.answer(async || documents().create_document(request.clone()).await).await;
        if self.compare("create document", &made, expected) {
            let documents = &mut self.projects.get_mut(id).unwrap().documents;
            documents.insert(made.message.unwrap().id, Document { title, versions: vec![text] });
        }
    }

    /// Mostly edits a document, sometimes deletes it.
    pub(super) async fn change_document(&mut self, user: User, id: &str, number: usize) {
        let document = self.projects[id].documents.keys().choose(&mut self.random).cloned();
        let Some(document) = document else { return };
        match self.random.random_bool(0.2) {
            true => self.delete_document(user, id, &document).await,
            false => self.edit_document(user, id, &document, number).await,
        }
    }

    async fn edit_document(&mut self, user: User, id: &str, document: &str, number: usize) {
        let newest = self.projects[id].documents[document].versions.len();
        // Mostly the newest version.
        let base = if self.random.random_bool(0.7) { newest } else { self.random.random_range(1..=newest) };
        let expected = self.projects[id].edit_document(user, document, base);
        let text = format!("edited {number}\n");
        let replacement =
            content::ContentReplacement { base_version: i32::try_from(base).unwrap(), content: text.clone() };
        let request = content::EditDocumentContentRequest {
            request_id: new_id(),
            document_id: document.to_owned(),
            edit: Some(content::ContentEdit { edit: Some(Edit::Replacement(replacement)) }),
            ..Default::default()
        };
        let documents = || self.actors[user].documents();
        let edited = self.answer(async || documents().edit_document_content(request.clone()).await).await;
        if self.compare("edit document", &edited, expected) {
            let documents = &mut self.projects.get_mut(id).unwrap().documents;
            documents.get_mut(document).unwrap().versions.push(text);
        }
    }

    async fn delete_document(&mut self, user: User, id: &str, document: &str) {
        let expected = self.projects[id].delete_document(user);
        let request =
            content::DeleteDocumentRequest { document_id: document.to_owned(), ..Default::default() };
        let documents = || self.actors[user].documents();
        let deleted = self.answer(async || documents().delete_document(request.clone()).await).await;
        if self.compare("delete document", &deleted, expected) {
            self.projects.get_mut(id).unwrap().documents.remove(document);
        }
    }

    /// Compares what the user sees of the documents of a project: in the list, one by one, and in a search.
    pub(super) async fn look_at_documents(&self, user: User, actor: &Actor, id: &str, project: &Project) {
        let Answer { got, message, .. } =
            self.answer(async || actor.documents().list_documents(documents_of(id)).await).await;
        if !project.is_visible(user) {
            assert_eq!(got, HIDDEN, "documents of {id} for {}", NAMES[user]);
        }
        let listed = message.unwrap_or_default().documents.into_iter();
        let seen: BTreeSet<_> = listed.map(|document| (document.id, document.version)).collect();
        let shown = project.documents.iter().filter(|_| project.is_visible(user));
        let version = |document: &Document| i32::try_from(document.versions.len()).unwrap();
        let expected = shown.map(|(id, document)| (id.clone(), version(document))).collect();
        assert_eq!(seen, expected, "documents of {id} for {}", NAMES[user]);

        for (document_id, document) in &project.documents {
            let request = content::GetDocumentRequest { document_id: document_id.clone() };
            let got = self.answer(async || actor.documents().get_document(request.clone()).await).await;
            let seen = got.message.map(|found| (found.title, found.content.unwrap_or_default()));
            let newest = (document.title.clone(), document.versions.last().unwrap().clone());
            assert_eq!(seen, project.is_visible(user).then_some(newest), "{document_id} for {}", NAMES[user]);
        }
        if let Some((document_id, document)) = project.documents.first_key_value() {
            let request =
                content::SearchDocumentsRequest { query: document.title.clone(), ..Default::default() };
            let got = self.answer(async || actor.documents().search_documents(request.clone()).await).await;
            assert_eq!(got.got, OK);
            let mut found = got.message.unwrap().matches.into_iter().filter_map(|found| found.document);
            let is_found = found.any(|found| found.id == *document_id);
            assert_eq!(is_found, project.is_visible(user), "{} for {}", document.title, NAMES[user]);
        }
    }
}
