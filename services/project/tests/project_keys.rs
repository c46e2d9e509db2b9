//! Keys of projects.

use crate::calls::*;
use crate::harness::harness;
use proto::project::v1::{Project, ProjectRole};
use testkit::*;

#[tokio::test]
async fn a_key_is_made_from_the_name() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    for (name, key) in [
        ("apollo", "APO"),
        ("Apollo 13", "APO2"),
        ("a-p-o", "APO3"),
        ("7 zip", "ZIP"),
        ("\u{6708}", "TSK"),
        ("x", "TSK2"),
    ] {
        assert_eq!(olga.project(name).await.key, key, "{name}");
    }
}

#[tokio::test]
async fn a_project_can_be_created_and_renamed_with_a_free_key() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let with_key =
        |key: &str| Project { name: "apollo".to_owned(), key: key.to_owned(), ..Default::default() };
    let moon = create(&olga, with_key("MOON")).await.unwrap();
    assert_eq!(moon.key, "MOON");
    let refusal = create(&gus, with_key("MOON")).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");
    let apollo = olga.project("apollo").await;
    let taken = Project { key: "MOON".to_owned(), ..apollo.clone() };
    let refusal = update(&olga, taken, &["key"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "ALREADY_EXISTS ALREADY_EXISTS");

    let renamed = update(&olga, Project { key: "SUN".to_owned(), ..moon.clone() }, &["key"]).await.unwrap();
    assert_eq!((renamed.key.as_str(), renamed.name.as_str()), ("SUN", "apollo"));
    create(&gus, with_key("MOON")).await.expect("the former key is free");
}

#[tokio::test]
async fn renaming_requires_project_update() {
    let suite = harness().start().await;
    let [olga, max] = suite.guests(["olga", "max"]).await;
    let project = olga.project("apollo").await;
    olga.add(&project, &max, ProjectRole::Member).await;
    let renamed = Project { key: "SUN".to_owned(), ..project };
    let refusal = update(&max, renamed, &["key"]).await.unwrap_err();
    assert_eq!(summary(&refusal), "PERMISSION_DENIED PERMISSION_MISSING");
}

#[tokio::test]
async fn concurrent_projects_of_one_name_get_different_keys() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let made = futures::future::join_all((0..12).map(|_| olga.project("apollo"))).await;
    let mut keys: Vec<String> = made.into_iter().map(|project| project.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 12, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("APO")), "{keys:?}");
}
