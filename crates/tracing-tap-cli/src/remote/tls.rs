//! The certificates to trust.

use crate::error::Error;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// The TLS configuration for an endpoint. Reading the system's certificates takes milliseconds, so without TLS none are
/// read.
pub(crate) fn config_if(is_tls: bool, ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    if is_tls { config(ca_file) } else { trusting(RootCertStore::empty()) }
}

/// A TLS configuration that trusts the certificates in this file. Default: the system's.
pub(crate) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    trusting(ca_file.map_or_else(of_system, of_file)?)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let config =
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let config = config.map_err(|cause| Error::caused_by(cause, "set up TLS"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn of_file(file: &Path) -> Result<RootCertStore, Error> {
    let attempt = || format!("read the CA file `{}`", file.display());
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|cause| Error::caused_by(cause, attempt()).into_usage())?;
    if certificates.is_empty() {
        return Err(Error::usage(format!("{}: it contains no certificate", attempt())).advise("it must be PEM"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|cause| Error::caused_by(cause, attempt()).into_usage())?;
    }
    Ok(roots)
}

fn of_system() -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Old certificates that cannot be parsed are common in a system's store.
    let (known, _) = roots.add_parsable_certificates(found.certs);
    if known > 0 {
        return Ok(roots);
    }
    let attempt = "find certificates that the system trusts";
    let error = match found.errors.into_iter().next() {
        Some(cause) => Error::caused_by(cause, attempt),
        None => Error::new(format!("{attempt}: there are none")),
    };
    Err(error.advise("install them (`ca-certificates`), or give `--ca-file`"))
}
