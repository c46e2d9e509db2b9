//! Whether the services, the database under each role, and Redis answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use futures::future::join_all;
use proto::common::GetServerInfoRequest;
use proto::common::server_info_service_client::ServerInfoServiceClient;
use shared::config::Secret;
use shared::redis_store::RedisStore;
use shared::siblings::Sibling;
use tonic::Code;

use super::{Finding, Places, configuration};
use crate::health;
use local_servers::suite::NAMES;

/// In the order of [`NAMES`].
const SIBLINGS: [Sibling; 4] = [Sibling::Identity, Sibling::Project, Sibling::Task, Sibling::Content];
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long Redis is asked again, and how often.
const TIMEOUT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Each service's own word, and whether it is one of the suite that is looked at.
pub(super) async fn services(places: &Places) -> Vec<Finding> {
    let answers = health::are_ready(&places.siblings, places.tls_ca.as_deref()).await;
    let strangers = join_all(SIBLINGS.map(|sibling| is_of_another_suite(places, sibling))).await;
    let told = NAMES.into_iter().zip(health::urls(&places.siblings)).zip(answers).zip(strangers);
    told.map(|(((name, url), answer), is_of_another_suite)| match answer {
        _ if is_of_another_suite => Finding::critical(
            "service",
            format!("{name} at {url} is of another suite: it does not know this one's operator"),
            "start the suite of this data directory, or name the data directory of that one",
        ),
        Ok(true) => Finding::ok("service", format!("{name} is ready at {url}")),
        Ok(false) => Finding::critical(
            "service",
            format!("{name} at {url} is not ready"),
            "it lacks something below, or stops; its log says what",
        ),
        Err(error) => Finding::critical(
            "service",
            format!("{name} at {url} does not answer: {error:#}"),
            "start it, or say where it is",
        ),
    })
    .collect()
}

/// Whether it refuses a call that the local suite's secret signs. Any other answer, also none, says nothing about that.
async fn is_of_another_suite(places: &Places, sibling: Sibling) -> bool {
    let Some(operator) = &places.operator else { return false };
    let mut service = ServerInfoServiceClient::new(operator.channel(sibling));
    let answer = service.get_server_info(GetServerInfoRequest {}).await;
    answer.is_err_and(|status| status.code() == Code::Unauthenticated)
}

/// Whether each role can sign in and ask.
pub(super) async fn roles(urls: &[(String, Secret)]) -> Vec<Finding> {
    let refused = join_all(urls.iter().map(async |(name, url)| {
        let asked =
            async { anyhow::Ok(shared::database::connect(url).await?.batch_execute("SELECT 1").await?) };
        match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some((name, format!("{error:#}"))),
            Err(_) => Some((name, format!("no answer within {ANSWER_TIMEOUT:?}"))),
        }
    }))
    .await;
    let refused: Vec<(&String, String)> = refused.into_iter().flatten().collect();
    if let [(_, why), _, ..] = refused.as_slice()
        && refused.len() == urls.len()
    {
        let message = format!("none of the {} roles can use the database: {why}", urls.len());
        return vec![Finding::critical("sign-in", message, "start PostgreSQL, or say where it is")];
    }
    let refused: Vec<Finding> = refused
        .into_iter()
        .map(|(name, why)| {
            let hint =
                "set its password (`dafnck migrate up --role-passwords`) and the service's URL to the same";
            Finding::critical("sign-in", format!("{name} cannot use the database: {why}"), hint)
        })
        .collect();
    if refused.is_empty() && !urls.is_empty() {
        return vec![Finding::ok("sign-in", format!("{} roles can use the database", urls.len()))];
    }
    refused
}

/// Whether Redis answers and can save, and how it is set.
pub(super) async fn redis(places: &Places) -> Vec<Finding> {
    let look = async {
        let store =
            RedisStore::with_ca(places.redis_tls_ca.as_deref(), &places.redis_url, &places.redis_key_prefix)?;
        // A text, or of a cluster one of each node.
        let told: redis::Value = query_with_retries(&store, &redis::cmd("INFO")).await?;
        // Missing permission is not a finding.
        let mut ask = redis::cmd("CONFIG");
        let settings: Option<HashMap<String, String>> = store.query(ask.arg("GET").arg("save")).await.ok();
        let save = settings.and_then(|mut settings| settings.remove("save"));
        anyhow::Ok((format!("{told:?}"), save))
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, look).await {
        Ok(Ok((info, save))) => {
            let settings = configuration::redis(&info, save.as_deref());
            [saved(&info)].into_iter().chain(settings).collect()
        }
        Ok(Err(error)) => vec![unanswered(&format!("{error:#}"))],
        Err(_) => vec![unanswered(&format!("no answer within {ANSWER_TIMEOUT:?}"))],
    }
}

/// Retries: the timeout of a request is too short for a check on a busy machine.
async fn query_with_retries(store: &RedisStore, command: &redis::Cmd) -> anyhow::Result<redis::Value> {
    let patience = Instant::now() + TIMEOUT;
    loop {
        match store.query(command).await {
            Err(_) if Instant::now() < patience => tokio::time::sleep(POLL_INTERVAL).await,
            answer => return Ok(answer?),
        }
    }
}

fn unanswered(why: &str) -> Finding {
    Finding::critical(
        "redis",
        format!("does not answer: {why}"),
        "start it; until then sessions come from identity, and revocations take up to 5 s",
    )
}

fn saved(persistence: &str) -> Finding {
    let failed = ["rdb_last_bgsave_status:err", "aof_last_write_status:err"];
    if failed.iter().any(|line| persistence.contains(line)) {
        return Finding::warning(
            "redis",
            "answers, but could not save",
            "its log says why; mostly the disk is full",
        );
    }
    Finding::ok("redis", "answers")
}
