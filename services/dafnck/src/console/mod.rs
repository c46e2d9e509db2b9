//! The local console: a site for developers and operators, on a loopback port of its own beside the suite.
//!
//! The page calls the suite itself, with gRPC-Web at its one address, which allows the origin of the console and no other.
//! This server has files, the descriptors of the API, and what the doctor finds; no secret passes through it. It answers
//! only under the names of the loopback, so that a site elsewhere whose name is made to resolve to the loopback (DNS
//! rebinding) cannot read it.

mod status;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use include_dir::{Dir, include_dir};
use serde_json::json;
use shared::small_http;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use status::Status;

static SITE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/console/site");

const CONFIG: &str = "/config.json";
const DESCRIPTORS: &str = "/descriptors.binpb";
const STATUS: &str = "/status.json";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const NAMES_OF_LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The same for every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

struct Console {
    authority: String,
    content_security_policy: HeaderValue,
    config: Bytes,
    descriptors: Bytes,
    status: Status,
}

/// Serves the console of the suite at `api` until `shutdown`.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    listener: TcpListener,
    api: String,
    data_directory: PathBuf,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let console = Console::new(listener.local_addr()?, &api, data_directory)?;
    let console = Arc::new(console);
    let serving = small_http::serve(listener, move |request| {
        let console = console.clone();
        async move { console.respond(&request).await }
    });
    // Nothing is lost when an answer is cut off.
    shutdown.run_until_cancelled(serving).await;
    Ok(())
}

impl Console {
    fn new(address: SocketAddr, api: &str, data_directory: PathBuf) -> anyhow::Result<Self> {
        // Scripts are files of ours, and text never becomes HTML (Trusted Types).
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {api}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        );
        let config = json!({ "api": api, "version": env!("CARGO_PKG_VERSION") });
        Ok(Self {
            authority: address.to_string(),
            content_security_policy: policy.try_into()?,
            config: config.to_string().into(),
            // Two encoded sets, one after the other, are one set: the second has the details of errors.
            descriptors: [proto::DESCRIPTOR_SET, tonic_types::pb::FILE_DESCRIPTOR_SET].concat().into(),
            status: Status::of(data_directory),
        })
    }

    async fn respond(&self, request: &Request<()>) -> Response<Bytes> {
        let mut response = match self.refusal(request) {
            Some(refusal) => refusal,
            None => self.answer(request.uri().path()).await,
        };
        let headers = response.headers_mut();
        headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(CONTENT_SECURITY_POLICY, self.content_security_policy.clone());
        response
    }

    /// Why a request is not answered, or where it should go.
    fn refusal(&self, request: &Request<()>) -> Option<Response<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Some(refuse(StatusCode::METHOD_NOT_ALLOWED, "the console has nothing but pages"));
        }
        let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let authority = request.uri().authority().map(|authority| authority.as_str()).or(named);
        if authority == Some(&self.authority) {
            let is_foreign = self.is_foreign(request);
            return is_foreign
                .then(|| refuse(StatusCode::FORBIDDEN, "this is for the page of the console only"));
        }
        let port = self.authority.rsplit(':').next().unwrap_or_default();
        let is_loopback = |name: &str| authority == Some(&format!("{name}:{port}"));
        if !NAMES_OF_LOOPBACK.into_iter().any(is_loopback) {
            let reason = "the console answers under the names of the loopback only";
            return Some(refuse(StatusCode::MISDIRECTED_REQUEST, reason));
        }
        let location = format!("http://{}{}", self.authority, request.uri().path());
        let mut redirection = refuse(StatusCode::TEMPORARY_REDIRECT, &location);
        redirection.headers_mut().insert(LOCATION, location.parse().ok()?);
        Some(redirection)
    }

    /// Whether the script of another page asks what only ours may know. It could not read the answer, but cause work.
    fn is_foreign(&self, request: &Request<()>) -> bool {
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let own = format!("http://{}", self.authority);
        request.uri().path() == STATUS
            && (header(ORIGIN).is_some_and(|origin| origin != own.as_bytes())
                || header(SEC_FETCH_SITE).is_some_and(|site| ![&b"same-origin"[..], b"none"].contains(&site)))
    }

    async fn answer(&self, path: &str) -> Response<Bytes> {
        match path {
            CONFIG => content(JSON, self.config.clone()),
            DESCRIPTORS => content("application/octet-stream", self.descriptors.clone()),
            STATUS => match self.status.json().await {
                Ok(json) => content(JSON, json),
                Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &format!("{error:#}")),
            },
            _ => file(path).unwrap_or_else(|| refuse(StatusCode::NOT_FOUND, "the console has no such file")),
        }
    }
}

fn file(path: &str) -> Option<Response<Bytes>> {
    let name = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
    let kind = match Path::new(name).extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => TEXT,
    };
    Some(content(kind, Bytes::from_static(SITE.get_file(name)?.contents())))
}

fn content(kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn refuse(status: StatusCode, reason: &str) -> Response<Bytes> {
    let mut response = content(TEXT, format!("{reason}\n").into());
    *response.status_mut() = status;
    response
}
