//! The wizard that the browser visits, served in development mode with the test's secret.

use crate::program::Program;

/// A running wizard. Stopped when dropped.
pub(crate) struct Server(Program);

impl Server {
    /// Starts the wizard in development mode, with `secret`, on a free port.
    pub(crate) fn start(secret: &str) -> Server {
        Server::start_on(0, secret, &[])
    }

    /// The same with more settings.
    pub(crate) fn start_with(secret: &str, flags: &[&str]) -> Server {
        Server::start_on(0, secret, flags)
    }

    /// Stops the wizard and starts another on the same port.
    pub(crate) fn restart(self, secret: &str) -> Server {
        self.restart_with(secret, &[])
    }

    /// The same with more settings.
    pub(crate) fn restart_with(self, secret: &str, flags: &[&str]) -> Server {
        let port = self.0.address().port();
        drop(self);
        Server::start_on(port, secret, flags)
    }

    /// The URL of `path` on this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.address())
    }

    fn start_on(port: u16, secret: &str, flags: &[&str]) -> Server {
        let port = port.to_string();
        let flags = [&["--development", "--port", &port], flags].concat();
        Server(Program::start(&[("SECRET_KEY", secret)], &flags))
    }
}
