//! Addresses below domains outside of ASCII: one account, whichever way its address is written.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::admin::v1 as admin;
use proto::identity::v1 as pb;
use testkit::*;

const STORED: &str = "olga@xn--80a1acny.xn--p1ai";
const WRITTEN: [&str; 3] = ["olga@почта.рф", "Olga@ПОЧТА.РФ", "OLGA@XN--80A1ACNY.XN--P1AI"];
const PASSWORD: &str = "correct horse battery";

fn registration(email: &str, username: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        email: email.to_owned(),
        username: username.to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_address_is_the_same_in_every_form_of_its_domain() {
    let suite = harness().start().await;
    let mut auth = suite.anonymous().auth();
    let registered = auth.register(registration(WRITTEN[0], "olga")).await.unwrap().into_inner();
    assert_eq!(registered.user.as_ref().unwrap().email, STORED);

    for written in WRITTEN {
        auth.login(login(written, PASSWORD)).await.unwrap();
        let again = auth.register(registration(written, "other")).await;
        assert_eq!(refusal(again), "ALREADY_EXISTS ALREADY_EXISTS");
        backend(&suite).create_password_reset_code(returned_reset(written)).await.unwrap();
    }
    for (prefix, found) in
        [("olga@почта", 1), ("Olga@почта.рф", 1), ("olga@xn--80", 1), ("olga@почта.com", 0)]
    {
        let request = admin::ListUsersRequest { email_prefix: prefix.to_owned(), ..Default::default() };
        let listed = operator(&suite).list_users(request).await.unwrap().into_inner();
        assert_eq!(listed.users.len(), found, "{prefix}");
    }
}

#[tokio::test]
async fn email_reaches_an_internationalized_domain() {
    let suite = harness().start().await;
    begin_sign_up(&suite, "ina@bücher.example").await;
    let completion = complete_sign_up_request(&suite.mail_to("ina@xn--bcher-kva.example", 1).await.code());
    let weak = pb::CompleteSignUpRequest { password: "bücher.example".to_owned(), ..completion.clone() };
    let refused = suite.anonymous().auth().complete_sign_up(weak).await.unwrap_err();
    assert_eq!(violations(&refused), ["password"], "made of the own address");
    let granted = suite.anonymous().auth().complete_sign_up(completion.clone()).await.unwrap().into_inner();
    let ina = with_tokens(&suite.anonymous(), &granted);

    let change = pb::RequestEmailChangeRequest {
        password: completion.password,
        new_email: "ina@例え.テスト".to_owned(),
    };
    ina.account().request_email_change(change).await.unwrap();
    let code = suite.mail_to("ina@xn--r8jz45g.xn--zckzah", 1).await.code();
    let confirm = pb::ConfirmEmailChangeRequest { request_id: new_id(), code };
    let changed = suite.anonymous().account().confirm_email_change(confirm).await.unwrap().into_inner();
    assert_eq!(changed.email, "ina@xn--r8jz45g.xn--zckzah");
}

#[tokio::test]
async fn malformed_domains_are_rejected() {
    let suite = harness().start().await;
    for email in ["olga@-bücher.example", "olga@bü cher.example", "ольга@почта.рф", "olga@почта"]
    {
        let refused = suite.anonymous().auth().register(registration(email, "olga")).await.unwrap_err();
        assert_eq!(violations(&refused), ["email"], "{email}");
    }
}
