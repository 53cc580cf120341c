//! The application of the story: it answers with the page that its release holds, but with an error where the release
//! says that it does not work there.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Answers on `PORT` until it is killed.
pub(crate) fn serve() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or_default();
    let (page, broken_in) = (std::fs::read_to_string("page")?, std::fs::read_to_string("broken-in"));
    let works = broken_in.ok().is_none_or(|stage| std::env::var("STAGE").as_deref() != Ok(stage.trim()));
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        // Who goes away does not end the service.
        let _ = stream.and_then(|stream| answer(stream, works, &page));
    }
    Ok(())
}

fn answer(mut stream: TcpStream, works: bool, page: &str) -> std::io::Result<()> {
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let status = if works { "200 OK" } else { "500 Internal Server Error" };
    write!(stream, "HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{page}", page.len())
}
