//! Settings of limits and deadlines.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use waxseal_server::Limits;
#[cfg(feature = "websocket")]
use waxseal_server::WebSocketLimits;

use crate::start_error::StartError;

/// The limits and deadlines of requests and connections. Like the other [settings](crate::Settings), each is a flag and
/// an environment variable. Those that are not set are the [app's](crate::App::limits). Times are in seconds.
///
/// # Example
///
/// ```
/// use waxseal::{LimitSettings, Settings};
///
/// let limits = LimitSettings { timeout: 20.try_into().ok(), ..LimitSettings::default() };
/// let settings = Settings { limits, ..Settings::default() };
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Limits")]
#[expect(clippy::exhaustive_structs, reason = "made by callers, from `Default`")]
pub struct LimitSettings {
    /// The maximum number of fields of a form or query, and of parts of an upload [default: 1000].
    #[arg(long, env = "WAXSEAL_MAX_FORM_PARTS", value_name = "COUNT")]
    pub max_form_parts: Option<usize>,
    /// The maximum size of a field of an upload that is not a file, in bytes [default: 262144].
    #[arg(long, env = "WAXSEAL_MAX_FORM_MEMORY_SIZE", value_name = "BYTES")]
    pub max_form_memory_size: Option<u64>,
    /// The maximum size of a request's head, including the request line, in bytes [default: 16384].
    #[arg(long, env = "WAXSEAL_LIMIT_REQUEST_HEAD", value_name = "BYTES")]
    pub limit_request_head: Option<NonZeroUsize>,
    /// The maximum number of header fields of a request; at most 4096 [default: 64].
    #[arg(long, env = "WAXSEAL_LIMIT_REQUEST_FIELDS", value_name = "COUNT")]
    pub limit_request_fields: Option<NonZeroUsize>,
    /// The maximum number of connections at the same time; further ones wait [default: 10000].
    #[arg(long, env = "WAXSEAL_WORKER_CONNECTIONS", value_name = "COUNT")]
    pub worker_connections: Option<NonZeroU32>,
    /// The maximum number of connections from one address at the same time; further ones are closed. 0 for no limit
    /// [default: 0].
    #[arg(long, env = "WAXSEAL_CONNECTIONS_PER_ADDRESS", value_name = "COUNT")]
    pub connections_per_address: Option<u32>,
    /// The time in which the first byte of a new connection must arrive [default: 10].
    #[arg(long, env = "WAXSEAL_TIMEOUT_FIRST_BYTE", value_name = "SECONDS")]
    pub timeout_first_byte: Option<NonZeroU64>,
    /// The time in which a request's head must arrive, from its first byte [default: 10].
    #[arg(long, env = "WAXSEAL_TIMEOUT_HEAD", value_name = "SECONDS")]
    pub timeout_head: Option<NonZeroU64>,
    /// The time for which a connection may be idle between requests; it should be longer than a proxy keeps one
    /// [default: 65].
    #[arg(long, env = "WAXSEAL_TIMEOUT_KEEP_ALIVE", value_name = "SECONDS")]
    pub timeout_keep_alive: Option<NonZeroU64>,
    /// The time for which no byte of a request's body may arrive [default: 15].
    #[arg(long, env = "WAXSEAL_TIMEOUT_BODY", value_name = "SECONDS")]
    pub timeout_body: Option<NonZeroU64>,
    /// The minimum rate of a request's body, in bytes a second, after the first 5 seconds; 0 for no minimum
    /// [default: 0].
    #[arg(long, env = "WAXSEAL_MIN_BODY_RATE", value_name = "BYTES")]
    pub min_body_rate: Option<u32>,
    /// The time for a request, until the head of the response; an error page and hooks after the handler have 2 s more
    /// together [default: 60].
    #[arg(long, env = "WAXSEAL_TIMEOUT", value_name = "SECONDS")]
    pub timeout: Option<NonZeroU64>,
    /// The time in which a client must read some more of a response [default: 15].
    #[arg(long, env = "WAXSEAL_TIMEOUT_ANSWER", value_name = "SECONDS")]
    pub timeout_answer: Option<NonZeroU64>,
    /// The maximum size of a WebSocket's message, in bytes, in a program built with the feature `websocket`
    /// [default: 65536].
    #[arg(long, env = "WAXSEAL_WS_MAX_SIZE", value_name = "BYTES")]
    pub ws_max_size: Option<NonZeroUsize>,
    /// The time for which nothing may come from the client of a WebSocket, which is sent a ping after half of it
    /// [default: 60].
    #[arg(long, env = "WAXSEAL_TIMEOUT_WEBSOCKET", value_name = "SECONDS")]
    pub timeout_websocket: Option<NonZeroU64>,
    /// The time after SIGTERM or Ctrl-C for which requests are still accepted, while /health/ready answers 503 and each
    /// answer closes its connection, for a load balancer to notice [default: 0].
    #[arg(long, env = "WAXSEAL_SHUTDOWN_DELAY", value_name = "SECONDS")]
    pub shutdown_delay: Option<u64>,
    /// The time for requests in flight when the server stops; longer than that for a request
    /// [default: 65, or 5 more than
    /// that for a request].
    #[arg(long, env = "WAXSEAL_TIMEOUT_GRACEFUL_SHUTDOWN", value_name = "SECONDS")]
    pub timeout_graceful_shutdown: Option<NonZeroU64>,
    /// The threads that answer requests [default: one for each processor].
    #[arg(long, env = "WAXSEAL_WORKERS", value_name = "COUNT")]
    pub workers: Option<NonZeroUsize>,
}

impl LimitSettings {
    /// The limits of an app, replaced by those that are set here.
    pub(super) fn over(&self, mut limits: Limits) -> Limits {
        let seconds = |time: Option<NonZeroU64>, or: Duration| {
            time.map_or(or, |seconds| Duration::from_secs(seconds.get()))
        };
        limits.form_parts = self.max_form_parts.unwrap_or(limits.form_parts);
        limits.form_memory = self.max_form_memory_size.unwrap_or(limits.form_memory);
        limits.head = self.limit_request_head.map_or(limits.head, NonZeroUsize::get);
        limits.head_fields = self.limit_request_fields.map_or(limits.head_fields, NonZeroUsize::get);
        limits.connections = self.worker_connections.map_or(limits.connections, NonZeroU32::get);
        limits.connections_per_address =
            self.connections_per_address.unwrap_or(limits.connections_per_address);
        limits.first_byte_time = seconds(self.timeout_first_byte, limits.first_byte_time);
        limits.head_time = seconds(self.timeout_head, limits.head_time);
        limits.keep_alive_time = seconds(self.timeout_keep_alive, limits.keep_alive_time);
        limits.body_idle = seconds(self.timeout_body, limits.body_idle);
        limits.body_rate = self.min_body_rate.unwrap_or(limits.body_rate);
        limits.answer_idle = seconds(self.timeout_answer, limits.answer_idle);
        if self.timeout.is_some() {
            limits = limits.request_time(seconds(self.timeout, limits.request_time));
        }
        limits.shutdown_delay = self.shutdown_delay.map_or(limits.shutdown_delay, Duration::from_secs);
        limits.shutdown_grace = seconds(self.timeout_graceful_shutdown, limits.shutdown_grace);
        limits
    }

    /// The limits of a WebSocket without limits of its own.
    #[cfg(feature = "websocket")]
    pub(crate) fn websocket(&self) -> WebSocketLimits {
        let mut limits = WebSocketLimits::default();
        if let Some(bytes) = self.ws_max_size {
            limits = limits.message(bytes.get());
        }
        if let Some(seconds) = self.timeout_websocket {
            limits = limits.idle(Duration::from_secs(seconds.get()));
        }
        limits
    }
}

/// Refuses limits with which a stopping server would drop requests that still have time.
pub(super) fn check(limits: Limits) -> Result<Limits, StartError> {
    let Limits { shutdown_grace: grace, request_time: request, .. } = limits;
    match grace > request || grace == Duration::MAX {
        true => Ok(limits),
        false => Err(StartError::ShortGrace { grace, request }),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::{Settings, StartError};
    use waxseal_server::Limits;

    fn limits(flags: &[&str]) -> Result<Limits, StartError> {
        let settings = Settings::try_parse_from([&["app"], flags].concat()).expect("the flags parse");
        settings.limits(Limits::default().head(9))
    }

    #[test]
    fn every_limit_has_a_flag_that_sets_it_and_no_other() {
        let app = format!("{:?}", Limits::default().head(9));
        for (flag, before, after) in [
            ("--max-content-length=7", "body: 2097152", "body: 7"),
            ("--min-body-rate=7", "body_rate: 0", "body_rate: 7"),
            ("--max-form-parts=7", "form_parts: 1000", "form_parts: 7"),
            ("--max-form-memory-size=7", "form_memory: 262144", "form_memory: 7"),
            ("--limit-request-head=7", "head: 9", "head: 7"),
            ("--limit-request-fields=7", "head_fields: 64", "head_fields: 7"),
            ("--timeout-first-byte=7", "first_byte_time: 10s", "first_byte_time: 7s"),
            ("--timeout-head=7", "head_time: 10s", "head_time: 7s"),
            ("--timeout-keep-alive=7", "keep_alive_time: 65s", "keep_alive_time: 7s"),
            ("--timeout-body=7", "body_idle: 15s", "body_idle: 7s"),
            ("--timeout-answer=7", "answer_idle: 15s", "answer_idle: 7s"),
            ("--timeout=7", "request_time: 60s", "request_time: 7s"),
            ("--worker-connections=7", "connections: 10000", "connections: 7"),
            ("--connections-per-address=7", "connections_per_address: 0", "connections_per_address: 7"),
            ("--shutdown-delay=7", "shutdown_delay: 0ns", "shutdown_delay: 7s"),
            ("--timeout-graceful-shutdown=77", "shutdown_grace: 65s", "shutdown_grace: 77s"),
        ] {
            assert!(app.contains(before), "{before}");
            let found = format!("{:?}", limits(&[flag]).unwrap());
            assert_eq!(found, app.replace(&format!(" {before}"), &format!(" {after}")), "{flag}");
        }
        let fields = app.matches(": ").count();
        assert_eq!(fields, 16, "a new limit needs a flag");
    }

    #[test]
    fn a_grace_that_is_not_longer_than_a_request_may_take_does_not_start() {
        for (flags, starts) in [
            (&[][..], true),
            (&["--timeout=300"], true),
            (&["--timeout=300", "--timeout-graceful-shutdown=300"], false),
            (&["--timeout=300", "--timeout-graceful-shutdown=301"], true),
            (&["--timeout-graceful-shutdown=60"], false),
            (&["--timeout-graceful-shutdown=18446744073709551615", "--timeout=18446744073709551615"], false),
        ] {
            assert_eq!(limits(flags).is_ok(), starts, "{flags:?}");
        }
        let error = limits(&["--timeout-graceful-shutdown=5"]).unwrap_err();
        insta::assert_snapshot!(error, @"requests in flight have 5s at the end and 60s before it; make --timeout-graceful-shutdown longer than --timeout");
    }

    #[cfg(feature = "websocket")]
    #[test]
    fn each_limit_of_websockets_has_a_flag() {
        let of = |flag: &str| Settings::try_parse_from(["app", flag]).unwrap().limits.websocket();
        let default = waxseal_server::WebSocketLimits::default();
        assert_eq!(of("--port=1"), default);
        assert_eq!(of("--ws-max-size=7"), default.message(7));
        assert_eq!(of("--timeout-websocket=7"), default.idle(std::time::Duration::from_secs(7)));
    }

    #[test]
    fn no_deadline_is_nought() {
        for flag in [
            "--timeout-websocket=0",
            "--ws-max-size=0",
            "--timeout=0",
            "--timeout-head=0",
            "--worker-connections=0",
            "--workers=0",
        ] {
            assert!(Settings::try_parse_from(["app", flag]).is_err(), "{flag}");
        }
    }
}
