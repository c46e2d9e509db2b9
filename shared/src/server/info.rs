//! `ServerInfoService`: what a client can ask a server about itself.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Utc;
use prost::Message as _;
use tonic::{Request, Response, Status};

use super::deadline::{DEFAULT_TIMEOUT, MAX_STREAM_TIMEOUT, MAX_TIMEOUT};
use super::limits::MAX_MESSAGE_BYTES;
use crate::change_log::RETENTION_DAYS;
use crate::idempotency::KEY_LIFETIME_HOURS;
use crate::json::to_timestamp;
use crate::page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE};
use crate::validation::{MAX_BATCH, MAX_JSON_BYTES, MAX_JSON_DEPTH};
use proto::common::server_info_service_server::ServerInfoService;
use proto::common::{GetServerInfoRequest, ServerInfo, ServerLimits};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Answers with what was known when the server started.
pub(super) struct ServerInfoHandler(ServerInfo);

impl ServerInfoHandler {
    /// Of a server of these gRPC services. `own` has the limits and features that only single services have; they are
    /// merged with those that all servers have in common.
    pub(super) fn new<'a>(
        services: &[String],
        own: impl IntoIterator<Item = &'a ServerInfo>,
    ) -> Result<Self, prost::DecodeError> {
        let packages = services.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned()));
        let mut info = ServerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_packages: packages.collect::<BTreeSet<_>>().into_iter().collect(),
            limits: Some(common_limits()),
            ..Default::default()
        };
        for own in own {
            info.merge(own.encode_to_vec().as_slice())?;
        }
        Ok(Self(info))
    }
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
        Ok(Response::new(ServerInfo { server_time: Some(to_timestamp(Utc::now())), ..self.0.clone() }))
    }
}

#[cfg(test)]
mod tests {
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
        let info = ServerInfoHandler::new(&services, [&identity, &content]).unwrap().0;
        assert_eq!(info.api_packages, ["dafnck.common.v1", "dafnck.task.v1"]);
        assert_eq!(info.limits.unwrap().max_attachment_bytes, Some(7));
        assert_eq!(info.limits.unwrap().max_batch_size, 1_000);
        assert!(info.features.unwrap().mail_enabled);
    }
}
