//! Headers of every response of an app.

use super::App;
use crate::security_headers::SecurityHeaders;

impl App {
    /// Sets the security headers of all responses.
    #[must_use]
    pub fn security_headers(mut self, headers: SecurityHeaders) -> Self {
        self.security = headers;
        self
    }
}
