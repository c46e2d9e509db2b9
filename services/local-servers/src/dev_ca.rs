//! An authority for development and tests, and certificates from it for everybody in the suite.
//!
//! Not for production: the authority's key lies beside what it has signed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{Datelike, Days, NaiveDate, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::suite::NAMES;
use crate::{Certificate, ServerCertificates};

/// Who gets a certificate beside the services.
const OTHERS: [&str; 3] = ["postgres", "redis", "operator"];
/// The authority's files are named so, as a service's are by its name.
pub const AUTHORITY: &str = "ca";
const AUTHORITY_NAME: &str = "DafnckMachine development authority";
/// How long the authority lasts, in years.
const AUTHORITY_YEARS: i32 = 10;

/// An authority in a directory.
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The one of this directory, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn load_or_make(directory: &Path) -> anyhow::Result<Self> {
        let key_file = directory.join(format!("{AUTHORITY}.key"));
        let params = authority_params()?;
        let key = if key_file.exists() {
            let pem = fs::read_to_string(&key_file);
            KeyPair::from_pem(&pem.with_context(|| format!("cannot read {}", key_file.display()))?)?
        } else {
            KeyPair::generate()?
        };
        if !is_whole(directory, AUTHORITY) {
            let chain = params.self_signed(&key)?.pem();
            put(directory, AUTHORITY, &Certificate { chain, key: key.serialize_pem().into() })?;
        }
        Ok(Self { directory: directory.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// Puts certificates for everybody into the directory, until the beginning of this day.
    ///
    /// # Errors
    /// A host that is no name, and files that cannot be written.
    pub fn issue_all(&self, hosts: &[String], until: NaiveDate) -> anyhow::Result<()> {
        everybody().try_for_each(|name| self.issue(name, hosts, until))
    }

    /// Puts a certificate with a new key into the directory, for a server and a client, until the beginning of this day.
    ///
    /// # Errors
    /// A host that is no name, and files that cannot be written.
    pub fn issue(&self, name: &str, hosts: &[String], until: NaiveDate) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(hosts).context("a host is no name")?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = day(Utc::now().date_naive().min(until) - Days::new(2));
        params.not_after = day(until);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let chain = params.signed_by(&key, &self.issuer)?.pem();
        put(&self.directory, name, &Certificate { chain, key: key.serialize_pem().into() })
    }
}

/// Whether a certificate and its key are there and belong together: an interrupted start may have written one of them.
pub fn is_whole(directory: &Path, name: &str) -> bool {
    let belong_together = || -> anyhow::Result<()> {
        let Certificate { chain, key } = certificate(directory, name)?;
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())?;
        let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
        Ok(certified.keys_match()?)
    };
    belong_together().is_ok()
}

/// Who gets a certificate.
pub fn everybody() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(OTHERS)
}

/// What the private servers show, from the directory of an authority.
///
/// # Errors
/// When a file cannot be read.
pub fn server_certificates(directory: &Path) -> anyhow::Result<ServerCertificates> {
    let authority = certificate(directory, AUTHORITY)?.chain;
    let [postgres, redis] = [certificate(directory, "postgres")?, certificate(directory, "redis")?];
    Ok(ServerCertificates { authority, postgres, redis })
}

/// A certificate from the directory of an authority.
///
/// # Errors
/// When a file cannot be read.
pub fn certificate(directory: &Path, name: &str) -> anyhow::Result<Certificate> {
    let read = |ending: &str| {
        let file = directory.join(format!("{name}.{ending}"));
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    Ok(Certificate { chain: read("pem")?, key: read("key")?.into() })
}

fn authority_params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let today = Utc::now().date_naive();
    params.not_before = day(today - Days::new(2));
    params.not_after = date_time_ymd(today.year() + AUTHORITY_YEARS, 1, 1);
    Ok(params)
}

fn day(date: NaiveDate) -> time::OffsetDateTime {
    date_time_ymd(date.year(), u8::try_from(date.month()).unwrap_or(1), u8::try_from(date.day()).unwrap_or(1))
}

/// Each file whole or not at all, the key first: whoever reads the new certificate finds its key.
pub fn put(directory: &Path, name: &str, certificate: &Certificate) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let Certificate { chain, key } = certificate;
    for (ending, text, mode) in [("key", key.expose(), 0o600), ("pem", chain.as_str(), 0o644)] {
        let place = directory.join(format!("{name}.{ending}"));
        let unfinished = place.with_extension(format!("{ending}.new"));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(mode).open(&unfinished);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written
            .and_then(|()| fs::rename(&unfinished, &place))
            .with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(())
}
