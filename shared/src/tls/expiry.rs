//! Warns before a certificate expires.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::KeyValue;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::pem::certificates;
use crate::config::TlsOptions;

/// How often the certificate is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How long before its end a certificate is reported to expire soon.
const EXPIRY_WARNING_PERIOD: TimeDelta = TimeDelta::days(14);

/// The state of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CertificateState {
    Good,
    EndsSoon,
    Ended,
    Unreadable,
}

impl CertificateState {
    fn of(end: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        match end - now {
            left if left <= TimeDelta::zero() => Self::Ended,
            left if left <= EXPIRY_WARNING_PERIOD => Self::EndsSoon,
            _ => Self::Good,
        }
    }
}

/// Watches the service's certificate while it is polled: a gauge has the seconds that are left, the log each change of
/// its state.
pub(crate) async fn watch(options: TlsOptions, service: &'static str) {
    let Some(path) = options.tls_certificate else { return std::future::pending().await };
    let left = Arc::new(AtomicI64::default());
    let observed = left.clone();
    let _gauge = crate::telemetry::meter()
        .i64_observable_gauge("tls.certificate.remaining")
        .with_description("Time until the service's certificate expires; negative after that.")
        .with_unit("s")
        .with_callback(move |gauge| {
            gauge.observe(observed.load(Ordering::Relaxed), &[KeyValue::new("service.name", service)]);
        })
        .build();
    let mut state = CertificateState::Good;
    let mut interval = tokio::time::interval(CHECK_INTERVAL);
    loop {
        interval.tick().await;
        let (now, end) = (Utc::now(), expiry_of(&path));
        if let Ok(end) = &end {
            left.store((*end - now).num_seconds(), Ordering::Relaxed);
        }
        let current =
            end.as_ref().map_or(CertificateState::Unreadable, |end| CertificateState::of(*end, now));
        if current != state {
            state = current;
            log_state(state, &path, &end);
        }
    }
}

fn log_state(state: CertificateState, path: &Path, end: &anyhow::Result<DateTime<Utc>>) {
    let path = path.display();
    match (state, end) {
        (CertificateState::Ended, Ok(end)) => {
            tracing::error!(%path, %end, "the certificate has expired; replace the file");
        }
        (CertificateState::EndsSoon, Ok(end)) => {
            tracing::warn!(%path, %end, "the certificate expires soon; replace the file, no restart is needed");
        }
        (_, Ok(end)) => tracing::info!(%path, %end, "the certificate is valid"),
        (_, Err(error)) => {
            tracing::error!(%path, error = format!("{error:#}"), "the certificate is unreadable")
        }
    }
}

/// The earliest expiry of the certificates in a file, which ends the validity of the chain.
///
/// # Errors
/// When the file cannot be read, or holds no certificate.
pub fn expiry_of(path: &Path) -> anyhow::Result<DateTime<Utc>> {
    let ends = certificates(path)?.into_iter().map(|certificate| {
        let parsed = Certificate::from_der(&certificate).context("a certificate is malformed")?;
        Ok(parsed.tbs_certificate.validity.not_after.to_system_time().into())
    });
    let ends: anyhow::Result<Vec<DateTime<Utc>>> = ends.collect();
    ends?.into_iter().min().context("there is no certificate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_valid_expires_soon_and_has_expired() {
        let end = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        assert_eq!(CertificateState::of(end, end - TimeDelta::days(15)), CertificateState::Good);
        assert_eq!(CertificateState::of(end, end - TimeDelta::days(14)), CertificateState::EndsSoon);
        assert_eq!(CertificateState::of(end, end - TimeDelta::seconds(1)), CertificateState::EndsSoon);
        assert_eq!(CertificateState::of(end, end), CertificateState::Ended);
    }
}
