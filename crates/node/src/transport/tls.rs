//! TLS 1.3 under the WebSocket. Certificates prove nothing here: whoever is at the other end proves its signer in the
//! handshake, and that proof covers keying material of the TLS session, which nobody in between has (RFC 9266).

use super::link::BoundLink;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{ClientConfig, ConnectionCommon, DigitallySignedStruct, ServerConfig, SignatureScheme};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use strait_types::B256;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The first byte of a TLS connection: a handshake record. No HTTP request starts with it.
pub(super) const FIRST_BYTE: u8 = 0x16;
/// RFC 9266.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

/// What a listener shows to those who connect by TLS.
#[derive(Clone)]
pub struct TlsIdentity(Arc<ServerConfig>);

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(..)")
    }
}

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or the wrong kind.
    #[error("the {what} cannot be read: {reason}; it must be PEM")]
    Unreadable {
        /// Certificate or private key.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}; check that the private key belongs to it")]
    Unusable(String),
    /// No certificate can be made.
    #[error("no certificate can be made: {0}")]
    NotMade(String),
}

impl TlsIdentity {
    /// A fresh certificate of its own. Peers accept it, since they check the signer.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn self_signed() -> Result<TlsIdentity, TlsError> {
        let made = rcgen::generate_simple_self_signed(vec!["strait".to_owned()])
            .map_err(|error| TlsError::NotMade(error.to_string()))?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        TlsIdentity::new(vec![made.cert.der().clone()], key.into())
    }

    /// From PEM: the certificate with what signed it, and its private key.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<TlsIdentity, TlsError> {
        let unreadable = |what| {
            move |error: rustls::pki_types::pem::Error| TlsError::Unreadable {
                what,
                reason: error.to_string(),
            }
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(unreadable("certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(unreadable("private key"))?;
        TlsIdentity::new(chain, key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<TlsIdentity, TlsError> {
        let unusable = |error: rustls::Error| TlsError::Unusable(error.to_string());
        let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        // Every connection has fresh keys.
        config.send_tls13_tickets = 0;
        Ok(TlsIdentity(Arc::new(config)))
    }
}

/// Takes a connection that the other side opened by TLS.
pub(super) async fn accept<S>(identity: &TlsIdentity, stream: S) -> io::Result<BoundLink>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TlsAcceptor::from(identity.0.clone()).accept(stream).await?;
    let binding = binding_of(stream.get_ref().1)?;
    Ok(BoundLink { link: Box::new(stream), binding })
}

/// Opens TLS over a connection to `host`, or `ip` if that is no name that TLS knows.
pub(super) async fn connect<S>(stream: S, host: &str, ip: IpAddr) -> io::Result<BoundLink>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let name = ServerName::try_from(host.to_owned()).unwrap_or(ServerName::IpAddress(ip.into()));
    let stream = TlsConnector::from(client_config()?).connect(name, stream).await?;
    let binding = binding_of(stream.get_ref().1)?;
    Ok(BoundLink { link: Box::new(stream), binding })
}

fn client_config() -> io::Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(
            PROVIDER.signature_verification_algorithms,
        )))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn binding_of<Data>(connection: &ConnectionCommon<Data>) -> io::Result<B256> {
    let mut binding = [0; 32];
    connection.export_keying_material(&mut binding, BINDING_LABEL, Some(&[])).map_err(io::Error::other)?;
    Ok(B256::from(binding))
}

/// Takes any certificate, but checks that the other side has its key, as TLS demands.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
