//! Loopback ports: free ones, and who holds a taken one.

use std::collections::VecDeque;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

/// Below the range that the kernel takes outgoing connections' ports from, so that a server that is stopped and
/// started again finds its port free.
const FREE_PORTS: std::ops::Range<u16> = 20_000..32_000;
const FREE_PORT_TRIES: u32 = 200;
/// Ports that a process remembers: those of servers that listen a little later, or are stopped and started again.
const MAX_CLAIMS: usize = 1_000;

/// A UDP socket with the number of a port that was given away keeps other calls, also in other processes, from choosing
/// it again before a server listens on it.
static CLAIMS: Mutex<VecDeque<UdpSocket>> = Mutex::new(VecDeque::new());

/// A port nobody listens on at this moment, and that no other call has chosen lately. A process that does not ask here may
/// still be faster: callers try again.
///
/// # Errors
/// When none is free.
pub fn free() -> Result<u16> {
    for _ in 0..FREE_PORT_TRIES {
        let port = rand::random_range(FREE_PORTS);
        let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
            claims.push_back(claim);
            let excess = claims.len().saturating_sub(MAX_CLAIMS);
            claims.drain(..excess);
            return Ok(port);
        }
    }
    bail!("no free loopback port found between {} and {}", FREE_PORTS.start, FREE_PORTS.end)
}

/// Refuses a taken port, naming its holder where `/proc` tells.
///
/// # Errors
/// When it is taken.
pub fn require_free(server: &str, port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let holder = holder(port).unwrap_or_else(|| "a process that is not ours to see".to_owned());
            bail!("port {port}, wanted for {server}, is taken by {holder}: stop it or choose another port")
        }
        Err(error) => bail!("port {port}, wanted for {server}, cannot be used: {error}"),
    }
}

fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| table.lines().find_map(|line| listening_inode(line, port)))?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    // Not `self` and its like, which name no process.
    let mut processes = processes.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    let process = processes.find(|process| {
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| target.as_os_str() == socket.as_str())
    })?;
    let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
    Some(format!("process {} ({})", process.file_name().to_string_lossy(), name.trim()))
}

/// The socket's inode, if this line of `/proc/net/tcp` is a listener on the port.
fn listening_inode(line: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
    listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_chosen_twice_before_a_server_listens() {
        let chosen: Vec<u16> = (0..100).map(|_| free().unwrap()).collect();
        let distinct: std::collections::HashSet<&u16> = chosen.iter().collect();
        assert_eq!(distinct.len(), 100);
        assert!(chosen.iter().all(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_err()));
    }

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let listener = "0: 0100007F:D430 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0 100 0 0 10 0";
        assert_eq!(listening_inode(listener, 54320), Some("4711".to_owned()));
        assert_eq!(listening_inode(listener, 54321), None);
        assert_eq!(listening_inode(&listener.replace(" 0A ", " 01 "), 54320), None);
    }

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let refusal = require_free("PostgreSQL", port).expect_err("taken").to_string();
        assert!(
            refusal.contains(&format!("port {port}"))
                && refusal.contains(&format!("process {}", std::process::id())),
            "{refusal}"
        );
    }
}
