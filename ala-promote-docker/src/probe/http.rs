//! One GET, over HTTP or HTTPS, whichever the port speaks.

use std::sync::Arc;
use std::time::Duration;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::connect::bracketed;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks ports over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct HttpProbe {
    client: Client,
}

impl HttpProbe {
    pub(crate) fn new() -> BackendResult<Self> {
        let what = "prepare the HTTP probe";
        let failed = |e: reqwest::Error| {
            BackendError::new(BackendErrorKind::Failed, what, "it can't be set up").with_source(e)
        };
        // The provider is given here since a process-wide one would be the embedder's business.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(AnyCertificate { provider: Arc::clone(&provider) });
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| {
                BackendError::new(BackendErrorKind::Failed, what, "TLS can't be set up").with_source(e)
            })?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            // A proxy would answer for the service.
            .no_proxy()
            .redirect(Policy::none())
            .timeout(LIMIT)
            .http1_only()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("ala-promote/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(failed)?;
        Ok(Self { client })
    }

    /// Asks once. Both sides say what was seen, with the address asked.
    pub(crate) async fn ask(&self, host: &str, port: u16, path: &str) -> Result<String, String> {
        let plain = self.get("http", host, port, path).await;
        if !plain.may_speak_tls() {
            return plain.verdict();
        }
        let tls = self.get("https", host, port, path).await;
        if matches!(tls.answer, Answer::Status(_)) { tls.verdict() } else { plain.verdict() }
    }

    async fn get(&self, scheme: &str, host: &str, port: u16, path: &str) -> Asked {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("{scheme}://{}:{port}{slash}{path}", bracketed(host));
        let answer = match self.client.get(&url).send().await {
            Ok(response) => Answer::Status(response.status()),
            Err(error) if error.is_timeout() => Answer::Late,
            Err(error) if error.is_connect() => Answer::NoConnection,
            Err(_) => Answer::Garbage,
        };
        Asked { url, answer }
    }
}

struct Asked {
    url: String,
    answer: Answer,
}

enum Answer {
    Status(StatusCode),
    Late,
    NoConnection,
    /// Something that is not HTTP, or a connection that was closed.
    Garbage,
}

impl Asked {
    /// Servers answer plain HTTP on a TLS port with 400 (nginx, Go, Apache), an alert, or by closing.
    fn may_speak_tls(&self) -> bool {
        matches!(self.answer, Answer::Status(StatusCode::BAD_REQUEST) | Answer::Garbage)
    }

    fn verdict(self) -> Result<String, String> {
        match self.answer {
            Answer::Status(status) => {
                let seen = format!("HTTP {} at {}", status.as_u16(), self.url);
                if status.as_u16() < 400 { Ok(seen) } else { Err(seen) }
            }
            Answer::Late => Err(format!("no answer within {} s at {}", LIMIT.as_secs(), self.url)),
            Answer::NoConnection => Err(format!("nothing answers at {}", self.url)),
            Answer::Garbage => Err(format!("no HTTP answer at {}", self.url)),
        }
    }
}

/// Accepts what is shown: services are asked by address, for which no certificate is made, and nothing is sent that
/// somebody in between could use.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every connection with these bytes.
    async fn server(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn below_400_passes_and_redirects_are_not_followed() {
        let probe = HttpProbe::new().unwrap();
        let ok =
            server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
        let seen = probe.ask("127.0.0.1", ok, "health").await.unwrap();
        assert_eq!(seen, format!("HTTP 302 at http://127.0.0.1:{ok}/health"));
        for (answer, said) in [
            (&b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"[..], "HTTP 404"),
            (b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", "HTTP 400"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "no HTTP answer"),
            (b"", "no HTTP answer"),
        ] {
            let port = server(answer).await;
            let seen = probe.ask("127.0.0.1", port, "/").await.unwrap_err();
            assert_eq!(seen, format!("{said} at http://127.0.0.1:{port}/"));
        }
        let nobody = probe.ask("127.0.0.1", 1, "/").await.unwrap_err();
        assert_eq!(nobody, "nothing answers at http://127.0.0.1:1/");
    }
}
