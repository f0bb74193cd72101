//! The wizard that the browser visits, served in development mode with the test's secret.

use crate::program::Program;

/// A running wizard. Stopped when dropped.
pub(crate) struct Server(Program);

impl Server {
    /// Starts the wizard in development mode, with `secret`, on a free port.
    pub(crate) fn start(secret: &str) -> Server {
        Server::start_with(secret, &[])
    }

    /// The same with more settings.
    pub(crate) fn start_with(secret: &str, flags: &[&str]) -> Server {
        let flags = [&["--development", "--port=0"], flags].concat();
        Server(Program::start(&[("SECRET_KEY", secret)], &flags))
    }

    /// Stops the wizard and starts another. A cookie is sent to all ports of its host.
    pub(crate) fn restart(self, secret: &str) -> Server {
        self.restart_with(secret, &[])
    }

    /// The same with more settings.
    pub(crate) fn restart_with(self, secret: &str, flags: &[&str]) -> Server {
        drop(self);
        Server::start_with(secret, flags)
    }

    /// The URL of `path` on this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.address())
    }
}
