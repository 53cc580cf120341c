//! Whether a port is open: the weakest of checks, and called so.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the other side may have to hang up.
const HANG_UP: Duration = Duration::from_millis(150);

/// Whether something listens.
pub(crate) async fn answers(host: &str, port: u16) -> bool {
    matches!(timeout(CONNECT, TcpStream::connect((host, port))).await, Ok(Ok(_)))
}

/// Connects once; the error says what came of it.
pub(crate) async fn open(host: &str, port: u16) -> Result<(), String> {
    let mut stream = match timeout(CONNECT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(format!("port {port} at {host}: {}", reason(&error))),
        Err(_) => return Err(format!("port {port} at {host}: no connection within {} s", CONNECT.as_secs())),
    };
    // Docker's own proxy accepts before the application listens, then hangs up at once.
    match timeout(HANG_UP, stream.read(&mut [0])).await {
        Ok(Ok(0) | Err(_)) => Err(format!("port {port} at {host}: accepts and hangs up")),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// An I/O error without the number of the system's error.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_open_from_closed_and_hung_up() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        assert_eq!(open("127.0.0.1", port).await, Ok(()));
        let hangs_up = async {
            for _ in 0..2 {
                drop(silent.accept().await.unwrap());
            }
        };
        let (_, said) = futures_util::join!(hangs_up, open("127.0.0.1", port));
        assert!(said.unwrap_err().ends_with("accepts and hangs up"));
        drop(silent);
        assert!(open("127.0.0.1", port).await.unwrap_err().ends_with("connection refused"));
    }
}
