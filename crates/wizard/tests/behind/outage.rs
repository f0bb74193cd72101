//! Pages while the store is away, behind a proxy that checks whether its servers are ready.

use std::time::{Duration, Instant};

use store_tests::front::Kind;
use store_tests::redis::Server;

use super::client::get;
use super::load::Visitor;
use super::{Plan, Site};

/// The length of an outage, in which the proxy checks several times.
const LENGTH: Duration = Duration::from_secs(5);

/// Takes the store away, and asserts that pages that need no store are served all the time.
pub(crate) fn hold(kind: Kind) {
    for (state, shows_copies) in [("mirrored", true), ("store", false)] {
        let mut server = Server::start(&[]);
        let url = format!("{}?connect_timeout=30s", server.url());
        let more = [format!("--session-state={state}")];
        let more = more.each_ref().map(String::as_str);
        let site = Site::start(Plan { kind, store: Some(&url), root: "", more: &more });
        let mut visitor = Visitor::new(&site.client, "", "Merlin");
        visitor.look().unwrap();
        server.kill();
        let start = Instant::now();
        while start.elapsed() < LENGTH {
            let page = site.client.ask(&get("/", "")).unwrap();
            assert_eq!(page.status, 200, "{state}, {:?}: {page:?}", start.elapsed());
            assert_eq!(visitor.look().is_ok(), shows_copies, "{state}");
            let refused = visitor.rename("Nobody").unwrap_err().to_lowercase();
            assert!(
                refused.contains("status: 503") && refused.contains("retry-after: 5"),
                "{state}: {refused}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
