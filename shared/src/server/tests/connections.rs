//! Connections: as many as allowed, and none that does not speak.

use std::time::Instant;

use tokio::net::TcpSocket;

use super::raw::{EMPTY_MESSAGE, OPEN_METHOD, outcome};
use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

async fn connect_from(server: &RunningServer, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(server.address().parse().unwrap()).await.unwrap()
}

/// Waits until the server closes the connection.
async fn until_closed(connection: &mut TcpStream) {
    let end = async { while matches!(connection.read(&mut [0; 1024]).await, Ok(1..)) {} };
    tokio::time::timeout(TIMEOUT, end).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_makes_no_call_is_closed() {
    let server =
        RunningServer::start_with(LimitOptions { first_request_seconds: 1, ..LimitOptions::default() }).await;
    let silent: &[u8] = b"";
    // The preface and empty settings of HTTP/2, and half of a request of HTTP/1.1.
    let http_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let http_1: &[u8] = b"POST / HTTP/1.1\r\nhost: da";
    for beginning in [silent, http_2, http_1] {
        let mut connection = TcpStream::connect(server.address()).await.unwrap();
        connection.write_all(beginning).await.unwrap();
        let began = Instant::now();
        until_closed(&mut connection).await;
        assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_connection_with_a_call_lives_on_without_further_ones() {
    let server =
        RunningServer::start_with(LimitOptions { first_request_seconds: 1, ..LimitOptions::default() }).await;
    let mut client = server.siblings().project_access();
    let request = || pb::GetProjectAccessRequest { project_id: "port".into(), known_revision: 0 };
    let first = client.get_project_access(request()).await.unwrap().into_inner();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(client.get_project_access(request()).await.unwrap().into_inner(), first);
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_allowed() {
    let limits = LimitOptions { max_connections_per_peer: 3, max_connections: 5, ..LimitOptions::default() };
    let server = RunningServer::start_with(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect_from(&server, "127.0.0.2").await);
    }
    until_closed(&mut connect_from(&server, "127.0.0.2").await).await;
    let bystander = || server.channel_from("127.0.0.3");
    assert_eq!(outcome(bystander(), OPEN_METHOD, EMPTY_MESSAGE.to_vec()).await, "Ok ");

    // One that ends makes room for another.
    drop(held.pop());
    let again = async {
        while outcome(server.channel_from("127.0.0.2"), OPEN_METHOD, EMPTY_MESSAGE.to_vec()).await != "Ok " {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, again).await.unwrap();
}

#[tokio::test]
async fn all_addresses_together_have_no_more_connections_than_allowed() {
    let server =
        RunningServer::start_with(LimitOptions { max_connections: 2, ..LimitOptions::default() }).await;
    let _held = [connect_from(&server, "127.0.0.2").await, connect_from(&server, "127.0.0.3").await];
    until_closed(&mut connect_from(&server, "127.0.0.4").await).await;
}

#[tokio::test]
async fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let _server = RunningServer::start().await;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert_eq!(limit.current, limit.maximum);
}

/// Opens connections that say nothing, until the server takes no more of each address.
async fn exhaust(server: &RunningServer, addresses: impl Iterator<Item = u8>) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for address in addresses {
        for _ in 0..MAX_CONNECTIONS_PER_ADDRESS * 2 {
            held.push(connect_from(server, &format!("127.0.0.{address}")).await);
        }
    }
    held
}

const MAX_CONNECTIONS_PER_ADDRESS: u32 = 8;

#[tokio::test]
async fn connections_of_strangers_never_keep_out_services_and_operators() {
    let limits = LimitOptions {
        max_connections: 64,
        max_connections_per_peer: MAX_CONNECTIONS_PER_ADDRESS,
        ..LimitOptions::default()
    };
    let server = RunningServer::start_with(limits).await;
    // The address of the services is among those that are exhausted.
    let _held = exhaust(&server, 1..9).await;
    let stranger = server.channel_from("127.0.0.9");
    assert_eq!(outcome(stranger, OPEN_METHOD, EMPTY_MESSAGE.to_vec()).await, "ResourceExhausted OVERLOADED");
    assert_ne!(server.health().await, 0, "the server does not say whether it is well");

    let operator = ServiceSigner::new("operator", key_of("operator"));
    let siblings = [server.siblings(), server.siblings_of(&operator)];
    let call = async || {
        for siblings in &siblings {
            let mut client = siblings.server_info(Sibling::Project);
            client.get_server_info(GetServerInfoRequest {}).await.unwrap();
        }
    };
    call().await;
    // More strangers come; the connections of services stay.
    let _more = exhaust(&server, 10..14).await;
    call().await;
    assert!(server.ask("hello").await.is_ok());
}

#[tokio::test]
async fn a_connection_in_the_reserved_part_is_closed_unless_it_becomes_a_services() {
    let limits = LimitOptions { max_connections: 8, max_connections_per_peer: 1, ..LimitOptions::default() };
    let server = RunningServer::start_with(limits).await;
    let mut held = connect_from(&server, "127.0.0.2").await;
    let mut on_probation = connect_from(&server, "127.0.0.2").await;
    until_closed(&mut on_probation).await;
    assert!(held.read(&mut [0; 1]).now_or_never().is_none(), "the connection within the limit is closed");
}
