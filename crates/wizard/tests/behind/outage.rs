//! Pages while the store is away, behind a proxy that checks whether its servers are ready.

use std::time::{Duration, Instant};

use store_tests::front::Kind;
use store_tests::redis::Server;

use super::client::get;
use super::load::Visitor;
use super::{Plan, Site};

/// The length of an outage, in which the proxy checks several times.
const LENGTH: Duration = Duration::from_secs(5);
/// The most time for a round of requests that counts. On a machine that stands still longer, the proxy's checks may come
/// too late, and then it takes both servers out.
const PROMPT: Duration = Duration::from_secs(3);

/// Takes the store away, and asserts that pages that need no store are served all the time.
pub(crate) fn hold(kind: Kind) {
    for (state, shows_copies) in [("mirrored", true), ("store", false)] {
        let mut server = Server::start(&[]);
        let url = format!("{}?connect_timeout=30s&command_timeout=30s", server.url());
        let more = [format!("--session-state={state}")];
        let more = more.each_ref().map(String::as_str);
        let site = Site::start(Plan { kind, store: Some(&url), root: "", more: &more });
        let mut visitor = Visitor::new(&site.client, "", "Merlin");
        visitor.look().unwrap();
        server.kill();
        let (start, mut rounds) = (Instant::now(), 0);
        while rounds == 0 || start.elapsed() < LENGTH {
            let round = Instant::now();
            let page = site.client.ask(&get("/", "")).unwrap();
            let look = visitor.look();
            let renamed = visitor.rename("Nobody");
            if round.elapsed() > PROMPT {
                assert!(
                    start.elapsed() < 12 * LENGTH,
                    "{state}: no round was prompt: {page:?}, {look:?}, {renamed:?}"
                );
                site.client.wait_until_served("");
                continue;
            }
            rounds += 1;
            assert_eq!(page.status, 200, "{state}, {:?}: {page:?}", start.elapsed());
            assert_eq!(look.is_ok(), shows_copies, "{state}: {look:?}");
            let refused = renamed.unwrap_err().to_lowercase();
            assert!(
                refused.contains("status: 503") && refused.contains("retry-after: 5"),
                "{state}: {refused}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
