//! Proposals as tasks, documents and dependencies; categories as projects.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context;
use uuid::Uuid;

use super::fields::{category, document_id, document_status, metadata, task_id, task_status, title};
use super::id;
use super::input::{self, History, Proposal};
use super::people::{People, Person};
use super::records::{Dependency, Document, DocumentVersion, Member, Moment, Project, Task};

/// All proposals, and what follows from all of them together.
pub struct Proposals<'a> {
    all: &'a [Proposal],
    people: &'a People,
    edited: &'a BTreeMap<u32, (Moment, Moment)>,
    /// The date of the oldest proposal.
    oldest: Moment,
    categories: BTreeMap<&'a str, Category>,
}

/// A project to be.
struct Category {
    owner: Uuid,
    authors: BTreeSet<Uuid>,
    since: Moment,
}

impl<'a> Proposals<'a> {
    /// # Errors
    /// When nobody is an author, or no proposal has a date.
    pub(super) fn new(
        all: &'a [Proposal],
        people: &'a People,
        edited: &'a BTreeMap<u32, (Moment, Moment)>,
    ) -> anyhow::Result<Self> {
        let oldest = all.iter().filter_map(|proposal| proposal.created).min();
        let oldest = oldest.context("no proposal has a date")?;
        let mut proposals = Self { all, people, edited, oldest, categories: BTreeMap::new() };
        let busiest = proposals.busiest(all.iter()).context("no proposal has an author")?;
        let mut members = BTreeMap::<&str, Vec<&Proposal>>::new();
        for proposal in all {
            members.entry(category(proposal)).or_default().push(proposal);
        }
        for (name, members) in members {
            let owner = proposals.busiest(members.iter().copied()).unwrap_or(busiest);
            let authors =
                members.iter().flat_map(|proposal| proposals.authors(proposal)).map(|person| person.id);
            let since = members.iter().map(|proposal| proposals.created(proposal)).min();
            let category = Category { owner, authors: authors.collect(), since: since.unwrap_or(oldest) };
            proposals.categories.insert(name, category);
        }
        Ok(proposals)
    }

    pub(super) fn numbered(&self, number: u32) -> Option<&'a Proposal> {
        self.all.iter().find(|proposal| proposal.number == number)
    }

    /// The first author, or the project's owner when nobody is named.
    pub(super) fn creator(&self, proposal: &Proposal) -> Uuid {
        let first = self.authors(proposal).next().map(|person| person.id);
        first
            .unwrap_or_else(|| self.categories.get(category(proposal)).map(|it| it.owner).unwrap_or_default())
    }

    /// Its date, else that of its first version, else that of the oldest proposal.
    pub(super) fn created(&self, proposal: &Proposal) -> Moment {
        let first_edit = || self.edited.get(&proposal.number).map(|(first, _)| *first);
        proposal.created.or_else(first_edit).unwrap_or(self.oldest)
    }

    /// The date of somebody's first proposal.
    pub(super) fn first_of(&self, person: Uuid) -> Option<Moment> {
        let own = self.all.iter().filter(|proposal| self.authors(proposal).any(|author| author.id == person));
        own.map(|proposal| self.created(proposal)).min()
    }

    pub(super) fn projects(&self) -> impl Iterator<Item = Project> {
        self.categories.iter().map(|(name, category)| Project {
            id: id("project", name),
            name: (*name).to_owned(),
            owner_id: category.owner,
            visibility: "PROJECT_VISIBILITY_PUBLIC",
            created_at: category.since,
        })
    }

    /// The owner is a member without a line.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        self.categories.iter().flat_map(|(name, category)| {
            let others = category.authors.iter().filter(|author| **author != category.owner);
            others.map(|author| Member {
                project_id: id("project", name),
                user_id: *author,
                role: "PROJECT_ROLE_MEMBER",
                joined_at: self.first_of(*author).map(|first| first.max(category.since)),
            })
        })
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = Task> {
        self.all.iter().map(|proposal| {
            let created = self.created(proposal);
            Task {
                id: task_id(proposal.number),
                project_id: id("project", category(proposal)),
                title: title(proposal),
                status: task_status(&proposal.status),
                creator_id: self.creator(proposal),
                tags: vec![proposal.status.clone()],
                metadata: metadata(proposal),
                created_at: Some(created),
                updated_at: self.edited.get(&proposal.number).map(|(_, last)| created.max(*last)),
            }
        })
    }

    pub(super) fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        self.all.iter().flat_map(|proposal| {
            proposal.requires.iter().map(|required| Dependency {
                task_id: task_id(proposal.number),
                depends_on_task_id: task_id(*required),
                dependency_type: "DEPENDENCY_TYPE_BLOCKS",
                created_at: self.created(proposal),
            })
        })
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = Document> {
        self.all.iter().map(|proposal| Document {
            id: document_id(proposal.number),
            project_id: id("project", category(proposal)),
            title: title(proposal),
            content_type: "markdown",
            author_id: self.creator(proposal),
            status: document_status(&proposal.status),
            metadata: metadata(proposal),
            created_at: self.created(proposal),
        })
    }

    pub(super) fn versions_without_history(&self) -> impl Iterator<Item = DocumentVersion> {
        let without = self.all.iter().filter(|proposal| !self.edited.contains_key(&proposal.number));
        without.map(|proposal| DocumentVersion {
            document_id: document_id(proposal.number),
            version_number: 1,
            content: proposal.body.clone(),
            change_summary: None,
            author_id: self.creator(proposal),
            created_at: Some(self.created(proposal)),
        })
    }

    /// The versions of a known proposal. Whoever is no author has the task's creator stand in for them.
    pub(super) fn versions_of(&self, history: History) -> Vec<DocumentVersion> {
        let Some(proposal) = self.numbered(history.number) else { return Vec::new() };
        let numbered = (1..).zip(history.versions);
        let version = |(number, version): (i32, input::Version)| DocumentVersion {
            document_id: document_id(proposal.number),
            version_number: number,
            content: version.body,
            change_summary: Some(version.summary),
            author_id: self
                .people
                .called(&version.by)
                .map_or_else(|| self.creator(proposal), |person| person.id),
            created_at: input::moment(version.at),
        };
        numbered.map(version).collect()
    }

    fn authors(&self, proposal: &'a Proposal) -> impl Iterator<Item = &'a Person> {
        proposal.authors.iter().filter_map(|author| self.people.find(author))
    }

    /// Who wrote most of these; among equals the first by username.
    fn busiest(&self, proposals: impl Iterator<Item = &'a Proposal>) -> Option<Uuid> {
        let mut written = HashMap::<Uuid, (usize, &str)>::new();
        for person in proposals.flat_map(|proposal| self.authors(proposal)) {
            written.entry(person.id).or_insert((0, &person.username)).0 += 1;
        }
        let rank = |count: usize, name| (count, std::cmp::Reverse(name));
        written.into_iter().max_by_key(|(_, (count, name))| rank(*count, *name)).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eips::fields::MAX_TITLE_CHARS;
    use crate::eips::input::Author;

    fn proposal(number: u32, category: Option<&str>, authors: &[&str], created: Option<i64>) -> Proposal {
        let author =
            |handle: &&str| Author { name: format!("The {handle}"), handle: Some((*handle).to_owned()) };
        Proposal {
            number,
            title: "x".repeat(300),
            authors: authors.iter().map(author).collect(),
            status: "Stagnant".to_owned(),
            kind: Some("Meta".to_owned()),
            category: category.map(str::to_owned),
            created: created.and_then(input::moment),
            requires: if number == 2 { vec![1] } else { Vec::new() },
            body: format!("body {number}"),
            ..Default::default()
        }
    }

    fn sample() -> Vec<Proposal> {
        vec![
            proposal(1, Some("Core"), &["olga", "gus"], Some(3000)),
            proposal(2, Some("Core"), &["gus"], Some(2000)),
            proposal(3, None, &["olga"], Some(5000)),
            proposal(4, Some("Old"), &[], None),
            proposal(5, Some("Old"), &[], None),
        ]
    }

    fn with_sample(check: impl FnOnce(&Proposals<'_>, &People)) {
        let (all, times) = (sample(), |at| input::moment(at).unwrap());
        let people = People::of(&all);
        let edited = BTreeMap::from([(1, (times(3500), times(9000))), (5, (times(7000), times(8000)))]);
        check(&Proposals::new(&all, &people, &edited).unwrap(), &people);
    }

    #[test]
    fn categories_are_projects_of_their_busiest_author() {
        with_sample(|proposals, people| {
            let gus = people.called("gus").unwrap().id;
            let olga = people.called("olga").unwrap().id;
            let owners: Vec<_> =
                proposals.projects().map(|project| (project.name, project.owner_id)).collect();
            let expected = [("Core", gus), ("Meta", olga), ("Old", gus)];
            assert_eq!(owners, expected.map(|(name, owner)| (name.to_owned(), owner)));
            let members: Vec<_> =
                proposals.members().map(|member| (member.project_id, member.user_id)).collect();
            assert_eq!(members, [(id("project", "Core"), olga)]);
        });
    }

    #[test]
    fn a_task_has_a_creator_a_date_and_a_short_title_in_any_case() {
        with_sample(|proposals, people| {
            let tasks: Vec<_> = proposals.tasks().collect();
            let names = ["olga", "gus", "olga", "gus", "gus"].map(|name| people.called(name).unwrap().id);
            assert_eq!(tasks.iter().map(|task| task.creator_id).collect::<Vec<_>>(), names);
            let created = [3000, 2000, 5000, 2000, 7000].map(input::moment);
            assert_eq!(tasks.iter().map(|task| task.created_at).collect::<Vec<_>>(), created);
            assert!(tasks.iter().all(|task| task.title.len() == MAX_TITLE_CHARS));
            assert_eq!(tasks[0].updated_at, input::moment(9000));
            assert_eq!(tasks[0].status, "TASK_STATUS_BLOCKED");
        });
    }

    #[test]
    fn what_is_required_blocks() {
        with_sample(|proposals, _| {
            let pairs: Vec<_> =
                proposals.dependencies().map(|it| (it.task_id, it.depends_on_task_id)).collect();
            assert_eq!(pairs, [(task_id(2), task_id(1))]);
        });
    }

    #[test]
    fn a_document_has_its_history_or_one_version() {
        with_sample(|proposals, people| {
            let alone: Vec<_> =
                proposals.versions_without_history().map(|version| version.document_id).collect();
            assert_eq!(alone, [2, 3, 4].map(document_id));
            let version = |by: &str| input::Version { at: 4000, by: by.to_owned(), ..Default::default() };
            let history = History { number: 1, versions: vec![version("The Gus"), version("a bot")] };
            let versions = proposals.versions_of(history);
            let authors = ["gus", "olga"].map(|name| people.called(name).unwrap().id);
            assert_eq!(versions.iter().map(|version| version.author_id).collect::<Vec<_>>(), authors);
            assert_eq!(versions.iter().map(|version| version.version_number).collect::<Vec<_>>(), [1, 2]);
        });
    }
}
