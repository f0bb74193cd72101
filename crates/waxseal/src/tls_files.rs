//! The server's certificate and key in files, read again when they change.

use std::fs;
use std::time::{Duration, SystemTime};

use metrics::Gauge;
use waxseal_keys::error_chain;
use waxseal_server::{HttpServer, Tls};

use crate::counters;
use crate::endpoint::Endpoint;
use crate::settings::Settings;
use crate::start_error::StartError;

/// The interval at which the files are checked.
const INTERVAL: Duration = Duration::from_secs(5);

/// The time of a file's last change and its size, which a renewal of the certificate changes. `None` for a file that
/// does not exist.
type Stamp = Option<(SystemTime, u64)>;

/// The certificate files of a server, and their state when they were last read.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    tls: Tls,
    changes: Changes,
    refused: Gauge,
}

#[derive(Debug)]
struct Changes {
    used: [Stamp; 2],
    before: [Stamp; 2],
}

/// Makes the server use TLS, if the settings name the files.
pub(crate) fn serve(
    settings: &Settings,
    http: HttpServer,
    endpoint: Endpoint,
) -> Result<(HttpServer, Endpoint, Option<TlsFiles>), StartError> {
    let (Some(certificate), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
        return Ok((http, endpoint, None));
    };
    // Taken before the files are read, so that a change in between is noticed.
    let used = [certificate, key].map(|path| stamp(path));
    let tls = Tls::from_files(certificate, key)?;
    let endpoint = match endpoint {
        Endpoint::Tcp(address) => Endpoint::Tls(address),
        other => other,
    };
    let files = TlsFiles {
        tls: tls.clone(),
        changes: Changes { used, before: used },
        refused: counters::file_refused("certificate"),
    };
    Ok((http.tls(tls), endpoint, Some(files)))
}

impl TlsFiles {
    /// Reads the files again whenever they have changed and then stayed the same for an interval. Never ends.
    pub(crate) async fn watch(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if !self.changes.have_settled(self.tls.files().map(stamp)) {
                continue;
            }
            let reloaded = self.tls.reload();
            self.refused.set(f64::from(u8::from(reloaded.is_err())));
            match reloaded {
                Ok(()) => tracing::info!("the changed TLS certificate is used from now on"),
                Err(error) => {
                    let error = error_chain::one_line(error_chain::texts(&error));
                    tracing::error!(
                        "the changed TLS certificate is not used, and the one before is kept: {error}"
                    );
                }
            }
        }
    }
}

impl Changes {
    /// Returns `true` if the files differ from those that were read, and have not changed since the last check. A
    /// renewal writes two files, not both at once.
    fn have_settled(&mut self, now: [Stamp; 2]) -> bool {
        let settled = now == self.before && now != self.used;
        if settled {
            self.used = now;
        }
        self.before = now;
        settled
    }
}

fn stamp(path: &std::path::Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_once_they_have_changed_and_stay() {
        let at = |seconds| Some((SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), 100));
        let first = [at(1), at(1)];
        let mut changes = Changes { used: first, before: first };
        for (case, now, settled) in [
            ("as they were", [at(1), at(1)], false),
            ("one is new", [at(2), at(1)], false),
            ("both are", [at(2), at(2)], false),
            ("and stay", [at(2), at(2)], true),
            ("and stay on", [at(2), at(2)], false),
            ("gone for a moment", [None, at(2)], false),
            ("back again", [at(2), at(2)], false),
            ("and stay once more", [at(2), at(2)], false),
        ] {
            assert_eq!(changes.have_settled(now), settled, "{case}");
        }
    }
}
