//! `cargo xtask run`: the wizard, served for development.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::cargo::{become_command, cargo};
use crate::certificate::Certificate;
use crate::device_demo::DeviceDemo;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Port to listen on, 5000 unless set; 0 takes any free one
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen on, 127.0.0.1 unless set; development allows loopback addresses only
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Where a session's state lives: cookie, store or mirrored
    #[arg(long, default_value = "mirrored")]
    state: String,
    /// The session store: sqlite:PATH, memory:, redis://HOST, redis-cluster://HOST,HOST or postgres://USER@HOST/DATABASE
    /// [default: sqlite:.waxseal/sessions.db, in state cookie none]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The number of servers, each a process of its own, on one port with one store
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    servers: u8,
    /// Use TLS with a certificate made for it, so that the cookie is `__Host-session` and Secure as in production
    #[arg(long)]
    tls: bool,
    /// Bind sessions to the device, and open a Chromium with a profile of its own that does so, with keys in software
    #[arg(long, requires = "tls")]
    device_demo: bool,
    /// Build with optimisations and the templates built in
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build without optimisations (the default)
    #[arg(long)]
    debug: bool,
    /// Flags of the wizard's own, after `--`; `cargo xtask run -- --help` lists them
    #[arg(last = true)]
    wizard: Vec<String>,
}

/// Builds the wizard and becomes it: `cargo run` replaces itself with the program it built,
/// so Ctrl-C and a SIGTERM reach the server directly.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let certificate = if options.tls { Some(Certificate::for_development()?) } else { None };
    let wanted = certificate.as_ref().filter(|_| options.device_demo);
    let demo = wanted.map(|certificate| DeviceDemo::new(options.port, certificate)).transpose()?;
    let command = |verb| options.command(verb, certificate.as_ref());
    if options.servers == 1 && demo.is_none() {
        return become_command(&mut command("run"));
    }
    let apart = options.store.as_deref().is_some_and(|store| store.starts_with("memory:"));
    ensure!(
        options.servers == 1 || !apart,
        "memory is not shared by processes; choose another --store for --servers"
    );
    ensure!(
        options.servers == 1 || options.port != Some(0),
        "several servers need one port; name it with --port"
    );
    let built = command("build").status().context("could not start cargo")?;
    ensure!(built.success(), "the wizard does not build");
    let mut servers = Vec::new();
    for _ in 0..options.servers {
        let mut server = command("run");
        if options.servers > 1 {
            server.arg("--share-port");
        }
        // Ctrl-C reaches all of them, and the browser: they are of one group.
        servers.push(server.spawn().context("could not start cargo")?);
    }
    if let Some(demo) = demo {
        demo.open_later();
    }
    let mut code = ExitCode::SUCCESS;
    for server in &mut servers {
        if !server.wait()?.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

impl Options {
    /// `cargo run` with all that the wizard is to know, or `cargo build` of the same program.
    fn command(&self, verb: &str, certificate: Option<&Certificate>) -> Command {
        let mut command = cargo();
        command.args([verb, "--package", "wizard"]);
        if self.release {
            command.arg("--release");
        }
        // Nobody waits for the client of a server that is not used.
        let features = [self.store.as_deref().and_then(feature), certificate.map(|_| "wizard/tls")];
        for feature in features.into_iter().flatten() {
            command.args(["--features", feature]);
        }
        if verb == "run" {
            self.pass_on(&mut command, certificate);
        }
        command
    }

    /// What is not said here is left to the wizard's own defaults and environment.
    fn pass_on(&self, command: &mut Command, certificate: Option<&Certificate>) {
        command.args(["--", "--development", "--session-state", &self.state]);
        let port = self.port.map(|port| port.to_string());
        let usual = (self.state != "cookie").then_some("sqlite:.waxseal/sessions.db");
        let store = self.store.as_deref().or(usual);
        for (flag, value) in
            [("--host", self.host.as_deref()), ("--port", port.as_deref()), ("--session-store", store)]
        {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        if let Some(Certificate { certificate, key }) = certificate {
            command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
            command.args(["--session-cookie-secure", "true", "--session-cookie-name", "__Host-session"]);
        }
        if self.device_demo {
            command.args(DeviceDemo::flags(&self.wizard));
        }
        command.args(&self.wizard);
    }
}

/// The wizard's feature for a store of this URL.
fn feature(store: &str) -> Option<&'static str> {
    match store.split(':').next() {
        Some("redis" | "rediss" | "redis-cluster" | "rediss-cluster") => Some("wizard/redis"),
        Some("postgres" | "postgresql") => Some("wizard/postgres"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// The arguments of cargo for `cargo xtask run` with these flags.
    fn arguments(verb: &str, flags: &[&str]) -> String {
        let Line { options } = clap::Parser::parse_from([&["run"], flags].concat());
        let certificate = Certificate { certificate: "cert.pem".into(), key: "key.pem".into() };
        let command = options.command(verb, options.tls.then_some(&certificate));
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        arguments.join(" ")
    }

    #[test]
    fn tls_is_a_feature_of_the_wizard_and_settings_as_in_production() {
        let usual = "-- --development --session-state mirrored --session-store sqlite:.waxseal/sessions.db";
        assert_eq!(arguments("run", &[]), format!("run --package wizard {usual}"));
        let with_tls = arguments("run", &["--tls", "--", "--log=debug"]);
        let settings = "--tls-cert cert.pem --tls-key key.pem --session-cookie-secure true \
            --session-cookie-name __Host-session --log=debug";
        assert_eq!(with_tls, format!("run --package wizard --features wizard/tls {usual} {settings}"));
        assert_eq!(arguments("build", &["--tls"]), "build --package wizard --features wizard/tls");
    }
}
