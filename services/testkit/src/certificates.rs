//! Certificates for suites and servers with TLS.

use std::path::Path;

use chrono::{Days, Utc};
use local_servers::dev_ca::{self, Authority};
use local_servers::{Certificate, ServerCertificates};

/// Issues certificates for all services and servers, from this authority or a new one.
pub(super) fn make_certificates(folder: &Path, authority: Option<&Certificate>) -> ServerCertificates {
    if let Some(authority) = authority {
        dev_ca::put(folder, dev_ca::AUTHORITY, authority).unwrap();
    }
    let authority = Authority::load_or_make(folder).unwrap();
    authority
        .issue_all(&["127.0.0.1", "localhost"].map(str::to_owned), Utc::now().date_naive() + Days::new(30))
        .unwrap();
    dev_ca::server_certificates(folder).unwrap()
}
