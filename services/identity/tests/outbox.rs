//! What becomes of queued mail: sent once, by one replica, also after trouble.

use crate::fixtures::*;
use crate::harness::harness;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use shared::mail::{Destination, MAX_ATTEMPTS};
use testkit::*;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

async fn queue(suite: &Suite, kind: &str, recipients: &str) {
    execute(suite, &format!(
            "INSERT INTO identity.mail_outbox (id, kind, recipient, entity_id, expires_at, next_attempt_at) \
             SELECT gen_random_uuid(), '{kind}', recipient, gen_random_uuid(), now() + interval '1 day', now() \
             FROM ({recipients}) AS r (recipient)"
        ),
    )
    .await;
}

async fn all_are_gone(suite: &Suite) {
    until("no mail waits", TIMEOUT, async || suite.count("identity.mail_outbox").await == 0).await;
}

#[tokio::test]
async fn a_queued_email_is_sent_and_deleted() {
    let suite = harness().start().await;
    queue(&suite, "password_changed", "VALUES ('olga@example.org')").await;
    let mail = suite.mail_to("olga@example.org", 1).await;
    assert_eq!(
        (mail.from.as_str(), mail.subject.as_str()),
        ("no-reply@dafnck.example", "Your password was changed")
    );
    all_are_gone(&suite).await;
}

#[tokio::test]
async fn an_email_that_cannot_be_written_blocks_no_other() {
    let suite = harness().start().await;
    queue(&suite, "nonsense", "VALUES ('olga@example.org')").await;
    queue(&suite, "password_changed", "VALUES ('no address'), ('gus@example.org')").await;
    suite.mail_to("gus@example.org", 1).await;
    all_are_gone(&suite).await;
    assert_eq!(suite.mails_to("olga@example.org").len(), 0);
}

/// Two suites on one database are two replicas; each writes to a folder of its own.
#[tokio::test]
async fn two_replicas_send_each_email_once() {
    let one = harness().start().await;
    let other = harness().start_with(|options| options.database = one.options.database.clone()).await;
    queue(&one, "password_changed", "SELECT 'olga' || n || '@example.org' FROM generate_series(1, 100) n")
        .await;
    all_are_gone(&one).await;
    for n in 1..=100 {
        let address = format!("olga{n}@example.org");
        assert_eq!(one.mails_to(&address).len() + other.mails_to(&address).len(), 1, "{address}");
    }
}

/// A mail server that is out of order as long as it is told to be; counts what it was offered and what it took.
struct MailServer {
    url: String,
    offered: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
}

impl MailServer {
    async fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let [offered, taken, left] = [0, 0, failures].map(|count| Arc::new(AtomicUsize::new(count)));
        let server = Self { url, offered: offered.clone(), taken: taken.clone(), failures: left.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, offered.clone(), taken.clone(), left.clone()));
            }
        });
        server
    }

    async fn was_offered(&self, count: usize) {
        let are_there = async || AtomicUsize::load(&self.offered, Ordering::SeqCst) >= count;
        until(&format!("{count} tries"), TIMEOUT, are_there).await;
    }
}

/// As much of SMTP (RFC 5321) as it takes.
async fn converse(
    mut stream: TcpStream,
    offered: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 here\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.get(..4).unwrap_or_default() {
            "MAIL" => {
                offered.fetch_add(1, Ordering::SeqCst);
                let fails =
                    failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if fails.is_ok() { "451 out of order" } else { "250 fine" }
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                while lines.next_line().await?.is_some_and(|line| line != ".") {}
                taken.fetch_add(1, Ordering::SeqCst);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

async fn suite_with(server: &MailServer) -> Suite {
    let url = server.url.as_str().into();
    harness().start_with(|options| options.mail.mail_url = Destination::Smtp(url)).await
}

#[tokio::test]
async fn an_email_is_sent_once_the_mail_server_is_back() {
    let server = MailServer::start(2).await;
    let suite = suite_with(&server).await;
    queue(&suite, "password_changed", "VALUES ('olga@example.org')").await;
    for tries in 1..=2 {
        server.was_offered(tries).await;
        assert_eq!(suite.count("identity.mail_outbox").await, 1);
        suite.options.clock.advance(TimeDelta::hours(1));
    }
    all_are_gone(&suite).await;
    assert_eq!(AtomicUsize::load(&server.taken, Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rejected_email_is_given_up() {
    let server = MailServer::start(usize::MAX).await;
    let suite = suite_with(&server).await;
    queue(&suite, "password_changed", "VALUES ('olga@example.org')").await;
    let last = MAX_ATTEMPTS - 1;
    suite
        .execute(&format!("UPDATE identity.mail_outbox SET attempts = {last}, next_attempt_at = now()"))
        .await;
    all_are_gone(&suite).await;
    assert_eq!(AtomicUsize::load(&server.taken, Ordering::SeqCst), 0);
    assert!(AtomicUsize::load(&server.failures, Ordering::SeqCst) < usize::MAX);
}

#[tokio::test]
async fn an_expired_email_is_not_sent() {
    let suite = harness().start().await;
    suite.options.clock.advance(TimeDelta::days(2));
    queue(&suite, "password_changed", "VALUES ('olga@example.org')").await;
    all_are_gone(&suite).await;
    assert_eq!(suite.mails_to("olga@example.org").len(), 0);
}
