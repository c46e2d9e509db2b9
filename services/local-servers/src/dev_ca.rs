//! `dafnck dev-ca`: an authority for development and tests, and certificates from it for everybody in the suite.
//!
//! Not for production: the authority's key lies beside what it has signed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{Datelike, Days, NaiveDate, Utc};
use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::suite::NAMES;
use crate::{Certificate, ServerCertificates};

/// Who gets a certificate beside the services.
const OTHERS: [&str; 3] = ["postgres", "redis", "operator"];
/// The authority's files are named so, as a service's are by its name.
pub const AUTHORITY: &str = "ca";
const AUTHORITY_NAME: &str = "DafnckMachine development authority";
/// How long the authority lasts, in years.
const AUTHORITY_YEARS: i32 = 10;

/// Where to put certificates, and for whom.
#[derive(Args, Clone, Debug)]
pub struct DevCaOptions {
    /// Folder for the authority (`ca.pem`) and certificates with keys (`identity.pem`, `identity.key`, …); made if
    /// missing. An authority that is there stays, and signs new certificates
    folder: PathBuf,
    /// Names and addresses under which the services are called
    #[arg(long, value_delimiter = ',', default_value = "localhost,127.0.0.1")]
    hosts: Vec<String>,
    /// How long the certificates last
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    days: u32,
}

/// Makes the certificates and says which options take them.
///
/// # Errors
/// When a file cannot be read or written.
pub fn command(options: &DevCaOptions) -> anyhow::Result<()> {
    let authority = Authority::load_or_make(&options.folder)?;
    let until = Utc::now().date_naive() + Days::new(options.days.into());
    authority.issue_all(&options.hosts, until)?;
    let folder = options.folder.display();
    println!("certificates until {until} are in {folder}. For each service, as for identity:");
    println!("  DAFNCK_TLS_CERTIFICATE={folder}/identity.pem DAFNCK_TLS_KEY={folder}/identity.key");
    println!("  DAFNCK_TLS_CA={folder}/{AUTHORITY}.pem DAFNCK_TLS_CLIENT_CA={folder}/{AUTHORITY}.pem");
    println!(
        "  DAFNCK_DATABASE_TLS_CA={folder}/{AUTHORITY}.pem DAFNCK_REDIS_TLS_CA={folder}/{AUTHORITY}.pem"
    );
    Ok(())
}

/// An authority in a folder.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The one of this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn load_or_make(folder: &Path) -> anyhow::Result<Self> {
        let key_file = folder.join(format!("{AUTHORITY}.key"));
        let params = authority_params()?;
        let key = if key_file.exists() {
            let pem = fs::read_to_string(&key_file);
            KeyPair::from_pem(&pem.with_context(|| format!("cannot read {}", key_file.display()))?)?
        } else {
            let key = KeyPair::generate()?;
            let chain = params.self_signed(&key)?.pem();
            put(folder, AUTHORITY, &Certificate { chain, key: key.serialize_pem().into() })?;
            key
        };
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// Puts certificates for everybody into the folder, until the beginning of this day.
    ///
    /// # Errors
    /// A host that is no name, and files that cannot be written.
    pub fn issue_all(&self, hosts: &[String], until: NaiveDate) -> anyhow::Result<()> {
        everybody().try_for_each(|name| self.issue(name, hosts, until))
    }

    /// Puts a certificate with a new key into the folder, for a server and a client, until the beginning of this day.
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
        put(&self.folder, name, &Certificate { chain, key: key.serialize_pem().into() })
    }
}

/// Who gets a certificate.
pub fn everybody() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(OTHERS)
}

/// What the private servers show, from the folder of an authority.
///
/// # Errors
/// When a file cannot be read.
pub fn server_certificates(folder: &Path) -> anyhow::Result<ServerCertificates> {
    let authority = certificate(folder, AUTHORITY)?.chain;
    let [postgres, redis] = [certificate(folder, "postgres")?, certificate(folder, "redis")?];
    Ok(ServerCertificates { authority, postgres, redis })
}

/// A certificate from the folder of an authority.
///
/// # Errors
/// When a file cannot be read.
pub fn certificate(folder: &Path, name: &str) -> anyhow::Result<Certificate> {
    let read = |ending: &str| {
        let file = folder.join(format!("{name}.{ending}"));
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
pub fn put(folder: &Path, name: &str, certificate: &Certificate) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let Certificate { chain, key } = certificate;
    for (ending, text, mode) in [("key", key.expose(), 0o600), ("pem", chain.as_str(), 0o644)] {
        let place = folder.join(format!("{name}.{ending}"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            DevCaOptions { folder: folder.path().join("a"), hosts: vec!["localhost".into()], days: 1 };
        command(&options).unwrap();
        let read = |name: &str| fs::read_to_string(options.folder.join(name)).unwrap();
        let (authority, former) = (read("ca.pem"), read("identity.pem"));
        command(&options).unwrap();
        assert_eq!(read("ca.pem"), authority);
        assert_ne!(read("identity.pem"), former);
    }
}
