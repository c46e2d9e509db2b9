//! Limits of invitations, and what their emails quote.

use crate::calls::*;
use crate::fixtures::{Team, team};
use crate::harness::harness;
use proto::project::v1::{Invitation, Project};
use testkit::*;

#[tokio::test]
async fn invitations_are_limited_per_project_inviter_and_resend() {
    let Team { suite, olga, ada, project, .. } = team().await;
    let many = |inviter: &Actor, count: i32, prefix: &str| {
        format!(
            "INSERT INTO project.invitations (project_id, email, role, inviter_id, sent_at, expires_at) \
             SELECT '{}', '{prefix}' || n || '@example.org', 'viewer', '{}', now(), now() + interval '1 day' \
             FROM generate_series(1, {count}) n",
            project.id, inviter.id
        )
    };
    suite.execute(&many(&olga, 99, "o")).await;
    let last = invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let refusal = invite(&olga, inviting(&project, "eve@example.org", VIEWER)).await.unwrap_err();
    assert_eq!(summary(&refusal), "RESOURCE_EXHAUSTED RATE_LIMITED");
    suite.mail_to("gus@example.org", 1).await;

    let mut etag = last.etag;
    for _ in 1..5 {
        etag = resend_invitation(&olga, &Invitation { id: last.id.clone(), ..last_of(&project) }, &etag)
            .await
            .unwrap()
            .etag;
    }
    let refusal = resend_invitation(&olga, &Invitation { id: last.id.clone(), ..last_of(&project) }, "")
        .await
        .unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TOO_MANY_INVITATIONS");

    suite.execute(&many(&olga, 100, "p")).await;
    let refusal = invite(&ada, inviting(&project, "eve@example.org", VIEWER)).await.unwrap_err();
    assert_eq!(summary(&refusal), "FAILED_PRECONDITION TOO_MANY_INVITATIONS");
}

fn last_of(project: &Project) -> Invitation {
    Invitation { project_id: project.id.clone(), ..Default::default() }
}

#[tokio::test]
async fn emails_to_one_address_are_limited_over_all_projects_and_inviters() {
    let Team { suite, olga, ada, project, .. } = team().await;
    let other = ada.project("gemini").await;
    let earlier = format!(
        "INSERT INTO project.invitations (project_id, email, role, inviter_id, mail_id, generation, status, \
         sent_at, expires_at) \
         SELECT '{}', 'gus@example.org', 'viewer', '{}', gen_random_uuid(), 3, 'withdrawn', now(), now() \
         FROM generate_series(1, 3) n",
        other.id, ada.id
    );
    suite.execute(&earlier).await;
    let last = invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let refused = "RESOURCE_EXHAUSTED RATE_LIMITED";
    assert_eq!(summary(&resend_invitation(&olga, &last, "").await.unwrap_err()), refused);
    let refusal = invite(&ada, inviting(&other, "gus@example.org", VIEWER)).await.unwrap_err();
    assert_eq!(summary(&refusal), refused);
    invite(&ada, inviting(&other, "eve@example.org", VIEWER)).await.unwrap();
}

#[tokio::test]
async fn an_email_has_no_link_from_the_project_name() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("win at http://evil.example/x").await;
    invite(&olga, inviting(&project, "gus@example.org", VIEWER)).await.unwrap();
    let mail = suite.mail_to("gus@example.org", 1).await;
    for part in [&mail.subject, &mail.text] {
        assert!(part.contains("win at") && !part.contains("evil.example"), "{part}");
    }
}

#[tokio::test]
async fn an_address_that_no_mail_reaches_is_not_invited() {
    let Team { suite: _suite, olga, project, .. } = team().await;
    for address in ["a@b", "a@localhost", "a@[127.0.0.1]", "\"quoted\"@example.org", "a\u{200b}@example.org"]
    {
        let refused = invite(&olga, inviting(&project, address, VIEWER)).await.unwrap_err();
        assert_eq!(violations(&refused), ["invitation.email"], "{address}");
    }
    invite(&olga, inviting(&project, "o'neil@example.org", VIEWER)).await.unwrap();
}
