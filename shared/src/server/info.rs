//! `ServerInfoService`: what a client can ask a server about itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::future::{BoxFuture, try_join_all};
use prost::Message as _;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::deadline::{DEFAULT_TIMEOUT, MAX_STREAM_TIMEOUT, MAX_TIMEOUT};
use super::limits::MAX_MESSAGE_BYTES;
use crate::change_log::RETENTION_DAYS;
use crate::error::Error;
use crate::idempotency::KEY_LIFETIME_HOURS;
use crate::json::to_timestamp;
use crate::page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
use crate::validation::{MAX_BATCH, MAX_JSON_BYTES, MAX_JSON_DEPTH};
use proto::common::server_info_service_server::ServerInfoService;
use proto::common::{GetServerInfoRequest, ServerInfo, ServerLimits};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long the answers of siblings are used again.
const SIBLING_INFO_LIFETIME: Duration = Duration::from_secs(10);

/// Asks a sibling for its info.
pub type SiblingInfo = Arc<dyn Fn() -> BoxFuture<'static, Result<ServerInfo, Status>> + Send + Sync>;

/// Answers with what was known when the server started, and with what siblings answer.
pub(super) struct ServerInfoHandler {
    own: ServerInfo,
    siblings: Vec<SiblingInfo>,
    /// What the siblings answered last. Locked while they are asked: callers wait for one answer.
    of_siblings: Mutex<Option<(Instant, ServerInfo)>>,
}

impl ServerInfoHandler {
    /// Of a server of these gRPC services. `own` has the limits and features that only single services have; they are
    /// merged with those that all servers have in common, and with those of `siblings`.
    pub(super) fn new<'a>(
        services: &[String],
        own: impl IntoIterator<Item = &'a ServerInfo>,
        siblings: Vec<SiblingInfo>,
    ) -> Result<Self, prost::DecodeError> {
        let packages = services.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned()));
        let mut info = ServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_packages: packages.collect::<BTreeSet<_>>().into_iter().collect(),
            limits: Some(common_limits()),
            ..Default::default()
        };
        for own in own {
            merge(&mut info, own)?;
        }
        Ok(Self { own: info, siblings, of_siblings: Mutex::default() })
    }

    /// What the siblings answered in the last seconds. Without an answer, an older one is as good.
    async fn of_siblings(&self) -> Result<ServerInfo, Error> {
        let mut known = self.of_siblings.lock().await;
        if let Some((at, info)) = known.as_ref()
            && at.elapsed() < SIBLING_INFO_LIFETIME
        {
            return Ok(info.clone());
        }
        match try_join_all(self.siblings.iter().map(|ask| ask())).await {
            Ok(answers) => {
                let mut all = ServerInfo::default();
                for answer in answers {
                    merge(&mut all, &answer).map_err(Error::internal)?;
                }
                Ok(known.insert((Instant::now(), all)).1.clone())
            }
            Err(status) => {
                let known = known.as_ref().map(|(_, info)| info.clone());
                known.ok_or_else(|| Error::unavailable("a service of the suite", status))
            }
        }
    }

    async fn info(&self) -> Result<ServerInfo, Error> {
        if self.siblings.is_empty() {
            return Ok(self.own.clone());
        }
        let mut all = self.of_siblings().await?;
        merge(&mut all, &self.own).map_err(Error::internal)?;
        all.api_packages.sort_unstable();
        all.api_packages.dedup();
        Ok(all)
    }
}

/// Adds what another server has.
fn merge(all: &mut ServerInfo, other: &ServerInfo) -> Result<(), prost::DecodeError> {
    all.merge(other.encode_to_vec().as_slice())
}

fn common_limits() -> ServerLimits {
    let int = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
    let days = |days: i32| HOUR * 24 * days.unsigned_abs();
    ServerLimits {
        max_message_bytes: i64::try_from(MAX_MESSAGE_BYTES).unwrap_or(i64::MAX),
        default_page_size: i32::try_from(DEFAULT_PAGE_SIZE).unwrap_or(i32::MAX),
        max_page_size: i32::try_from(MAX_PAGE_SIZE).unwrap_or(i32::MAX),
        max_batch_size: int(MAX_BATCH),
        max_json_bytes: int(MAX_JSON_BYTES),
        max_json_depth: int(MAX_JSON_DEPTH),
        default_deadline: to_wire(DEFAULT_TIMEOUT),
        max_deadline: to_wire(MAX_TIMEOUT),
        max_stream_duration: to_wire(MAX_STREAM_TIMEOUT),
        change_retention: to_wire(days(RETENTION_DAYS)),
        request_id_retention: to_wire(HOUR * KEY_LIFETIME_HOURS.unsigned_abs()),
        ..Default::default()
    }
}

fn to_wire(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

#[tonic::async_trait]
impl ServerInfoService for ServerInfoHandler {
    async fn get_server_info(
        &self,
        _: Request<GetServerInfoRequest>,
    ) -> Result<Response<ServerInfo>, Status> {
        let server_time = Some(to_timestamp(Utc::now()));
        Ok(Response::new(ServerInfo { server_time, ..self.info().await? }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use proto::common::ServerFeatures;

    #[test]
    fn a_server_adds_the_limits_and_features_of_its_services_to_the_common_ones() {
        let content = ServerInfo {
            limits: Some(ServerLimits { max_attachment_bytes: Some(7), ..Default::default() }),
            ..Default::default()
        };
        let identity = ServerInfo {
            features: Some(ServerFeatures { mail_enabled: true, ..Default::default() }),
            ..Default::default()
        };
        let services = ["dafnck.task.v1.B", "dafnck.common.v1.C", "dafnck.task.v1.A"].map(str::to_owned);
        let info = ServerInfoHandler::new(&services, [&identity, &content], Vec::new()).unwrap().own;
        assert_eq!(info.api_packages, ["dafnck.common.v1", "dafnck.task.v1"]);
        assert_eq!(info.limits.unwrap().max_attachment_bytes, Some(7));
        assert_eq!(info.limits.unwrap().max_batch_size, 1_000);
        assert!(info.features.unwrap().mail_enabled);
    }

    #[tokio::test]
    async fn siblings_are_asked_again_after_a_while_and_their_last_answer_outlives_them() {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        // The second call fails.
        let ask: SiblingInfo = Arc::new(move || {
            let call = counted.fetch_add(1, Relaxed);
            let api_packages = vec!["dafnck.task.v1".to_owned()];
            let answer = ServerInfo { version: "other".to_owned(), api_packages, ..Default::default() };
            Box::pin(async move { if call == 1 { Err(Status::unavailable("")) } else { Ok(answer) } })
        });
        let handler = ServerInfoHandler::new(&["dafnck.content.v1.A".to_owned()], [], vec![ask]).unwrap();
        for (is_late, asked) in [(false, 1), (false, 1), (true, 2), (true, 3)] {
            if is_late && let Some((at, _)) = handler.of_siblings.lock().await.as_mut() {
                *at -= SIBLING_INFO_LIFETIME;
            }
            let info = handler.info().await.unwrap();
            assert_eq!(info.api_packages, ["dafnck.content.v1", "dafnck.task.v1"]);
            assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
            assert_eq!(calls.load(Relaxed), asked);
        }
    }
}
