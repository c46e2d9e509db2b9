//! Round trips to PostgreSQL, counted on the connection.

use crate::harness::harness;
use proto::content::v1 as pb;
use proto::content::v1::content_edit::Edit;
use testkit::*;

use crate::diff_versions::{between, diff};
use crate::edit_content::{edit, line, send};
use crate::fixtures::{read, to_project, write};
use crate::resumable_uploads;

#[tokio::test]
async fn a_read_takes_one_round_trip_and_a_write_two() {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let document = olga.document(&project, "plan", "one").await;
    let filter = Some(pb::DocumentFilter { project_ids: vec![project.id.clone()], ..Default::default() });
    let list = pb::ListDocumentsRequest { filter, ..Default::default() };

    let get = counted.of(async || drop(read(&olga, &document.id).await.unwrap())).await;
    let list = counted.of(async || drop(olga.documents().list_documents(list.clone()).await.unwrap())).await;
    let create = counted.of(async || drop(olga.document(&project, "plan", "text").await)).await;
    let mut number = 0;
    let update = counted
        .of(async || {
            number += 1;
            write(&olga, &document.id, &format!("text {number}"), "").await.unwrap();
        })
        .await;
    assert_eq!((get, list, create, update), (1, 1, 2, 2));
}

#[tokio::test]
async fn a_long_history_costs_no_further_round_trip() {
    const VERSIONS: i32 = 60;
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let id = olga.document(&project, "plan", "start\nmiddle\nend\n").await.id;
    for number in 2..VERSIONS {
        write(&olga, &id, &format!("start {number}\nmiddle\nend\n"), "").await.unwrap();
    }
    let versions = pb::ListDocumentVersionsRequest {
        document_id: id.clone(),
        include_content: true,
        ..Default::default()
    };
    let in_project = Some(pb::DocumentFilter { project_ids: vec![project.id], ..Default::default() });
    let words =
        pb::SearchDocumentsRequest { query: "middle".into(), filter: in_project, ..Default::default() };

    let get = counted.of(async || drop(read(&olga, &id).await.unwrap())).await;
    let list = counted
        .of(async || {
            drop(olga.documents().list_document_versions(versions.clone()).await.unwrap());
        })
        .await;
    let diff = counted.of(async || drop(diff(&olga, between(&id, 1, 0)).await.unwrap())).await;
    let search =
        counted.of(async || drop(olga.documents().search_documents(words.clone()).await.unwrap())).await;
    let mut merge = u64::MAX;
    for number in 0..RoundTrips::CALLS {
        let base = read(&olga, &id).await.unwrap().version;
        send(&olga, edit(&id, 0, Edit::Append("more\n".to_owned()))).await.unwrap();
        let merged = send(&olga, edit(&id, base, line(2, 1, &format!("middle {number}\n"))));
        merge = merge.min(counted.during(merged).await.1);
    }
    let append = counted
        .of(async || {
            drop(send(&olga, edit(&id, 0, Edit::Append("more\n".to_owned()))).await.unwrap());
        })
        .await;
    assert_eq!((get, list, diff, search), (1, 1, 1, 1));
    assert!(merge <= 2 && append <= 2, "merge {merge}, append {append}");
}

#[tokio::test]
async fn reading_an_upload_takes_one_round_trip_and_changing_it_two() {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    let upload = pb::Upload {
        target: to_project(&project.id),
        filename: "film.bin".to_owned(),
        size: 3,
        ..Default::default()
    };
    let request = || resumable_uploads::request_for(upload.clone());
    let mut made = Vec::new();
    let create =
        counted.of(async || made.push(resumable_uploads::create(&olga, request()).await.unwrap())).await;
    let get = counted.of(async || drop(resumable_uploads::get(&olga, &made[0].id).await.unwrap())).await;
    for upload in &made {
        resumable_uploads::send(&olga, &upload.id, 0, b"abc").await.unwrap();
    }
    let mut arrived = made.iter();
    let complete = counted
        .of(async || drop(resumable_uploads::complete(&olga, &arrived.next().unwrap().id, "").await.unwrap()))
        .await;
    assert_eq!((create, get, complete), (2, 1, 2));
}
