use crate::calls::*;
use crate::harness::harness;
use prost_types::Timestamp;
use proto::common::{ImportOutcome, Permission};
use proto::project::admin::v1::project_admin_service_client::ProjectAdminServiceClient;
use proto::project::admin::v1::{ImportProjectsRequest, ImportedMember, ImportedProject};
use proto::project::v1::Project;
use shared::siblings::Sibling;
use testkit::*;
use tonic::Status;

const LONG_AGO: Option<Timestamp> = Some(Timestamp { seconds: 1_000_000_000, nanos: 5_000 });

/// The line of each item with its outcome or the reason of its refusal.
async fn import(suite: &Suite, batches: Vec<ImportProjectsRequest>) -> Result<Vec<Vec<String>>, Status> {
    let channel = suite.as_service("operator").channel(Sibling::Project);
    let mut client = ProjectAdminServiceClient::new(channel);
    let mut answers = client.import_projects(tokio_stream::iter(batches)).await?.into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.message().await? {
        let tell = |result: proto::common::ImportResult| match result.outcome() {
            ImportOutcome::Refused => format!("{} {}", result.line, result.reason),
            outcome => format!("{} {}", result.line, outcome.as_str_name().replace("IMPORT_OUTCOME_", "")),
        };
        outcomes.push(answer.results.into_iter().map(tell).collect());
    }
    Ok(outcomes)
}

fn project_of(line: u64, owner: &Actor) -> ImportedProject {
    ImportedProject {
        line,
        id: new_id(),
        name: "apollo".to_owned(),
        owner_id: owner.id.to_string(),
        created_at: LONG_AGO,
        ..Default::default()
    }
}

fn member_of(line: u64, project: &ImportedProject, who: &Actor, role: i32) -> ImportedMember {
    ImportedMember {
        line,
        project_id: project.id.clone(),
        user_id: who.id.to_string(),
        role,
        joined_at: LONG_AGO,
        ..Default::default()
    }
}

#[tokio::test]
async fn imported_items_keep_their_dates_and_are_stored_once() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let project = ImportedProject { status: ARCHIVED, ..project_of(1, &olga) };
    let members = vec![member_of(2, &project, &olga, OWNER), member_of(3, &project, &gus, VIEWER)];
    let batch = ImportProjectsRequest { projects: vec![project.clone()], members };

    let outcomes = import(&suite, vec![batch.clone(), batch]).await.unwrap();
    assert_eq!(outcomes[0], ["1 CREATED", "2 UNCHANGED", "3 CREATED"]);
    assert_eq!(outcomes[1], ["1 UNCHANGED", "2 UNCHANGED", "3 UNCHANGED"]);

    let there = Project { id: project.id, ..Default::default() };
    let found = get(&gus, &there).await.unwrap();
    assert_eq!((found.created_at, found.status, found.archived_at.is_some()), (LONG_AGO, ARCHIVED, true));
    for (who, role) in [(&olga, OWNER), (&gus, VIEWER)] {
        let member = get_member(&gus, &there, who).await.unwrap();
        assert_eq!((member.joined_at, member.role), (LONG_AGO, role));
    }
}

#[tokio::test]
async fn import_keeps_archive_dates_join_dates_and_permissions() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let archived = ImportedProject {
        status: ARCHIVED,
        updated_at: at(2_000_000_000),
        archived_at: at(1_900_000_000),
        owner_joined_at: at(1_800_000_000),
        ..project_of(1, &olga)
    };
    let active = ImportedProject { archived_at: at(1_900_000_000), ..project_of(2, &olga) };
    let member = ImportedMember {
        granted_permissions: vec![Permission::TaskDelete.into()],
        ..member_of(3, &archived, &gus, VIEWER)
    };
    let odd = ImportedMember {
        granted_permissions: vec![Permission::ProjectDelete.into()],
        ..member_of(4, &archived, &gus, VIEWER)
    };
    let batch = ImportProjectsRequest {
        projects: vec![archived.clone(), active],
        members: vec![member.clone(), odd],
    };

    let outcomes = import(&suite, vec![batch]).await.unwrap().remove(0);

    assert_eq!((outcomes[0].as_str(), outcomes[2].as_str()), ("1 CREATED", "3 CREATED"));
    assert_eq!(outcomes[1], "2 archived_at: is for archived projects only");
    assert_eq!(outcomes[3], "4 granted_permissions[0]: must be a permission that can be granted and denied");
    let there = Project { id: archived.id, ..Default::default() };
    let found = get(&gus, &there).await.unwrap();
    assert_eq!((found.updated_at, found.archived_at), (at(2_000_000_000), at(1_900_000_000)));
    let [owner, guest] = [&olga, &gus].map(|who| get_member(&gus, &there, who));
    let (owner, guest) = tokio::join!(owner, guest);
    assert_eq!(owner.unwrap().joined_at, at(1_800_000_000));
    assert_eq!(guest.unwrap().granted_permissions, member.granted_permissions);
}

#[tokio::test]
async fn a_refused_item_does_not_affect_others() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let good = project_of(4, &olga);
    let projects = vec![
        ImportedProject { id: "x".to_owned(), name: "\0".to_owned(), ..project_of(1, &olga) },
        ImportedProject { owner_id: new_id(), ..project_of(2, &olga) },
        ImportedProject { created_at: Some(Timestamp { seconds: 0, nanos: -1 }), ..project_of(3, &olga) },
        good.clone(),
        ImportedProject { line: 5, name: "again".to_owned(), ..good.clone() },
    ];
    let members = vec![
        member_of(6, &good, &gus, OWNER),
        ImportedMember { user_id: new_id(), ..member_of(7, &good, &gus, VIEWER) },
        ImportedMember { project_id: new_id(), ..member_of(8, &good, &gus, VIEWER) },
        ImportedMember { role: 77, ..member_of(9, &good, &gus, VIEWER) },
        member_of(10, &good, &gus, ADMIN),
        member_of(11, &good, &gus, VIEWER),
    ];
    let outcomes = import(&suite, vec![ImportProjectsRequest { projects, members }]).await.unwrap();
    let stored: Vec<&str> = outcomes[0]
        .iter()
        .filter(|outcome| outcome.ends_with("CREATED") || outcome.ends_with("UNCHANGED"))
        .map(String::as_str)
        .collect();
    assert_eq!(stored, ["4 CREATED", "5 UNCHANGED", "10 CREATED", "11 UNCHANGED"]);
    assert_eq!(outcomes[0].len(), 11);
    assert!(outcomes[0][0].starts_with("1 id: must be a UUID; name: "), "{}", outcomes[0][0]);
    assert!(outcomes[0][1].contains("there is no user"), "{}", outcomes[0][1]);
    assert_eq!(outcomes[0][5], "6 role: the project has another owner");
}

#[tokio::test]
async fn imported_projects_keep_their_keys_and_others_get_one() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let taken = olga.project("apollo").await;
    assert_eq!(taken.key, "APO");
    let with_key = |line, key: &str| ImportedProject { key: key.to_owned(), ..project_of(line, &olga) };
    let projects = vec![
        with_key(1, "MOON"),
        with_key(2, ""),
        with_key(3, "APO2"),
        with_key(4, "APO"),
        with_key(5, "MOON"),
        with_key(6, "moon"),
    ];
    let ids: Vec<String> = projects.iter().map(|project| project.id.clone()).collect();
    let batch = ImportProjectsRequest { projects, members: Vec::new() };
    let outcomes = import(&suite, vec![batch.clone(), batch]).await.unwrap();
    assert_eq!(outcomes[0][..3], ["1 CREATED", "2 CREATED", "3 CREATED"]);
    assert_eq!(outcomes[0][3], "4 key: APO is the key of another project");
    assert_eq!(outcomes[0][4], "5 key: MOON is the key of another project");
    assert!(outcomes[0][5].starts_with("6 key: must have"), "{}", outcomes[0][5]);
    assert_eq!(outcomes[1][..3], ["1 UNCHANGED", "2 UNCHANGED", "3 UNCHANGED"]);
    let mut keys = Vec::new();
    for id in ids.into_iter().take(3) {
        keys.push(get(&olga, &Project { id, ..Default::default() }).await.unwrap().key);
    }
    assert_eq!(keys, ["MOON", "APO3", "APO2"], "a given key is not assigned to another project");
}

#[tokio::test]
async fn a_batch_has_at_most_a_thousand_items() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let thousand: Vec<_> = (0..1000).map(|line| project_of(line, &olga)).collect();
    let batch = ImportProjectsRequest { projects: thousand, members: Vec::new() };
    let outcomes = import(&suite, vec![batch.clone()]).await.unwrap();
    assert!(outcomes[0].iter().all(|outcome| outcome.ends_with("CREATED")));

    let mut too_many = batch;
    too_many.projects.push(project_of(1000, &olga));
    let refusal = import(&suite, vec![too_many]).await.unwrap_err();
    assert_eq!(violations(&refusal), ["projects"]);
    let empty = import(&suite, vec![ImportProjectsRequest::default()]).await.unwrap();
    assert_eq!(empty, [Vec::<String>::new()]);
}

#[tokio::test]
async fn users_cannot_import() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let channel = suite.channel(Service::Project);
    let mut client = ProjectAdminServiceClient::with_interceptor(channel, Bearer(olga.session_token));
    let batches = tokio_stream::iter(Vec::<ImportProjectsRequest>::new());
    let refusal = client.import_projects(batches).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED AUDIENCE_REFUSED");
}
