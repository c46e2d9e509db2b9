//! PostgreSQL itself keeps strangers out, whatever the code above it does.

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use expect_test::expect;
use futures::stream;
use local_servers::suite::Role;
use proto::content::admin::v1 as admin;
use proto::content::admin::v1::content_admin_service_client::ContentAdminServiceClient;
use testkit::*;
use tonic::service::interceptor::InterceptedService;
use uuid::Uuid;

use crate::fixtures::{comment, edit_comment, header, react, team, to_project, upload};

const TABLES: [&str; 6] = [
    "documents",
    "document_versions",
    "file_attachments",
    "comments",
    "comment_versions",
    "comment_reactions",
];

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn visible(conn: &mut AsyncPgConnection, user: Option<Uuid>) -> [i64; 6] {
    let user = user.map(|id| id.to_string()).unwrap_or_default();
    conn.batch_execute(&format!("SET app.current_user_id = '{user}'")).await.unwrap();
    let mut counts = [0; 6];
    for (count, table) in counts.iter_mut().zip(TABLES) {
        let query = sql_query(format!("SELECT count(*) FROM content.{table}"));
        *count = query.get_result::<Count>(conn).await.unwrap().count;
    }
    counts
}

#[tokio::test]
async fn a_stranger_sees_and_changes_no_row() {
    let s = team().await;
    s.mia.document(&s.project, "plan", "one").await;
    upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let comment = comment(&s.mia, to_project(&s.project.id), "one").await.unwrap();
    edit_comment(&s.mia, &comment.id, "two", "").await.unwrap();
    react(&s.mia, &comment.id, "👍").await.unwrap();
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    assert_eq!(visible(&mut conn, None).await, [0; 6]);
    assert_eq!(visible(&mut conn, Some(Uuid::nil())).await, [0; 6]);
    assert_eq!(visible(&mut conn, Some(s.gus.id)).await, [1; 6]);
    assert_eq!(visible(&mut conn, Some(s.sam.id)).await, [0; 6]);

    for change in [
        "UPDATE content.documents SET title = 'mine'",
        "DELETE FROM content.documents",
        "UPDATE content.file_attachments SET filename = 'mine'",
        "DELETE FROM content.file_attachments",
        "UPDATE content.comments SET content = 'mine'",
        "DELETE FROM content.comment_reactions",
    ] {
        assert_eq!(sql_query(change).execute(&mut conn).await.unwrap(), 0, "{change}");
    }
    let intruding = format!(
        "INSERT INTO content.documents (project_id, title, author_id) VALUES ('{}', 'mine', '{}')",
        s.project.id, s.sam.id
    );
    assert!(sql_query(intruding).execute(&mut conn).await.is_err());
}

#[tokio::test]
async fn versions_are_never_changed() {
    let s = team().await;
    s.mia.document(&s.project, "plan", "one").await;
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    visible(&mut conn, Some(s.olga.id)).await;
    for change in
        ["UPDATE content.document_versions SET content = ''", "DELETE FROM content.document_versions"]
    {
        assert!(sql_query(change).execute(&mut conn).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn comments_are_written_by_their_authors_and_never_deleted() {
    let s = team().await;
    comment(&s.mia, to_project(&s.project.id), "one").await.unwrap();
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    visible(&mut conn, Some(s.olga.id)).await;
    let (project, mia) = (&s.project.id, s.mia.id);
    let forged = format!(
        "INSERT INTO content.comments (id, project_id, entity_type, entity_id, author_id, content) \
         VALUES (gen_random_uuid(), '{project}', 'project', '{project}', '{mia}', 'forged')"
    );
    for change in [
        forged.as_str(),
        "DELETE FROM content.comments",
        "UPDATE content.comments SET author_id = author_id",
        "UPDATE content.comments SET entity_id = entity_id",
        "DELETE FROM content.comment_versions",
        "UPDATE content.comment_reactions SET emoji = emoji",
    ] {
        assert!(sql_query(change).execute(&mut conn).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn the_bytes_of_an_attachment_are_never_changed() {
    let s = team().await;
    upload(&s.mia, header(&s.project), b"abc", 3).await.unwrap();
    let mut conn = s.suite.connect_as(Role::requests_of("content")).await;
    visible(&mut conn, Some(s.olga.id)).await;
    for column in
        ["blob_id = blob_id", "sha256 = sha256", "entity_id = entity_id", "uploader_id = uploader_id"]
    {
        let change = format!("UPDATE content.file_attachments SET {column}");
        assert!(sql_query(change).execute(&mut conn).await.is_err(), "{column}");
    }
}

#[tokio::test]
async fn users_may_not_import() {
    let s = team().await;
    let channel = s.suite.channel(Service::Content);
    let bearer = Bearer(s.olga.session_token.clone());
    let mut imports = ContentAdminServiceClient::new(InterceptedService::new(channel, bearer));
    let documents = stream::iter([admin::ImportDocumentsRequest::default()]);
    let documents = imports.import_documents(documents).await.map(|_| ()).unwrap_err();
    expect!["PERMISSION_DENIED AUDIENCE_REFUSED"].assert_eq(&summary(&documents));
    let file = stream::iter([admin::ImportAttachmentRequest::default()]);
    let file = imports.import_attachment(file).await.unwrap_err();
    expect!["PERMISSION_DENIED AUDIENCE_REFUSED"].assert_eq(&summary(&file));
    let comments = stream::iter([admin::ImportCommentsRequest::default()]);
    let comments = imports.import_comments(comments).await.map(|_| ()).unwrap_err();
    expect!["PERMISSION_DENIED AUDIENCE_REFUSED"].assert_eq(&summary(&comments));
}
