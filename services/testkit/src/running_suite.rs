//! The services of a suite: some in this process, some as programs.

use local_servers::tools::free_port;
use std::path::Path;

use futures::future::{BoxFuture, join_all};
use local_servers::running_services::{RunningServices, listen, listen_on, sibling_urls};
use local_servers::suite::NAMES;
use shared::config::SiblingOptions;
use shared::service::{GATEWAY, PreparedService, ServiceContext, serve_gateway};
use tokio_util::sync::CancellationToken;

use super::SuiteOptions;
use super::programs::program;
use super::service_process::ServiceProcess;

/// Starts a service in this process.
pub type StartService =
    fn(ServiceContext, &SuiteOptions) -> BoxFuture<'static, anyhow::Result<PreparedService>>;

/// The services that a suite consists of.
#[derive(Clone, Default)]
pub(super) struct Services {
    pub in_process: Vec<(&'static str, StartService)>,
    pub programs: Vec<&'static str>,
    /// Whether the services in process are served together on one more port.
    pub has_gateway: bool,
}

/// The running services of a suite.
pub struct RunningSuite {
    services: RunningServices,
    gateway_url: Option<String>,
    _programs: Vec<ServiceProcess>,
}

impl RunningSuite {
    /// Starts services and waits until the programs among them accept connections.
    pub(super) async fn start(services: &Services, options: &SuiteOptions, files: &Path) -> Self {
        let ports =
            NAMES.map(|name| if services.programs.contains(&name) { free_port().unwrap() } else { 0 });
        let listeners = listen(ports).await.unwrap();
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let siblings = sibling_urls(addresses, options.certificates.is_some());
        let shutdown = CancellationToken::new();
        let mut running = RunningServices::new(siblings.clone(), shutdown.clone());
        let mut prepared = Vec::new();
        // The programs bind the ports of the other listeners, which are dropped here.
        for (listener, name) in listeners.into_iter().zip(NAMES) {
            if let Some((_, start)) = services.in_process.iter().find(|(known, _)| *known == name) {
                let service = options.service(name, listener.local_addr().unwrap(), &siblings);
                let context =
                    ServiceContext::new(name, service, options.clock.clone(), shutdown.clone()).unwrap();
                let service = start(context, options).await.unwrap();
                prepared.push(service.clone());
                running.spawn(service.serve(listener));
            }
        }
        let gateway_url = match services.has_gateway {
            true => {
                let listener = listen_on(0, GATEWAY).await.unwrap();
                let (scheme, _) = siblings.identity_url.split_once("://").unwrap();
                let url = format!("{scheme}://{}", listener.local_addr().unwrap());
                running.spawn(serve_gateway(prepared, listener));
                Some(url)
            }
            false => None,
        };
        let programs = NAMES.into_iter().zip(ports).filter(|(_, port)| *port != 0).map(|(name, port)| {
            let (siblings, program) = (&siblings, program(name).to_string_lossy().into_owned());
            async move { ServiceProcess::start_at(options, siblings, files, &program, name, port).await }
        });
        Self { _programs: join_all(programs).await, services: running, gateway_url }
    }

    /// Where the services of this process are served together; see `Harness::with_gateway`.
    pub fn gateway_url(&self) -> &str {
        self.gateway_url.as_deref().expect("the harness has no gateway")
    }

    pub fn siblings(&self) -> &SiblingOptions {
        &self.services.siblings
    }

    /// Stops the services of this process after their open calls have ended.
    pub async fn stop(self) {
        self.services.stop().await.unwrap();
    }

    pub(super) fn cancel(&self) {
        self.services.cancel();
    }
}
