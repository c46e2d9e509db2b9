//! Requests to endpoints, which belong to strangers: to public addresses only, without redirects and proxies, bounded in
//! time, and without reading more of an answer than its status.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};

use super::addresses::{is_public, literal};
use super::options::WebhookOptions;

/// How long a request may take, with the resolution of the name.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest text about a failure, in characters.
const MAX_FAILURE_CHARS: usize = 200;

const USER_AGENT: &str = concat!("DafnckMachine-Webhooks/", env!("CARGO_PKG_VERSION"));

/// Sends requests; cheap to clone.
#[derive(Clone)]
pub(super) struct WebhookClient {
    http: Client,
    options: WebhookOptions,
}

/// A request to an endpoint.
pub(super) struct WebhookRequest {
    pub url: String,
    pub message_id: String,
    pub timestamp: i64,
    pub signature: String,
    pub body: String,
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub duration: Duration,
    /// The HTTP status of the answer, or why there is none.
    pub result: Result<u16, String>,
}

impl Attempt {
    pub(super) fn is_success(&self) -> bool {
        matches!(self.result, Ok(200..=299))
    }

    /// The endpoint wants no more requests.
    pub(super) fn is_gone(&self) -> bool {
        self.result == Ok(410)
    }
}

impl WebhookClient {
    /// Trusts the system's authorities.
    ///
    /// # Errors
    /// When the TLS client cannot be made.
    pub(super) fn new(options: WebhookOptions) -> anyhow::Result<Self> {
        // The client uses the default provider of the process. It fails if one is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let authorities = rustls_native_certs::load_native_certs().certs;
        let authorities = authorities.iter().filter_map(|der| Certificate::from_der(der).ok());
        let http = Client::builder()
            .tls_certs_only(authorities)
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .no_proxy()
            .https_only(!options.webhooks_allow_private)
            .dns_resolver(PublicResolver { options })
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self { http, options })
    }

    /// Sends a request. The rest of the answer is not read: its connection is closed.
    pub(super) async fn send(&self, request: WebhookRequest) -> Attempt {
        let started = Instant::now();
        let result = match parse_url(&request.url, self.options) {
            Ok(url) => self.post(url, request).await,
            Err(refusal) => Err(refusal.to_owned()),
        };
        Attempt { duration: started.elapsed(), result }
    }

    async fn post(&self, url: Url, request: WebhookRequest) -> Result<u16, String> {
        let sending = self
            .http
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", request.message_id)
            .header("webhook-timestamp", request.timestamp)
            .header("webhook-signature", request.signature)
            .body(request.body)
            .send();
        match sending.await {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) => Err(describe(&error)),
        }
    }
}

/// A URL to which a webhook may send, as far as can be told before its name is resolved; else what is wrong.
pub(super) fn parse_url(text: &str, options: WebhookOptions) -> Result<Url, &'static str> {
    const MALFORMED: &str = "must be an https address with a host, without user and fragment";
    let url = Url::parse(text).map_err(|_| MALFORMED)?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let has_scheme = url.scheme() == "https" || (options.webhooks_allow_private && url.scheme() == "http");
    let host = url.host_str().filter(|host| !host.is_empty() && is_bare && has_scheme).ok_or(MALFORMED)?;
    let is_inside = literal(host).is_some_and(|address| !is_public(address));
    if is_inside && !options.webhooks_allow_private { Err(NOT_PUBLIC) } else { Ok(url) }
}

const NOT_PUBLIC: &str = "must have public addresses only";

/// The innermost cause, in a few words.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", REQUEST_TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().chars().take(MAX_FAILURE_CHARS).collect()
}

/// Resolves names to public addresses. The connection is made to the addresses that were checked.
struct PublicResolver {
    options: WebhookOptions,
}

#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has an address that is not public")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let options = self.options;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !options.webhooks_allow_private && found.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: WebhookOptions = WebhookOptions { webhooks_allow_private: false };
    const LAX: WebhookOptions = WebhookOptions { webhooks_allow_private: true };

    #[test]
    fn a_url_is_https_to_a_public_host() {
        for good in ["https://example.org/hook?key=1", "https://example.org:8443/", "https://8.8.8.8/"] {
            assert!(parse_url(good, STRICT).is_ok(), "{good}");
        }
        for bad in [
            "http://example.org/",
            "https://user@example.org/",
            "https://:password@example.org/",
            "https://example.org/#fragment",
            "https://",
            "ftp://example.org",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(parse_url(bad, STRICT).is_err(), "{bad}");
        }
        assert!(parse_url("http://127.0.0.1:80/", LAX).is_ok() && parse_url("ftp://h/", LAX).is_err());
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_refused_before_a_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let request = WebhookRequest {
            url: format!("https://localhost:{port}/"),
            message_id: "msg_1".to_owned(),
            timestamp: 0,
            signature: "v1,".to_owned(),
            body: "{}".to_owned(),
        };
        let attempt = WebhookClient::new(STRICT).unwrap().send(request).await;
        assert_eq!(attempt.result, Err(NotPublic.to_string()));
        let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        assert!(accepted.is_err(), "nothing has connected");
    }
}
