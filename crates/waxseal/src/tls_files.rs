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

/// A certificate that expires within this time should have been renewed.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The time of a file's last change and its size, which a renewal of the certificate changes. `None` for a file that
/// does not exist.
type Stamp = Option<(SystemTime, u64)>;

/// The certificate files of a server, and their state when they were last read.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    tls: Tls,
    changes: Changes,
    refused: Gauge,
    not_after: Gauge,
}

#[derive(Debug)]
struct Changes {
    /// The files that are in use. `None` once others were refused, which are tried until they are not: what kept them
    /// from being read, such as their owner, need not show in a stamp.
    used: Option<[Stamp; 2]>,
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
    metrics::describe_gauge!(
        "waxseal_tls_certificate_not_after_seconds",
        "The time at which the TLS certificate in use expires, in seconds since 1970."
    );
    let files = TlsFiles {
        tls: tls.clone(),
        changes: Changes { used: Some(used), before: used },
        refused: counters::file_refused("certificate"),
        not_after: metrics::gauge!("waxseal_tls_certificate_not_after_seconds"),
    };
    files.note_end(SystemTime::now());
    Ok((http.tls(tls), endpoint, Some(files)))
}

impl TlsFiles {
    /// Reads the files again whenever they have changed and then stayed the same for an interval. Never ends.
    pub(crate) async fn watch(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = self.tls.files().map(stamp);
            let mut is_new = false;
            self.changes.use_settled(now, || {
                is_new = reload(&self.tls, &self.refused);
                is_new
            });
            if is_new {
                self.note_end(SystemTime::now());
            }
        }
    }

    /// Shows when the certificate in use expires, and warns if that is soon: a renewal that does not come changes no file.
    fn note_end(&self, now: SystemTime) {
        let since_1970 = self.tls.not_after().and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
        self.not_after.set(since_1970.map_or(f64::NAN, |seconds| seconds.as_secs_f64()));
        if let Some(text) = self.tls.not_after().and_then(|end| warning(end, now)) {
            tracing::warn!("{text}");
        }
    }
}

/// What to say of a certificate that expires at `end`. `None` if that is not soon.
fn warning(end: SystemTime, now: SystemTime) -> Option<String> {
    match end.duration_since(now) {
        Ok(left) if left >= SOON => None,
        Ok(left) => {
            let hours = left.as_secs() / 3600;
            Some(format!(
                "the TLS certificate expires in {} days and {} hours; renew it",
                hours / 24,
                hours % 24
            ))
        }
        Err(_) => Some("the TLS certificate has expired, and clients refuse it; renew it".to_owned()),
    }
}

/// Returns `true` if the files can be used.
fn reload(tls: &Tls, refused: &Gauge) -> bool {
    let reloaded = tls.reload();
    refused.set(f64::from(u8::from(reloaded.is_err())));
    match &reloaded {
        Ok(()) => tracing::info!("the changed TLS certificate is used from now on"),
        Err(error) => {
            let error = error_chain::one_line(error_chain::texts(error));
            tracing::error!("the changed TLS certificate is not used, and the one before is kept: {error}");
        }
    }
    reloaded.is_ok()
}

impl Changes {
    /// Tries the files, with `reload`, if they differ from those in use, and have not changed since the last check. A
    /// renewal writes two files, not both at once.
    fn use_settled(&mut self, now: [Stamp; 2], reload: impl FnOnce() -> bool) {
        if now == self.before && self.used != Some(now) {
            self.used = reload().then_some(now);
        }
        self.before = now;
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
    fn a_certificate_that_expires_soon_is_a_warning() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        for (left, expected) in [
            (7 * 24 * 3600, None),
            (7 * 24 * 3600 - 1, Some("the TLS certificate expires in 6 days and 23 hours; renew it")),
            (0, Some("the TLS certificate expires in 0 days and 0 hours; renew it")),
        ] {
            assert_eq!(warning(now + Duration::from_secs(left), now).as_deref(), expected, "{left}");
        }
        let expired = warning(now - Duration::from_secs(1), now).unwrap();
        assert_eq!(expired, "the TLS certificate has expired, and clients refuse it; renew it");
    }

    #[test]
    fn files_are_read_once_they_have_changed_and_stay() {
        let at = |seconds| Some((SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), 100));
        let first = [at(1), at(1)];
        let mut changes = Changes { used: Some(first), before: first };
        let mut tried = 0;
        for (case, now, is_tried, is_good) in [
            ("as they were", [at(1), at(1)], false, true),
            ("one is new", [at(2), at(1)], false, true),
            ("both are", [at(2), at(2)], false, true),
            ("and stay", [at(2), at(2)], true, true),
            ("and stay on", [at(2), at(2)], false, true),
            ("gone for a moment", [None, at(2)], false, true),
            ("back again", [at(2), at(2)], false, true),
            ("and stay once more", [at(2), at(2)], false, true),
            ("new, and only root may read them", [at(3), at(3)], false, false),
            ("as when a program has written them", [at(3), at(3)], true, false),
            ("before it gives them away", [at(3), at(3)], true, false),
            ("which changes no time", [at(3), at(3)], true, true),
            ("they are used", [at(3), at(3)], false, true),
            ("new, and of no use", [at(4), at(3)], false, false),
            ("for a while", [at(4), at(3)], true, false),
            ("the previous ones are put back", [at(3), at(3)], false, true),
            ("and are no longer refused", [at(3), at(3)], true, true),
            ("nor read again", [at(3), at(3)], false, true),
        ] {
            let before = tried;
            changes.use_settled(now, || {
                tried += 1;
                is_good
            });
            assert_eq!(tried > before, is_tried, "{case}");
        }
    }
}
