//! The services of a suite: some in this process, some as programs.

use std::path::Path;

use futures::future::join_all;
use local_servers::running_services::{RunningServices, listen, sibling_urls};
use local_servers::suite::NAMES;
use shared::config::SiblingOptions;
use shared::service::ServiceContext;
use tokio_util::sync::CancellationToken;

use super::programs::program;
use super::{Harness, ServiceProcess, SuiteOptions};

/// The running services of a suite.
pub struct RunningSuite {
    services: RunningServices,
    _programs: Vec<ServiceProcess>,
}

impl RunningSuite {
    /// Starts the services of a harness and waits until its programs accept connections.
    pub(super) async fn start(harness: &Harness, options: &SuiteOptions, files: &Path) -> Self {
        let listeners = listen([0; 4]).await.unwrap();
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let siblings = sibling_urls(addresses, options.certificates.is_some());
        let shutdown = CancellationToken::new();
        let mut services = RunningServices::new(siblings.clone(), shutdown.clone());
        let mut programs = Vec::new();
        for (listener, name) in listeners.into_iter().zip(NAMES) {
            let address = listener.local_addr().unwrap();
            let started = harness.in_process.iter().find(|(started, _)| *started == name);
            if let Some((_, start)) = started {
                let service = options.service(name, address, &siblings);
                let context =
                    ServiceContext::new(name, service, options.clock.clone(), shutdown.clone()).unwrap();
                services.spawn(start(context, options, listener));
            } else if harness.programs.contains(&name) {
                // The program binds this port.
                drop(listener);
                programs.push((name, address.port()));
            }
        }
        let programs = join_all(programs.into_iter().map(|(name, port)| {
            let program = program(name).to_string_lossy().into_owned();
            let siblings = siblings.clone();
            async move { ServiceProcess::start_at(options, &siblings, files, &program, name, port).await }
        }));
        Self { _programs: programs.await, services }
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
