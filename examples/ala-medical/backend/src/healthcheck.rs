use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Asks the API in this container; an error unless it says 200.
pub fn ask(port: u16) -> Result<(), Box<dyn Error>> {
    let timeout = Duration::from_secs(3);
    let mut api = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)?;
    api.set_read_timeout(Some(timeout))?;
    api.write_all(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    api.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    // `docker inspect` shows this line.
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(format!("{}: {body}", answer.lines().next().unwrap_or("no answer")).into())
}
