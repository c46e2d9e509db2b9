//! Database URLs as libpq has them: what the driver does not know of is taken out of them.

use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::SslMode;

use crate::config::Secret;

const MALFORMED: &str = "the database URL is malformed: postgres://user:password@host:port/database";
/// The value of `sslrootcert` for the authorities of the system.
const SYSTEM_AUTHORITIES: &str = "system";

/// A database URL.
pub struct DatabaseUrl {
    /// What the driver knows of it.
    pub config: tokio_postgres::Config,
    /// Whether to use TLS. Certificate chain and host name are then always verified.
    pub encrypted: bool,
    /// `sslrootcert`: the authorities to trust.
    pub authorities: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Parses a URL. `authorities` apply if it names none itself; either implies TLS.
    ///
    /// # Errors
    /// When it is malformed. The driver's own message may quote the URL, and with it the password.
    pub fn parse(url: &Secret, authorities: Option<PathBuf>) -> anyhow::Result<Self> {
        let malformed = || anyhow::anyhow!(MALFORMED);
        let (address, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
        anyhow::ensure!(
            address.starts_with("postgres://") || address.starts_with("postgresql://"),
            MALFORMED
        );
        let (mut mode, mut named, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').ok_or_else(malformed)? {
                ("sslmode", value) => mode = Some(value),
                ("sslrootcert", file) => {
                    named = Some(percent_decode_str(file).decode_utf8().map_err(|_| malformed())?);
                }
                _ => rest.push(pair),
            }
        }
        let mut config = tokio_postgres::Config::from_str(&format!("{address}?{}", rest.join("&")))
            .map_err(|_| malformed())?;
        let named_file = named
            .as_ref()
            .filter(|file| *file != SYSTEM_AUTHORITIES)
            .map(|file| PathBuf::from(file.as_ref()));
        let authorities = if named.is_some() { named_file } else { authorities };
        let ssl_mode = match mode {
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            None if named.is_some() || authorities.is_some() => SslMode::Require,
            None | Some("prefer") => SslMode::Prefer,
            Some(_) => anyhow::bail!("sslmode in a database URL is verify-full, require, prefer or disable"),
        };
        config.ssl_mode(ssl_mode);
        Ok(Self { config, encrypted: ssl_mode != SslMode::Disable, authorities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "postgres://olga:hunter2@h:1/d";

    fn parse(query: &str, authorities: Option<&str>) -> anyhow::Result<DatabaseUrl> {
        DatabaseUrl::parse(&format!("{ADDRESS}{query}").into(), authorities.map(PathBuf::from))
    }

    fn mode(query: &str, authorities: Option<&str>) -> SslMode {
        parse(query, authorities).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn tls_and_authorities_rule_out_plain_text() {
        for query in ["?sslmode=verify-full", "?sslmode=verify-ca", "?sslmode=require", "?sslrootcert=%2Fca"]
        {
            assert_eq!(mode(query, None), SslMode::Require, "{query}");
        }
        assert_eq!(mode("", Some("/ca")), SslMode::Require);
        assert_eq!(mode("", None), SslMode::Prefer);
        assert_eq!(mode("?sslmode=disable", Some("/ca")), SslMode::Disable);
        assert!(!parse("?sslmode=disable", None).unwrap().encrypted);
    }

    #[test]
    fn the_url_goes_before_the_option() {
        let named = |query: &str| parse(query, Some("/option")).unwrap().authorities;
        assert_eq!(named("?sslmode=verify-full"), Some("/option".into()));
        assert_eq!(named("?sslmode=verify-full&sslrootcert=%2Fa%20b"), Some("/a b".into()));
        assert_eq!(named("?sslrootcert=system"), None);
    }

    #[test]
    fn the_rest_is_the_drivers() {
        let config = parse("?application_name=me&sslmode=verify-full", None).unwrap().config;
        assert_eq!(config.get_application_name(), Some("me"));
        assert_eq!(config.get_user(), Some("olga"));
    }

    #[test]
    fn what_is_malformed_is_not_repeated() {
        for query in ["?sslmode=maybe", "?sslmode", "?nobody=knows"] {
            let refusal = format!("{:#}", parse(query, None).err().unwrap());
            assert!(refusal.contains("database URL") && !refusal.contains("hunter2"), "{refusal}");
        }
        assert!(DatabaseUrl::parse(&"host=h password=hunter2".into(), None).is_err());
    }
}
