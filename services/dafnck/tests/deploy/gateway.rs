//! `deploy/gateway`: the settings of Compose, in a real Envoy of the release that Compose names.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use local_servers::tools::free_port;
use proto::common::GetServerInfoRequest;
use proto::common::server_info_service_client::ServerInfoServiceClient;
use proto::identity::v1::{ListSessionsRequest, LoginRequest};
use proto::task::v1::{BatchCreateTasksRequest, Task, WatchTasksRequest};
use serde_yaml_ng::Value;
use testkit::{Actor, ENVOY_VERSION, Envoy, Suite, violations};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::{at, documents, list, read, root, text};
use crate::browser::{Page, Visit};
use crate::harness::harness;
use crate::method_rules::{call, methods, path_of};

const FILE: &str = "deploy/gateway/envoy.yaml";
/// Another address of this machine, for clients: the proxy is at 127.0.0.1.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A suite behind Envoy.
struct ProxiedSuite {
    suite: Suite,
    port: u16,
    _envoy: Envoy,
}

impl ProxiedSuite {
    async fn start(page: Option<&Page>) -> Self {
        let suite = harness()
            .start_plain_with(|options| {
                options.proxies.trusted_proxies = vec![IpAddr::V4(Ipv4Addr::LOCALHOST).into()];
                options.cors.allowed_origins = page.map(Page::origin).into_iter().collect();
            })
            .await;
        let port = free_port().unwrap();
        let envoy = Envoy::start(&settings(port, &suite), port).await.unwrap();
        Self { suite, port, _envoy: envoy }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(self.url()).unwrap();
        endpoint.local_address(Some(CLIENT.into())).connect_lazy()
    }

    async fn user(&self, name: &str) -> Actor {
        Actor::register_over([(); 4].map(|()| self.channel()), name).await
    }
}

/// The settings with this port, and with the services where those of the suite are.
fn settings(port: u16, suite: &Suite) -> String {
    fn put(endpoint: &mut Value, port: u16) {
        let address = &mut endpoint["address"]["socket_address"];
        address["address"] = "127.0.0.1".into();
        address["port_value"] = port.into();
    }
    let mut settings = documents(&read(&root().join(FILE))).remove(0);
    let resources = &mut settings["static_resources"];
    put(&mut resources["listeners"][0], port);
    for cluster in resources["clusters"].as_sequence_mut().unwrap() {
        let urls = &suite.siblings;
        let url = match text(&cluster["name"]) {
            "identity" => &urls.identity_url,
            "project" => &urls.project_url,
            "task" => &urls.task_url,
            "content" => &urls.content_url,
            other => panic!("{other}"),
        };
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        put(&mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"], port);
    }
    serde_yaml_ng::to_string(&settings).unwrap()
}

#[test]
fn compose_runs_the_release_and_the_addresses_that_are_tested() {
    let compose = documents(&read(&root().join("docker-compose.yml"))).remove(0);
    let gateway = at(&compose, "services.gateway");
    assert_eq!(text(at(gateway, "image")), format!("envoyproxy/envoy:v{ENVOY_VERSION}"));
    let settings = documents(&read(&root().join(FILE))).remove(0);
    let clusters = list(at(&settings, "static_resources.clusters"));
    for cluster in clusters {
        let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        let address = at(endpoint, "address.socket_address");
        let (name, port) = (text(&address["address"]), address["port_value"].as_u64().unwrap());
        let listen = text(at(&compose, &format!("services.{name}.environment.DAFNCK_LISTEN")));
        assert_eq!((text(&cluster["name"]), listen), (name, format!("0.0.0.0:{port}").as_str()));
    }
    assert_eq!(clusters.len(), 4);
    let trusted = text(at(&compose, "services.identity.environment.DAFNCK_TRUSTED_PROXIES"));
    assert_eq!(text(at(gateway, "networks.front.ipv4_address")), trusted);
}

#[tokio::test]
async fn public_methods_and_no_others_pass_the_proxy() {
    let proxied = ProxiedSuite::start(None).await;
    for method in methods() {
        let path = path_of(&method);
        let refusal = call(proxied.channel(), &path, None, bytes::Bytes::new()).await.err();
        let is_internal = path.contains(".admin.") || path.contains(".backend.");
        let code = refusal.map(|status| status.code());
        assert_eq!(code == Some(Code::Unimplemented), is_internal, "{path}: {code:?}");
    }
}

#[tokio::test]
async fn calls_streams_and_errors_pass_the_proxy() {
    let proxied = ProxiedSuite::start(None).await;
    let olga = proxied.user("olga").await;
    let project = olga.project("apollo").await;
    crate::files::upload(&olga, &project, "a plan").await;

    let request = WatchTasksRequest { project_id: project.id.clone(), ..Default::default() };
    let mut watched = olga.tasks().watch_tasks(request).await.unwrap().into_inner();
    assert!(watched.message().await.unwrap().unwrap().events.is_empty());
    let task = olga.task(&project, "build the rocket").await;
    let next = async { while watched.message().await.unwrap().unwrap().events.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(10), next).await.expect("the change is passed on at once");

    let mut client = ServerInfoServiceClient::new(proxied.channel());
    let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    crate::gateway::assert_describes_all_services(info);

    // One of the largest errors that there are.
    let tasks = vec![Task { title: String::new(), ..task }; 1000];
    let request = BatchCreateTasksRequest { project_id: project.id, tasks, ..Default::default() };
    let refusal = olga.tasks().batch_create_tasks(request).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    // 50, and how many more there are.
    assert_eq!(violations(&refusal).len(), 51);
}

#[tokio::test]
async fn the_services_see_the_address_of_the_client_and_not_what_it_says() {
    let proxied = ProxiedSuite::start(None).await;
    let olga = proxied.user("olga").await;
    let (login, password) = (olga.name.clone(), olga.password.clone());
    let mut request = tonic::Request::new(LoginRequest { login, password, ..Default::default() });
    request.metadata_mut().insert("x-forwarded-for", "198.51.100.1".parse().unwrap());
    olga.auth().login(request).await.unwrap();
    let listed = olga.account().list_sessions(ListSessionsRequest::default()).await.unwrap();
    let addresses: Vec<_> =
        listed.into_inner().sessions.into_iter().map(|session| session.ip_address).collect();
    assert_eq!(addresses, [CLIENT.to_string(), CLIENT.to_string()]);
}

#[tokio::test]
async fn a_service_that_does_not_run_is_unavailable() {
    let mut proxied = ProxiedSuite::start(None).await;
    proxied.suite.stop().await;
    let path = "/dafnck.identity.v1.AuthService/WhoAmI";
    let refusal = call(proxied.channel(), path, None, bytes::Bytes::new()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_works_through_the_proxy() {
    let mut page = Page::serve().await;
    let proxied = ProxiedSuite::start(Some(&page)).await;
    let olga = proxied.user("olga").await;
    let project = olga.project("apollo").await;
    olga.task(&project, "buy milk").await;
    let Some(visit) = page.visit(&proxied.url(), &olga, &project).await else { return };
    let expected = Visit {
        listed: vec!["buy milk".into()],
        watched: "created by the page".into(),
        uploaded_bytes: 6,
        refusal: "NOT_FOUND RESOURCE_NOT_FOUND".into(),
    };
    assert_eq!(visit, expected);
    let failure = page.failure_from_another_origin(&proxied.url(), &olga, &project).await.unwrap();
    assert_eq!(failure, "TypeError: Failed to fetch");
}
