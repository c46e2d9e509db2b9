//! The origin of a web page.

use std::str::FromStr;

use http::uri::Authority;
use http::{HeaderValue, Uri};

/// The origin of a web page as a browser sends it: scheme, host, and a port that is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// The value of the header `origin`.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usage =
            || format!("`{text}` is no origin: a scheme and a host as a browser sends them, without a path");
        let uri: Uri = text.parse().map_err(|_| usage())?;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let is_sent_so = matches!(scheme, "http" | "https")
            && text == format!("{scheme}://{authority}").to_ascii_lowercase()
            && !authority.contains('@')
            && !authority.ends_with(default_port);
        is_sent_so.then(|| HeaderValue::from_str(text).map(Self).ok()).flatten().ok_or_else(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for origin in ["https://app.example.org", "http://localhost:5173", "http://[::1]:8080"] {
            assert!(origin.parse::<Origin>().is_ok(), "{origin}");
        }
        for other in [
            "*",
            "null",
            "",
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org/page",
            "https://APP.example.org",
            "https://app.example.org:443",
            "http://app.example.org:80",
            "https://user@app.example.org",
            "ftp://app.example.org",
        ] {
            assert!(other.parse::<Origin>().is_err(), "{other}");
        }
    }
}
