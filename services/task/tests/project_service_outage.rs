//! Calls while the project service is unreachable.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::config::SiblingOptions;
use shared::service::ServiceContext;
use testkit::*;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::io::InspectReader;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fixtures::*;

/// A connection to the project service that can be cut, and counts requests.
struct CuttableProxy {
    url: String,
    asked: Arc<AtomicUsize>,
    cut: CancellationToken,
}

async fn proxy_to(target: &str) -> CuttableProxy {
    let (scheme, target) = target.split_once("://").unwrap();
    let target: SocketAddr = target.parse().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    let proxy = CuttableProxy { url, asked: Arc::default(), cut: CancellationToken::new() };
    let (asked, cut) = (proxy.asked.clone(), proxy.cut.clone());
    tokio::spawn(proxy.cut.clone().run_until_cancelled_owned(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(target).await.unwrap();
            tokio::spawn(cut.clone().run_until_cancelled_owned(carry(client, server, asked.clone())));
        }
    }));
    proxy
}

async fn carry(client: TcpStream, server: TcpStream, asked: Arc<AtomicUsize>) {
    let ((questions, mut to_client), (mut answers, mut to_server)) =
        (client.into_split(), server.into_split());
    let mut questions = InspectReader::new(questions, |_| {
        asked.fetch_add(1, Ordering::Relaxed);
    });
    let _until_either_closes = tokio::try_join!(
        tokio::io::copy(&mut questions, &mut to_server),
        tokio::io::copy(&mut answers, &mut to_client)
    );
}

/// Another replica of the task service, connected through this proxy.
async fn replica(suite: &mut Suite, project_url: &str) -> DropGuard {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let listen = listener.local_addr().unwrap();
    let siblings = SiblingOptions { project_url: project_url.to_owned(), ..suite.siblings.clone() };
    let options = suite.options.service(task::NAME, listen, &siblings);
    let stop = CancellationToken::new();
    let context =
        ServiceContext::new(task::NAME, options, suite.options.clock.clone(), stop.clone()).unwrap();
    tokio::spawn(task::start(context).await.unwrap().serve(listener));
    let (scheme, _) = suite.siblings.task_url.split_once("://").unwrap();
    suite.siblings.task_url = format!("{scheme}://{listen}");
    stop.drop_guard()
}

#[tokio::test]
async fn the_access_copy_is_trusted_for_a_bounded_time() {
    let mut team = team().await;
    let task = team.olga.task(&team.project, "buy milk").await;
    let proxy = proxy_to(&team.suite.siblings.project_url).await;
    let _replica = replica(&mut team.suite, &proxy.url).await;
    let [mut olga, mut sam] = [team.suite.anonymous(), team.suite.anonymous()];
    olga.session_token = team.olga.session_token;
    sam.session_token = team.sam.session_token;
    let is_believed = async || {
        let before = proxy.asked.load(Ordering::Relaxed);
        get(&olga, &task).await.is_ok() && proxy.asked.load(Ordering::Relaxed) == before
    };
    until("the copy is trusted without asking", WAIT_LIMIT, is_believed).await;

    proxy.cut.cancel();
    assert_eq!(get(&olga, &task).await.unwrap(), task);
    let unavailable = "UNAVAILABLE DEPENDENCY_UNAVAILABLE";
    assert_eq!(summary(&get(&sam, &task).await.unwrap_err()), unavailable);
    let is_silent = async || match get(&olga, &task).await {
        Ok(_) => false,
        Err(refusal) => summary(&refusal) == unavailable,
    };
    until("the copy is no longer trusted", WAIT_LIMIT, is_silent).await;
}
