use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{
    ListProjectsRequest, ListProjectsResponse, Project, ProjectFilter, ProjectOrder, ProjectRole,
};
use testkit::*;
use tonic::Status;

async fn list(who: &Actor, request: ListProjectsRequest) -> Result<ListProjectsResponse, Status> {
    Ok(who.projects().list_projects(request).await?.into_inner())
}

fn filtered(filter: ProjectFilter) -> ListProjectsRequest {
    ListProjectsRequest { filter: Some(filter), ..Default::default() }
}

async fn names(who: &Actor, request: ListProjectsRequest) -> Vec<String> {
    list(who, request).await.unwrap().projects.into_iter().map(|project| project.name).collect()
}

#[tokio::test]
async fn visible_projects_are_listed_newest_first() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    olga.project("private").await;
    project_seen_by(&olga, "internal", INTERNAL).await;
    project_seen_by(&olga, "public", PUBLIC).await;
    let shared = olga.project("shared").await;
    olga.add(&shared, &gus, ProjectRole::Viewer).await;

    let all = ListProjectsRequest::default;
    assert_eq!(names(&olga, all()).await, ["shared", "public", "internal", "private"]);
    assert_eq!(names(&gus, all()).await, ["shared", "public", "internal"]);
    assert_eq!(names(&suite.anonymous(), all()).await, ["public"]);
    let mine = filtered(ProjectFilter { member_only: true, ..Default::default() });
    assert_eq!(names(&gus, mine.clone()).await, ["shared"]);
    assert!(names(&suite.anonymous(), mine).await.is_empty());
}

#[tokio::test]
async fn list_projects_filters_by_status_and_owner() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let old = project_seen_by(&olga, "old", PUBLIC).await;
    archive(&olga, &old, "").await.unwrap();
    project_seen_by(&olga, "new", PUBLIC).await;
    project_seen_by(&gus, "of gus", PUBLIC).await;

    let archived = filtered(ProjectFilter { statuses: vec![ARCHIVED], ..Default::default() });
    assert_eq!(names(&gus, archived).await, ["old"]);
    let both = filtered(ProjectFilter { statuses: vec![ARCHIVED, ACTIVE], ..Default::default() });
    assert_eq!(names(&gus, both).await, ["of gus", "new", "old"]);
    let of_owners = |owners: &[&Actor]| {
        let owner_ids = owners.iter().map(|owner| owner.id.to_string()).collect();
        filtered(ProjectFilter { owner_ids, ..Default::default() })
    };
    assert_eq!(names(&gus, of_owners(&[&olga])).await, ["new", "old"]);
    assert_eq!(names(&gus, of_owners(&[&olga, &gus])).await, ["of gus", "new", "old"]);
}

#[tokio::test]
async fn pages_have_no_gaps_or_overlaps() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for n in 0..7 {
        olga.project(&n.to_string()).await;
    }
    let mut request = ListProjectsRequest { page_size: 3, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = list(&olga, request.clone()).await.unwrap();
        pages.push(page.projects.into_iter().map(|project| project.name).collect::<Vec<_>>());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [vec!["6", "5", "4"], vec!["3", "2", "1"], vec!["0"]]);
}

#[tokio::test]
async fn a_page_token_is_bound_to_its_query_and_caller() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    project_seen_by(&olga, "one", PUBLIC).await;
    project_seen_by(&olga, "two", PUBLIC).await;
    let first = ListProjectsRequest { page_size: 1, ..Default::default() };
    let page_token = list(&olga, first.clone()).await.unwrap().next_page_token;
    let next = ListProjectsRequest { page_token, ..first };

    let filter = Some(ProjectFilter { member_only: true, ..Default::default() });
    let elsewhere = ListProjectsRequest { filter, ..next.clone() };
    let forged = ListProjectsRequest { page_token: format!("{}A", next.page_token), ..next.clone() };
    for refusal in [
        list(&gus, next.clone()).await.unwrap_err(),
        list(&olga, elsewhere).await.unwrap_err(),
        list(&olga, forged).await.unwrap_err(),
    ] {
        assert_eq!(summary(&refusal), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
    }
    assert_eq!(names(&olga, next).await, ["one"]);
}

#[tokio::test]
async fn every_violation_is_reported() {
    let suite = harness().start().await;
    let filter = ProjectFilter {
        statuses: vec![0, 77],
        owner_ids: vec!["olga".to_owned()],
        member_only: true,
        visibilities: vec![9],
        member_id: "gus".to_owned(),
        text: "x".repeat(201),
    };
    let garbage =
        ListProjectsRequest { filter: Some(filter), page_size: -1, page_token: "\0".to_owned(), order: 77 };
    let refusal = list(&suite.anonymous(), garbage).await.unwrap_err();
    let filters = ["member_id", "statuses[0]", "statuses[1]", "visibilities[0]", "owner_ids[0]", "text"];
    let filters = filters.map(|field| format!("filter.{field}"));
    let found = violations(&refusal);
    assert_eq!(
        (&found[..2], &found[2..]),
        (["page_size", "order"].map(str::to_owned).as_slice(), filters.as_slice())
    );
    let owner_ids = (0..101).map(|_| new_id()).collect();
    let many = filtered(ProjectFilter { owner_ids, ..Default::default() });
    assert_eq!(violations(&list(&suite.anonymous(), many).await.unwrap_err()), ["filter.owner_ids"]);
}

#[tokio::test]
async fn list_projects_filters_by_visibility_member_and_text() {
    let suite = harness().start().await;
    let [olga, gus, vera] = suite.guests(["olga", "gus", "vera"]).await;
    let apollo = project_seen_by(&olga, "Apollo 100%", PUBLIC).await;
    let gemini = olga.project("gemini").await;
    let described = Project { description: Some("before APOLLO".to_owned()), ..gemini.clone() };
    update(&olga, described, &["description"]).await.unwrap();
    project_seen_by(&olga, "mercury", INTERNAL).await;
    olga.add(&apollo, &gus, ProjectRole::Viewer).await;
    olga.add(&gemini, &vera, ProjectRole::Viewer).await;

    let seen = |visibilities: Vec<i32>| filtered(ProjectFilter { visibilities, ..Default::default() });
    assert_eq!(names(&olga, seen(vec![INTERNAL])).await, ["mercury"]);
    assert_eq!(names(&olga, seen(vec![INTERNAL, PUBLIC])).await, ["mercury", "Apollo 100%"]);
    let with = |who: &Actor| ProjectFilter { member_id: who.id.to_string(), ..Default::default() };
    assert_eq!(names(&olga, filtered(with(&gus))).await, ["Apollo 100%"]);
    assert_eq!(
        names(&vera, filtered(with(&gus))).await,
        [""; 0],
        "vera is no member of it, and sees no members"
    );
    let both = filtered(ProjectFilter { member_only: true, ..with(&gus) });
    assert_eq!(names(&gus, both).await, ["Apollo 100%"]);
    let about = |text: &str| filtered(ProjectFilter { text: text.to_owned(), ..Default::default() });
    assert_eq!(names(&olga, about("apollo")).await, ["gemini", "Apollo 100%"]);
    assert_eq!(names(&olga, about("0%")).await, ["Apollo 100%"]);
    assert_eq!(names(&olga, about("_")).await, [""; 0]);
}

/// Reads pages of two in every order while the list changes.
#[tokio::test]
async fn every_order_holds_across_pages() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for name in ["b", "A", "d", "C", "e"] {
        olga.project(name).await;
    }
    let a =
        list(&olga, filtered(ProjectFilter { text: "A".to_owned(), ..Default::default() })).await.unwrap();
    let described = Project { description: Some("changed last".to_owned()), ..a.projects[0].clone() };
    update(&olga, described, &["description"]).await.unwrap();
    for (order, expected) in [
        (ProjectOrder::CreatedDesc, "eCdAb"),
        (ProjectOrder::CreatedAsc, "bAdCe"),
        (ProjectOrder::UpdatedDesc, "AeCdb"),
        (ProjectOrder::UpdatedAsc, "bdCeA"),
        (ProjectOrder::NameAsc, "AbCde"),
        (ProjectOrder::NameDesc, "edCbA"),
    ] {
        let mut request = ListProjectsRequest { page_size: 2, order: order.into(), ..Default::default() };
        let mut seen = String::new();
        loop {
            let page = list(&olga, request.clone()).await.unwrap();
            seen.extend(page.projects.into_iter().map(|project| project.name));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, expected, "{order:?}");
    }
}

#[tokio::test]
async fn a_page_starts_after_the_last_row_even_if_it_was_deleted() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let mut made = Vec::new();
    for name in ["a", "b", "c", "d"] {
        made.push(olga.project(name).await);
    }
    let by_name =
        ListProjectsRequest { page_size: 2, order: ProjectOrder::NameAsc.into(), ..Default::default() };
    let first = list(&olga, by_name.clone()).await.unwrap();
    delete(&olga, &made[0], "").await.unwrap();
    delete(&olga, &made[1], "").await.unwrap();
    let next = ListProjectsRequest { page_token: first.next_page_token, ..by_name };
    assert_eq!(names(&olga, next).await, ["c", "d"]);
}

/// Descriptions as long as allowed, of characters of three bytes: all of them in one page would exceed the largest
/// message many times.
#[tokio::test]
async fn a_page_of_long_descriptions_ends_early() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let statement = format!(
        "INSERT INTO project.projects (name, description, owner_id, visibility) \
         SELECT 'long ' || n, repeat('\u{6708}', 100000), '{}', 'public' FROM generate_series(1, 50) n",
        olga.id
    );
    suite.execute(&statement).await;
    for who in [olga, suite.anonymous()] {
        let mut request = ListProjectsRequest::default();
        let mut pages = Vec::new();
        loop {
            let page = list(&who, request.clone()).await.unwrap();
            pages.push(page.projects.len());
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(pages.iter().sum::<usize>(), 50, "{pages:?}");
        assert!(pages.len() > 4 && pages.iter().all(|size| *size > 0), "{pages:?}");
    }
}

/// JSON is larger in a message than in the database.
#[tokio::test]
async fn a_page_of_large_settings_ends_early() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let statement = format!(
        "INSERT INTO project.projects (name, owner_id, settings) \
         SELECT 'large ' || n, '{}', jsonb_build_object('zeros', \
         (SELECT jsonb_agg(0) FROM generate_series(1, 20000))) FROM generate_series(1, 40) n",
        olga.id
    );
    suite.execute(&statement).await;
    let first = list(&olga, ListProjectsRequest::default()).await.unwrap();
    assert!((1..40).contains(&first.projects.len()), "{}", first.projects.len());
    assert!(!first.next_page_token.is_empty());
}
