//! CORS: which web pages may call, and what their scripts may read of an answer.

use std::time::Duration;

use http::{HeaderName, Method};
use tower_http::cors::{AllowHeaders, CorsLayer};

use crate::access::CONSISTENCY_TOKEN;
use crate::config::{CorsOptions, Origin};

/// How long a browser need not ask again. No browser believes a longer time (Chromium's limit).
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// What a script may read of an answer. The status is among the headers of an answer without messages.
const EXPOSED_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static(CONSISTENCY_TOKEN),
];

/// `None` without allowed origins: no header is added then.
///
/// Tokens travel in `authorization`, never in cookies, so no credentials are allowed. Headers of requests are free: they
/// are metadata, and a server ignores what it does not know.
pub(super) fn layer(options: &CorsOptions) -> Option<CorsLayer> {
    let origins: Vec<_> = options.allowed_origins.iter().map(Origin::header).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED_HEADERS)
            .max_age(PREFLIGHT_MAX_AGE)
    })
}
