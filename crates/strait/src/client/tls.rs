//! TLS with the certificate authorities that browsers trust.

use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use strait_api::{ApiError, ErrorCode};

pub(super) fn config() -> Result<ClientConfig, ApiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
