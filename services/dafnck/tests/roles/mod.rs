//! Who may do what: every public method of project, task and content, called by everybody in a project of every kind.
//!
//! `table.txt` is what was seen, to be read by people; each of its cells is also worked out from the method's rule in
//! the proto and the table of roles in `shared::access`, by which nothing in the services is consulted. A method that
//! comes without a request in [`requests`] fails the test, and so does one whose rule and conduct differ.

mod new_columns;
mod requests;
mod sample;
mod task_requests;
mod without_read;
mod world;

use crate::harness::harness;
use std::collections::BTreeSet;
use std::fmt::Write;

use bytes::Bytes;
use expect_test::expect_file;
use futures::future::join_all;
use proto::common::Audience;
use proto::{MethodRule, MethodRules};
use shared::access::Permissions;
use testkit::{Suite, reason_of, summary};
use tonic::{Code, Status};

use crate::method_rules::{call, methods, path_of};
use sample::{Ids, Sample};
use world::{Kind, Person, World};

const PREFIX: &str = "/dafnck.";

const BATCH_GET_TASKS: &str = "task.v1.TaskService/BatchGetTasks";
const BATCH_COUNT_COMMENTS: &str = "content.v1.CommentService/BatchCountComments";

/// Methods for which more than the permission counts, and what. Their rows are looked at by people.
const DECIDED_BY_MORE: [(&str, &str); 26] = [
    ("project.v1.ProjectService/CreateProject", "touches no project that is there"),
    ("project.v1.ProjectService/ListProjects", "leaves out what the caller does not see"),
    ("project.v1.MemberService/LeaveProject", "is for members, whatever they may do"),
    ("project.v1.MemberService/AcceptInvitation", "is for whoever holds a token; this one is made up"),
    ("project.v1.MemberService/DeclineInvitation", "is for whoever holds a token; this one is made up"),
    ("project.v1.MemberService/GetOwnershipTransfer", "shows others than members nothing to be denied"),
    ("project.v1.MemberService/AcceptOwnership", "is for the one to whom the offer was made"),
    ("project.v1.MemberService/DeclineOwnership", "is for the one to whom the offer was made"),
    ("project.v1.MemberService/WithdrawOwnership", "is for the one who offers"),
    ("project.v1.NotificationService/ListSubscriptions", "is about what is the caller's own"),
    ("project.v1.NotificationService/Unsubscribe", "is about what is the caller's own"),
    ("project.v1.NotificationService/ListNotifications", "is about what is the caller's own"),
    ("project.v1.NotificationService/CountUnreadNotifications", "is about what is the caller's own"),
    ("project.v1.NotificationService/MarkNotificationsRead", "is about what is the caller's own"),
    ("project.v1.NotificationService/WatchInbox", "is about what is the caller's own"),
    (BATCH_GET_TASKS, "counts what the caller does not see as missing"),
    (BATCH_COUNT_COMMENTS, "counts what the caller does not see as nothing"),
    ("content.v1.CommentService/UpdateComment", "is for the author"),
    ("content.v1.CommentService/DeleteComment", "is for the author, and for others with another permission"),
    (
        "task.v1.TimeEntryService/UpdateTimeEntry",
        "is for whose time it is, and for others with another permission",
    ),
    (
        "task.v1.TimeEntryService/StopTimeEntry",
        "is for whose time it is, and for others with another permission",
    ),
    (
        "task.v1.TimeEntryService/DeleteTimeEntry",
        "is for whose time it is, and for others with another permission",
    ),
    ("content.v1.AttachmentService/UploadChunks", "is for the one who began the upload"),
    ("content.v1.AttachmentService/GetUpload", "is for the one who began the upload"),
    ("content.v1.AttachmentService/CompleteUpload", "is for the one who began the upload"),
    ("content.v1.AttachmentService/CancelUpload", "is for the one who began the upload"),
];

fn is_public(path: &str) -> bool {
    ["project.v1.", "task.v1.", "content.v1."].iter().any(|package| path[PREFIX.len()..].starts_with(package))
}

#[test]
fn there_is_a_request_for_every_public_method() {
    let public: BTreeSet<_> = methods().iter().map(path_of).filter(|path| is_public(path)).collect();
    let tried: BTreeSet<_> =
        requests::all(&Ids::default()).iter().map(|(method, _)| format!("{PREFIX}{method}")).collect();
    assert_eq!(tried, public);
}

/// Of a call that was answered before its permission was looked at.
const UNCLEAR: &str = "unclear";

/// What an answer says about permission: anything else than a refusal means that the call passed its check.
fn verdict(method: &str, answer: Result<Option<Bytes>, Status>) -> &'static str {
    let Err(status) = answer else { return "may" };
    match status.code() {
        Code::Unauthenticated => "sign in",
        Code::PermissionDenied => "denied",
        Code::NotFound => "hidden",
        Code::FailedPrecondition if reason_of(&status) == "PROJECT_READ_ONLY" => "read-only",
        // The file is empty, which is seen at its end.
        Code::InvalidArgument if method.ends_with("/UploadAttachment") => "may",
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => "may",
        _ => {
            eprintln!("{method} does not get as far as its check: {} {}", summary(&status), status.message());
            UNCLEAR
        }
    }
}

async fn tried(world: &World, person: Person, (method, message): Sample) -> &'static str {
    let who = world.actor(person);
    let authorization = who.session_token.as_ref().map(|token| format!("Bearer {token}"));
    let path = format!("{PREFIX}{method}");
    let answer = call(world.channel(&path), &path, authorization, message.into()).await;
    verdict(method, answer)
}

/// What a person may do by a method, by its rule and the table of roles alone.
fn expected(rule: &MethodRule, kind: Kind, person: Person) -> &'static str {
    if rule.audience == Audience::User && person == Person::Nobody {
        return "sign in";
    }
    let role = person.role();
    if role.is_none() && !kind.is_seen_by(person) {
        return "hidden";
    }
    let permissions = Permissions::of(role, None);
    let (suspended, _) = permissions.split_by_archiving();
    if !permissions.contains(rule.permission) {
        "denied"
    } else if kind == Kind::Archived && suspended.iter().any(|permission| permission == rule.permission) {
        "read-only"
    } else {
        "may"
    }
}

/// The rows of a table: a method and what each person was told.
type Rows = Vec<(&'static str, Vec<&'static str>)>;

async fn rows_of(suite: &Suite, kind: Kind) -> Rows {
    let world = World::of(suite, kind).await;
    let mut rows: Rows = Vec::new();
    for person in Person::ALL {
        for (place, sample) in requests::all(world.ids(person)).into_iter().enumerate() {
            let method = sample.0;
            let seen = tried(&world, person, sample).await;
            match rows.get_mut(place) {
                Some((_, cells)) => cells.push(seen),
                None => rows.push((method, vec![seen])),
            }
        }
    }
    rows
}

fn written(kind: Kind, rows: &Rows) -> String {
    let mut text = format!("{}\n{:<62}", kind.title(), "");
    Person::ALL.iter().for_each(|person| write!(text, "{:<11}", person.title()).unwrap());
    for (method, cells) in rows {
        write!(text, "\n{method:<62}").unwrap();
        cells.iter().for_each(|cell| write!(text, "{cell:<11}").unwrap());
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_rules_say_and_no_more() {
    let suite = &harness().start().await;
    let rules = MethodRules::suite();
    let all = join_all(Kind::ALL.map(|kind| async move { (kind, rows_of(suite, kind).await) })).await;
    let tables: Vec<_> = all.iter().map(|(kind, rows)| written(*kind, rows)).collect();
    assert!(!tables.concat().contains(UNCLEAR), "{}", tables.concat());
    expect_file!["./table.txt"].assert_eq(&tables.join("\n"));

    let mut unlike = BTreeSet::new();
    for (kind, rows) in &all {
        for (method, cells) in rows {
            let rule = rules.get(&format!("{PREFIX}{method}")).unwrap();
            let expected: Vec<_> = Person::ALL.iter().map(|person| expected(rule, *kind, *person)).collect();
            if expected != *cells {
                let known = DECIDED_BY_MORE.iter().any(|(known, _)| known == method);
                assert!(known, "{method} in a {kind:?} project: {cells:?}, but its rule says {expected:?}");
                unlike.insert(*method);
            }
        }
    }
    assert_eq!(unlike, DECIDED_BY_MORE.iter().map(|(method, _)| *method).collect());
}

/// The things of a project cannot be reached through another project, in which the caller may do everything.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_through_ones_own_project() {
    let suite = harness().start().await;
    let world = World::of(&suite, Kind::Private).await;
    let own = world.actor(Person::Stranger).project("of their own").await;
    let foreign = Ids { project: own.id.clone(), ..world.ids(Person::Stranger).clone() };
    // A key is the stranger's to choose, and people are anybody's to name.
    let Ids { owner, member, at, .. } = foreign.clone();
    let nothing = Ids { project: own.id, owner, member, at, ..Ids::default() };
    let mut tried_so = 0;
    for (sample, without) in requests::all(&foreign).into_iter().zip(requests::all(&nothing)) {
        let method = sample.0;
        if sample.1 != without.1 && ![BATCH_GET_TASKS, BATCH_COUNT_COMMENTS].contains(&method) {
            assert_eq!(tried(&world, Person::Stranger, sample).await, "hidden", "{method}");
            tried_so += 1;
        }
    }
    assert!(tried_so > 40, "{tried_so}");
}
