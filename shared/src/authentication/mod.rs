//! Who calls, and whether the method is open to such a caller.
//!
//! Deny by default: a method is open only to the audience of its rule in the proto. Nothing is accepted unverified: when
//! neither Redis nor the session source answers, the call is refused with `UNAVAILABLE`. What a caller may do in a
//! project is decided by `access`.

mod failure_limit;
mod metrics;
mod open_streams;
mod redis_health;
mod remote;
mod scopes;
mod session_use;
mod sessions;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use ipnetwork::IpNetwork;

use proto::MethodRule;

use crate::caller::{Caller, SESSION_REQUIRED, Session, principal_of};
use crate::config::{DEFAULT_AUTHENTICATION_FAILURES_PER_SECOND, PrincipalOptions};
use crate::error::{Error, ErrorReason, Result};
use crate::service_identity::{self, PrincipalKeys};
use proto::common::Audience;

pub use remote::RemoteSessions;
pub use scopes::{MAX_SCOPES, Scopes};
pub use session_use::{REPORT_BATCH, REPORT_INTERVAL, SessionUse};
pub use sessions::{
    CACHE_CAPACITY, CACHE_TTL, STREAM_RECHECK_INTERVAL, SessionSource, Sessions, UNKNOWN_TTL,
};
pub use token::{API_TOKEN_PREFIX, SESSION_TOKEN_PREFIX, TOKEN_BYTES, TokenHash, token_hash};

use failure_limit::FailureLimit;
#[cfg(any(test, fuzzing))]
pub(crate) use token::Credentials;
#[cfg(not(any(test, fuzzing)))]
use token::Credentials;
use token::SESSION_INVALID;

/// A caller that has passed authentication, and the token that was used.
#[derive(Debug)]
pub struct AuthenticatedCaller {
    /// The caller.
    pub caller: Caller,
    /// The session or API token; `None` for services and anonymous callers.
    pub token: Option<TokenHash>,
}

/// How well the connection of a call is protected.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSecurity {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether it is one of TLS.
    pub is_encrypted: bool,
    /// Whether the other end has shown a certificate of the authorities that services have theirs from.
    pub has_client_certificate: bool,
}

/// Authenticates calls.
#[derive(Clone)]
pub struct Authentication {
    sessions: Arc<Sessions>,
    failures: FailureLimit,
    principal_keys: PrincipalKeys,
    plain_text_networks: Vec<IpNetwork>,
    services_need_certificates: bool,
}

impl Authentication {
    /// With these sessions and principals.
    pub fn new(sessions: Arc<Sessions>, principals: &PrincipalOptions) -> Self {
        Self {
            sessions,
            failures: FailureLimit::new(DEFAULT_AUTHENTICATION_FAILURES_PER_SECOND),
            principal_keys: principals.principal_keys.clone(),
            plain_text_networks: principals.plain_text_networks.clone(),
            services_need_certificates: false,
        }
    }

    /// Looks up so many unknown tokens per second for one peer.
    #[must_use]
    pub fn with_failures_per_second(self, failures: u32) -> Self {
        Self { failures: FailureLimit::new(failures), ..self }
    }

    /// If `required`, accepts services only on connections with a client certificate.
    #[must_use]
    pub fn with_certificates_of_services(self, required: bool) -> Self {
        Self { services_need_certificates: required, ..self }
    }

    /// The caller of `path`, if its rule is open to them. `peer` is where the call comes from.
    ///
    /// # Errors
    /// `SESSION_REQUIRED`, `SESSION_INVALID`, `AUDIENCE_REFUSED`, and of API tokens `SESSION_ONLY` and `SCOPE_MISSING`;
    /// `RATE_LIMITED` when the peer has sent too many unknown tokens, `UNAVAILABLE` when it cannot be found out.
    pub async fn admit(
        &self,
        path: &str,
        rule: &MethodRule,
        headers: &HeaderMap,
        peer: IpAddr,
        connection: ConnectionSecurity,
    ) -> Result<AuthenticatedCaller> {
        // Before any look-up: a call that nobody may make costs nothing.
        if rule.audience == Audience::Unspecified {
            return Err(audience_refused());
        }
        let authenticated = match authorization(headers)? {
            None => AuthenticatedCaller { caller: Caller::Anonymous, token: None },
            Some(header) => self.identify(path, Credentials::parse(header)?, peer).await?,
        };
        if matches!(authenticated.caller, Caller::Service(_)) {
            self.check_connection(connection)?;
        }
        check_audience(rule, &authenticated.caller)?;
        if let Some(scopes) = authenticated.caller.scopes() {
            scopes.check(rule.scope.as_deref())?;
        }
        Ok(authenticated)
    }

    /// A signature does not cover the body, so the connection has to protect it.
    fn check_connection(&self, connection: ConnectionSecurity) -> Result<()> {
        let ConnectionSecurity { address, is_encrypted, has_client_certificate } = connection;
        let is_private = || {
            address.is_loopback() || self.plain_text_networks.iter().any(|network| network.contains(address))
        };
        if self.services_need_certificates && !has_client_certificate {
            return Err(service_identity::NOT_CERTIFIED);
        }
        if is_encrypted || is_private() { Ok(()) } else { Err(service_identity::NOT_PROTECTED) }
    }

    /// Whether the caller says to be a service: then it is authenticated without any look-up.
    pub fn claims_service(headers: &HeaderMap) -> bool {
        let scheme = authorization(headers).ok().flatten().and_then(|header| Some(header.split_once(' ')?.0));
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(service_identity::SCHEME))
    }

    async fn identify(
        &self,
        path: &str,
        credentials: Credentials<'_>,
        peer: IpAddr,
    ) -> Result<AuthenticatedCaller> {
        match credentials {
            Credentials::Service(signature) => {
                let name = service_identity::verify(&self.principal_keys, signature, path)?;
                Ok(AuthenticatedCaller { caller: Caller::Service(name), token: None })
            }
            Credentials::Session(hash) => {
                let session = self.session_of(hash, peer).await?.ok_or(SESSION_INVALID)?;
                Ok(AuthenticatedCaller { caller: Caller::User(session), token: Some(hash) })
            }
        }
    }

    /// Unknown tokens are counted per peer before Redis or the source are asked. What is cached costs nothing.
    async fn session_of(&self, hash: TokenHash, peer: IpAddr) -> Result<Option<Session>> {
        if self.sessions.is_cached(&hash) {
            return self.sessions.resolve(hash).await;
        }
        let attempt = self.failures.begin(peer)?;
        let session = self.sessions.resolve(hash).await?;
        if session.is_none() {
            attempt.fail();
        }
        Ok(session)
    }

    /// Drops what is known of peers that were quiet lately.
    pub fn forget_quiet_peers(&self) {
        self.failures.forget_quiet_peers();
    }

    /// Waits until a stream must end because the token that opened it no longer works, and returns the reason. Pending for
    /// ever without a token.
    pub fn until_ended(&self, token: Option<TokenHash>) -> BoxFuture<'static, Error> {
        match token {
            None => Box::pin(std::future::pending()),
            Some(token) => Box::pin(Arc::clone(&self.sessions).until_ended(token)),
        }
    }
}

/// The `authorization` header. Two of them are refused: a proxy and this server might each use another.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| SESSION_INVALID),
        (Some(_), Some(_)) => Err(SESSION_INVALID),
    }
}

fn check_audience(rule: &MethodRule, caller: &Caller) -> Result<()> {
    match (rule.audience, caller) {
        (Audience::Anyone, _) | (Audience::User, Caller::User(_)) => Ok(()),
        (Audience::Service, Caller::Service(name))
            if principal_of(name).is_some_and(|principal| rule.principals.contains(&principal)) =>
        {
            Ok(())
        }
        (Audience::User, Caller::Anonymous) => Err(SESSION_REQUIRED),
        (Audience::User, Caller::Service(_)) | (Audience::Service, _) | (Audience::Unspecified, _) => {
            Err(audience_refused())
        }
    }
}

fn audience_refused() -> Error {
    Error::PermissionDenied {
        reason: ErrorReason::AudienceRefused,
        message: "the method is not open to this kind of caller".into(),
        metadata: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use uuid::Uuid;

    use proto::common::{Permission, Principal};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::clock::Clock;
    use crate::redis_store::RedisStore;
    use crate::service_identity::PrivateKey;

    fn rule(audience: Audience) -> MethodRule {
        MethodRule {
            audience,
            permission: Permission::Unspecified,
            scope: None,
            principals: vec![Principal::Task, Principal::Operator],
            is_streaming: false,
            is_client_streaming: false,
            is_reading: true,
            is_costly: false,
        }
    }

    fn outcome(audience: Audience, caller: &Caller) -> String {
        match check_audience(&rule(audience), caller) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{:?}", error.reason()),
        }
    }

    #[test]
    fn a_method_for_services_is_open_to_the_listed_principals_only() {
        for (name, expected) in [
            ("task", "ok"),
            ("operator-olga", "ok"),
            ("content", "AudienceRefused"),
            ("backend", "AudienceRefused"),
            ("task-2", "AudienceRefused"),
        ] {
            assert_eq!(outcome(Audience::Service, &Caller::Service(name.to_owned())), expected, "{name}");
        }
    }

    /// Each audience against each kind of caller.
    #[test]
    fn an_audience_is_open_to_whom_it_names() {
        let session =
            Session { session_id: Uuid::nil(), user_id: Uuid::nil(), expires_at: Utc::now(), scopes: None };
        let callers = [Caller::Anonymous, Caller::User(session), Caller::Service("task".into())];
        let table = [
            (Audience::Anyone, ["ok", "ok", "ok"]),
            (Audience::User, ["SessionRequired", "ok", "AudienceRefused"]),
            (Audience::Service, ["AudienceRefused", "AudienceRefused", "ok"]),
            (Audience::Unspecified, ["AudienceRefused", "AudienceRefused", "AudienceRefused"]),
        ];
        for (audience, expected) in table {
            let actual = callers.each_ref().map(|caller| outcome(audience, caller));
            assert_eq!(actual, expected, "{audience:?}");
        }
    }

    /// On the way of a signed call, nobody may be able to change its body.
    #[tokio::test]
    async fn a_service_is_believed_over_tls_on_the_loopback_and_in_named_networks() {
        let principals = PrincipalOptions {
            service_key: PrivateKey::pem_of(&[1; 32]).parse().unwrap(),
            principal_keys: PrincipalKeys::default(),
            plain_text_networks: vec!["10.1.0.0/16".parse().unwrap()],
        };
        let redis = RedisStore::new(&"redis://127.0.0.1:1".into(), "test").unwrap();
        let sessions = Sessions::start(
            redis,
            PrincipalKeys::default(),
            Arc::new(NoSessions),
            Clock::default(),
            CancellationToken::new(),
        );
        let authentication = Authentication::new(sessions, &principals);
        for (address, is_encrypted, expected) in [
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("10.1.2.3", false, true),
            ("10.2.0.1", false, false),
            ("10.2.0.1", true, true),
            ("2001:db8::1", false, false),
        ] {
            let connection = ConnectionSecurity {
                address: address.parse().unwrap(),
                is_encrypted,
                has_client_certificate: false,
            };
            assert_eq!(authentication.check_connection(connection).is_ok(), expected, "{address}");
        }
    }

    struct NoSessions;

    #[async_trait::async_trait]
    impl SessionSource for NoSessions {
        async fn resolve(&self, _: &TokenHash) -> Result<Option<Session>> {
            Ok(None)
        }

        async fn report_seen(&self, _: &[SessionUse]) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn two_authorization_headers_are_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(authorization(&headers).unwrap(), None);
        headers.append(AUTHORIZATION, "a".parse().unwrap());
        assert_eq!(authorization(&headers).unwrap(), Some("a"));
        headers.append(AUTHORIZATION, "b".parse().unwrap());
        assert!(authorization(&headers).is_err());
    }
}
