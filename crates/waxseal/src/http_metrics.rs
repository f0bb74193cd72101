//! Metrics of an app's requests.

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram};
use tokio::time::Instant;

/// Counters and latencies of requests, by route. All are registered at start, so a counter without requests shows 0.
///
/// The labels are the app's routes and the five classes of status. Nothing that a client sends becomes a label.
pub(crate) struct HttpMetrics {
    routes: Vec<RouteMetrics>,
    /// The metrics of requests that no route matches.
    unmatched: RouteMetrics,
    in_flight: Gauge,
}

struct RouteMetrics {
    /// Indexed by the first digit of the status, minus 1.
    statuses: [Counter; 5],
    /// Counts requests whose client disconnected before the response was ready.
    cancelled: Counter,
    latency: Histogram,
}

/// A request that is being answered. Dropped without [`answered`](Self::answered), it counts as cancelled.
pub(crate) struct InFlight<'a> {
    metrics: &'a HttpMetrics,
    route: Option<usize>,
    started: Instant,
    is_answered: bool,
}

impl HttpMetrics {
    /// Registers the metrics of these routes, each given as method and path, in the order of their indices.
    pub(crate) fn new<'a>(routes: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        metrics::describe_counter!(
            "waxseal_http_requests_total",
            "Requests answered, by route and class of status; cancelled if the client hung up before."
        );
        metrics::describe_histogram!(
            "waxseal_http_request_duration_seconds",
            "Time from the head of a request to the head of its answer, by route."
        );
        metrics::describe_gauge!("waxseal_http_requests_in_flight", "Requests that wait for their answer.");
        let in_flight = metrics::gauge!("waxseal_http_requests_in_flight");
        in_flight.set(0.0);
        Self {
            routes: routes.map(|(method, path)| RouteMetrics::new(method, path)).collect(),
            unmatched: RouteMetrics::new("any", "unmatched"),
            in_flight,
        }
    }

    pub(crate) fn begin(&self, started: Instant) -> InFlight<'_> {
        self.in_flight.increment(1.0);
        InFlight { metrics: self, route: None, started, is_answered: false }
    }

    fn of(&self, route: Option<usize>) -> &RouteMetrics {
        route.and_then(|index| self.routes.get(index)).unwrap_or(&self.unmatched)
    }
}

impl RouteMetrics {
    fn new(method: &str, route: &str) -> Self {
        let (method, route) = (method.to_owned(), route.to_owned());
        let counter = |status: &'static str| {
            metrics::counter!(
                "waxseal_http_requests_total",
                "method" => method.clone(), "route" => route.clone(), "status" => status
            )
        };
        Self {
            statuses: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(counter),
            cancelled: counter("cancelled"),
            latency: metrics::histogram!(
                "waxseal_http_request_duration_seconds",
                "method" => method.clone(), "route" => route.clone()
            ),
        }
    }
}

impl InFlight<'_> {
    /// Sets the request's route: its index among the app's routes, or `None` if no route matches.
    pub(crate) fn set_route(&mut self, route: Option<usize>) {
        self.route = route;
    }

    /// Counts the request. Returns the seconds that the response took.
    pub(crate) fn answered(mut self, status: StatusCode) -> f64 {
        self.is_answered = true;
        let (route, seconds) = (self.metrics.of(self.route), self.started.elapsed().as_secs_f64());
        let class = usize::from(status.as_u16() / 100).clamp(1, route.statuses.len());
        route.statuses[class - 1].increment(1);
        route.latency.record(seconds);
        seconds
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement(1.0);
        if !self.is_answered {
            self.metrics.of(self.route).cancelled.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;

    #[test]
    fn each_route_counts_its_answers_by_class_and_what_was_given_up() {
        let counters: &'static Counters = Box::leak(Box::default());
        let routes = [("GET", "/wizard/{name}"), ("POST", "/wizard")];
        let metrics = metrics::with_local_recorder(&counters, || HttpMetrics::new(routes.into_iter()));
        let count = |line: &str| {
            let text = counters.text();
            let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
            found.unwrap_or_else(|| panic!("no {line} in\n{text}")).parse::<f64>().unwrap()
        };
        let requests = |labels: &str| count(&format!("waxseal_http_requests_total{{{labels}}}"));
        assert_eq!(requests(r#"method="POST",route="/wizard",status="5xx""#), 0.0, "from the start");
        for (route, status) in [(Some(0), 200), (Some(0), 204), (Some(1), 303), (None, 404), (Some(9), 503)] {
            let mut request = metrics.begin(Instant::now());
            request.set_route(route);
            request.answered(StatusCode::from_u16(status).unwrap());
        }
        let mut given_up = metrics.begin(Instant::now());
        given_up.set_route(Some(1));
        assert_eq!(count("waxseal_http_requests_in_flight"), 1.0);
        drop(given_up);
        assert_eq!(count("waxseal_http_requests_in_flight"), 0.0);
        for (labels, expected) in [
            (r#"method="GET",route="/wizard/{name}",status="2xx""#, 2.0),
            (r#"method="POST",route="/wizard",status="3xx""#, 1.0),
            (r#"method="POST",route="/wizard",status="cancelled""#, 1.0),
            (r#"method="any",route="unmatched",status="4xx""#, 1.0),
            (r#"method="any",route="unmatched",status="5xx""#, 1.0),
        ] {
            assert_eq!(requests(labels), expected, "{labels}");
        }
        let latencies = r#"waxseal_http_request_duration_seconds_count{method="GET",route="/wizard/{name}"}"#;
        assert_eq!(count(latencies), 2.0);
    }
}
