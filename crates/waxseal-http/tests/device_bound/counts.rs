//! What is counted of each step, and that nothing else is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
};
use waxseal_device::Reason;
use waxseal_http::DevicePolicy;
use waxseal_store::testing::Operation;

use crate::browser::{ALL, Browser, ON_SERVER, Site, State, WITH_STORE, challenge_of};

/// The counters of devices, by name and the value of the label.
#[derive(Default)]
struct Counts {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    seen: Mutex<BTreeMap<String, u64>>,
}

impl Counts {
    fn now(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.lock().unwrap();
        counters.iter().map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed))).collect()
    }

    /// What was added since the last call.
    fn added(&self) -> String {
        let now = self.now();
        let before = std::mem::replace(&mut *self.seen.lock().unwrap(), now.clone());
        let added = now.into_iter().filter_map(|(name, count)| {
            let more = count - before.get(&name).copied().unwrap_or_default();
            (more != 0).then(|| format!("{name} {more}"))
        });
        added.collect::<Vec<_>>().join(", ")
    }

    fn site(&self, state: State, policy: DevicePolicy) -> Site {
        with_local_recorder(self, || Site::with(state, Some(policy)))
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let Some(name) = key.name().strip_prefix("waxseal_device_") else { return Counter::noop() };
        let values = key.labels().map(|label| label.value());
        let name = std::iter::once(name).chain(values).collect::<Vec<_>>().join(" ");
        Counter::from_arc(self.counters.lock().unwrap().entry(name).or_default().clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

const OFFERED: &str = "offers_total 1";
const PROVEN: &str = "requests_total proven 1";
const MISSING: &str = "requests_total missing 1";
const ENDED: &str = "refreshes_total ended 1";
const CHALLENGED: &str = "refreshes_total challenged 1";

fn skipped(reason: &str) -> String {
    format!("requests_total skipped 1, skipped_total {reason} 1")
}

/// The browser without its proof, and why it has none.
fn skipping(browser: &Browser, reason: &str) -> Browser {
    let identifier = browser.identifier.as_deref().unwrap();
    let header = format!(r#"{reason};session_identifier="{identifier}""#);
    browser.without_proof().with("secure-session-skipped", &header)
}

#[tokio::test]
async fn each_step_of_a_bound_session_is_counted_once() {
    for state in ALL {
        let (counts, mut browser) = (Counts::default(), Browser::new(1));
        let site = counts.site(state, DevicePolicy::Require);
        let expect = |case: &str, added: &str| assert_eq!(counts.added(), added, "{state:?}: {case}");
        expect("from the start", "");
        browser.clone().post(&site, "/act").await;
        expect("a stranger", "");
        browser.post(&site, "/login").await;
        expect("a sign-in", OFFERED);
        browser.get(&site, "/").await;
        expect("offered", "");
        site.pass(60);
        browser.get(&site, "/").await;
        expect("offered once more", OFFERED);

        browser.register(&site).await;
        expect("bound", "registrations_total bound 1");
        browser.register(&site).await;
        expect("bound already", "registrations_total repeated 1");
        browser.send(&site, "GET", "/_device/register").await;
        expect("another method", "");

        browser.get(&site, "/").await;
        expect("proven", PROVEN);
        let earlier = browser.jar["__Host-session"].0.clone();
        browser.post(&site, "/count").await;
        expect("proven, and acts", PROVEN);
        let twice = format!("__Host-session={earlier}");
        browser.with("cookie", &twice).get(&site, "/").await;
        expect("an earlier token of the same session comes too", PROVEN);
        browser.without_proof().get(&site, "/").await;
        expect("in its first minute", "requests_total settling 1");

        let challenge = challenge_of(&browser.ask(&site).await).unwrap();
        expect("asked for a challenge", CHALLENGED);
        browser.respond(&site, &browser.offer.clone().unwrap()).await;
        expect("answered another", CHALLENGED);
        browser.respond(&site, &challenge).await;
        expect("answered", "refreshes_total proven 1");

        site.pass(61);
        for (method, path) in [("GET", "/"), ("GET", "/ready"), ("GET", "/device"), ("POST", "/count")] {
            browser.clone().send(&site, method, path).await;
            expect(path, PROVEN);
            browser.without_proof().send(&site, method, path).await;
            expect(path, MISSING);
            for reason in ["unreachable", "server_error", "quota_exceeded"] {
                skipping(&browser, reason).send(&site, method, path).await;
                expect(path, &skipped(reason));
                let mut proven = skipping(&browser, reason);
                proven.jar = browser.jar.clone();
                proven.send(&site, method, path).await;
                expect("a proof counts before what was skipped", PROVEN);
            }
        }

        let mut other = Browser::new(9);
        other.sign_in(&site).await;
        site.pass(61);
        expect("another browser's", "offers_total 1, registrations_total bound 1");
        let mut two = skipping(&other, "quota_exceeded").with("cookie", &twice);
        two.get(&site, "/").await;
        let both = "requests_total missing 1, requests_total skipped 1, skipped_total quota_exceeded 1";
        expect("two bound sessions, each for itself", both);

        let mut closed = browser.clone();
        closed.jar.clear();
        closed.ask(&site).await;
        expect("a browser that was closed", ENDED);
        let mut again = browser.clone();
        again.sign_in(&site).await;
        expect("a sign-in over it", "offers_total 1, registrations_total bound 1, requests_total proven 1");
        again.post(&site, "/logout").await;
        expect("a sign-out", PROVEN);
        again.ask(&site).await;
        expect("over", ENDED);
        for (mut visitor, reason) in [(other.clone(), "server_error"), (other.clone(), "quota_exceeded")] {
            visitor.sign_in(&site).await;
            site.pass(61);
            counts.added();
            skipping(&visitor, reason).post(&site, "/logout").await;
            expect("a sign-out without a proof", &skipped(reason));
        }
    }
}

#[tokio::test]
async fn what_is_only_observed_is_counted_too() {
    for state in ALL {
        let (counts, mut browser) = (Counts::default(), Browser::new(1));
        let site = counts.site(state, DevicePolicy::Observe);
        browser.sign_in(&site).await;
        site.pass(61);
        assert_eq!(counts.added(), "offers_total 1, registrations_total bound 1", "{state:?}");
        for (mut visitor, added) in [
            (browser.clone(), PROVEN),
            (browser.without_proof(), MISSING),
            (skipping(&browser, "unreachable"), &skipped("unreachable")),
        ] {
            assert_eq!(visitor.get(&site, "/").await, "albus", "{state:?}");
            assert_eq!(counts.added(), added, "{state:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_has_lost_its_binding_counts_and_what_is_bound_to_nothing_does_not() {
    for state in [State::Cookie, State::Listed] {
        let (counts, mut browser) = (Counts::default(), Browser::new(1));
        let site = counts.site(state, DevicePolicy::RequireAll);
        browser.post(&site, "/login").await;
        let slow = browser.jar["__Host-session"].clone();
        browser.register(&site).await;
        browser.jar.insert("__Host-session".to_owned(), slow);
        counts.added();
        browser.get(&site, "/").await;
        assert_eq!(counts.added(), PROVEN, "{state:?}: the token says offered, and is healed");
        // Bound to nothing, and so counted nowhere.
        let mut unbound = Browser::new(2);
        unbound.post(&site, "/login").await;
        site.pass(301);
        counts.added();
        assert_eq!(unbound.get(&site, "/").await, "stranger", "{state:?}");
        assert_eq!(counts.added(), "", "{state:?}");
    }
}

#[tokio::test]
async fn registrations_that_meet_others_or_no_store_are_counted_by_what_became_of_them() {
    for state in WITH_STORE {
        let (counts, mut browser) = (Counts::default(), Browser::new(1));
        let site = counts.site(state, DevicePolicy::Require);
        browser.post(&site, "/login").await;
        counts.added();
        site.store.set_away(true);
        assert_eq!(browser.register(&site).await.status(), 503, "{state:?}");
        assert_eq!(counts.added(), "registrations_total unavailable 1", "{state:?}");
        site.store.set_away(false);
        let mut other = browser.stolen(9);
        other.offer = browser.offer.clone();
        browser.register(&site).await;
        counts.added();
        assert_eq!(other.register(&site).await.status(), 403, "{state:?}");
        let conflict = "refused_total other_key 1, registrations_total conflict 1";
        assert_eq!(counts.added(), conflict, "{state:?}");
    }
    // The session is over, or has another id, when the registration is saved.
    for state in ON_SERVER {
        for path in ["/logout", "/renew"] {
            let (counts, mut browser) = (Counts::default(), Browser::new(1));
            let site = counts.site(state, DevicePolicy::Require);
            browser.post(&site, "/login").await;
            counts.added();
            site.store.hold(Some(Operation::Update));
            let (held, mut registering) = (site.clone(), browser.clone());
            let registered = tokio::spawn(async move { registering.register(&held).await.status() });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            browser.post(&site.beside(Some(DevicePolicy::Require), 0), path).await;
            site.store.hold(None);
            assert_eq!(registered.await.unwrap(), 403, "{state:?}, {path}");
            let refused = "refused_total not_signed_in 1, registrations_total refused 1";
            assert_eq!(counts.added(), refused, "{state:?}, {path}");
        }
    }
}

#[tokio::test]
async fn each_refusal_is_counted_by_its_reason() {
    let (counts, mut browser) = (Counts::default(), Browser::new(1));
    let site = counts.site(State::Store, DevicePolicy::Require);
    browser.post(&site, "/login").await;
    let offer = browser.offer.clone().unwrap();
    let offered = browser.clone();
    site.pass(5);
    browser.register(&site).await;
    let challenge = challenge_of(&browser.ask(&site).await).unwrap();
    let identifier = browser.identifier.clone().unwrap();
    let owed = {
        let mut owed = Browser::new(2);
        let callback = owed.with("sec-fetch-site", "cross-site").request("GET", "/login");
        owed.keep(site.send(callback).await.headers());
        owed
    };
    let other = {
        let mut other = Browser::new(3);
        other.sign_in(&site).await;
        other
    };
    counts.added();

    const ID: &str = "sec-secure-session-id";
    const RESPONSE: &str = "secure-session-response";
    let (good, fresh) = (browser.registration(&offer), browser.response(&challenge));
    let another = |response: &str, other: &str| {
        let (signed, _) = response.rsplit_once('.').unwrap();
        format!("{signed}.{}", other.rsplit_once('.').unwrap().1)
    };
    let mut tried = std::collections::BTreeSet::new();
    use Reason::{
        Algorithm, FetchMetadata, Key, Malformed, NoResponse, NotOffered, NotSignedIn, Offer, OfferExpired,
        OtherKey, OtherOffer, SessionId, SeveralResponses, Signature, TooLong,
    };
    for (reason, visitor, headers) in [
        (FetchMetadata, &offered, vec![("sec-fetch-site", "cross-site"), (RESPONSE, &*good)]),
        (NoResponse, &offered, vec![]),
        (SeveralResponses, &offered, vec![(RESPONSE, &*good), (RESPONSE, &*good)]),
        (TooLong, &offered, vec![(RESPONSE, &*"a".repeat(2_049))]),
        (Malformed, &offered, vec![(RESPONSE, "a.b")]),
        (Algorithm, &offered, vec![(RESPONSE, &*offered.sign(r#"{"alg":"none","typ":"dbsc+jwt"}"#, &offer))]),
        (Key, &offered, vec![(RESPONSE, &*offered.response(&offer))]),
        (Offer, &offered, vec![(RESPONSE, &*offered.registration(&challenge))]),
        (Signature, &offered, vec![(RESPONSE, &*another(&good, &fresh))]),
        (NotSignedIn, &Browser::new(1), vec![(RESPONSE, &*good)]),
        (NotOffered, &owed, vec![(RESPONSE, &*good)]),
        (OtherOffer, &other, vec![(RESPONSE, &*good)]),
    ] {
        let visitor =
            headers.iter().fold(visitor.clone(), |visitor, (name, value)| visitor.with(name, value));
        let answer = visitor.call(&site, "register").await;
        assert_eq!((answer.status().as_u16(), answer.body().as_str()), (403, ""), "{reason}");
        assert_eq!(counts.added(), format!("refused_total {reason} 1, registrations_total refused 1"));
        tried.insert(reason.word());
    }
    for (reason, headers) in [
        (SessionId, vec![]),
        (SessionId, vec![(ID, &*offer)]),
        (SessionId, vec![(ID, &*identifier), (ID, &*identifier)]),
        (SeveralResponses, vec![(ID, &*identifier), (RESPONSE, &*fresh), (RESPONSE, &*fresh)]),
        (TooLong, vec![(ID, &*identifier), (RESPONSE, &*"a".repeat(2_049))]),
        (Malformed, vec![(ID, &*identifier), (RESPONSE, "a.b")]),
        (Algorithm, vec![(ID, &*identifier), (RESPONSE, &*browser.sign(r#"{"alg":"none"}"#, &challenge))]),
        (Key, vec![(ID, &*identifier), (RESPONSE, &*browser.registration(&challenge))]),
        (Signature, vec![(ID, &*identifier), (RESPONSE, &*other.response(&challenge))]),
    ] {
        let visitor =
            headers.iter().fold(browser.clone(), |visitor, (name, value)| visitor.with(name, value));
        let answer = visitor.call(&site, "refresh").await;
        assert_eq!((answer.status().as_u16(), answer.body().as_str()), (400, ""), "{reason}");
        assert_eq!(counts.added(), format!("refreshes_total refused 1, refused_total {reason} 1"));
        tried.insert(reason.word());
    }
    site.pass(300);
    let late = offered.with(RESPONSE, &good).call(&site, "register").await;
    assert_eq!(late.status(), 403);
    assert_eq!(counts.added(), "refused_total offer_expired 1, registrations_total refused 1");
    // Of a conflict another test tells.
    tried.extend([OfferExpired, OtherKey].map(Reason::word));
    let all: std::collections::BTreeSet<_> = Reason::ALL.map(Reason::word).into();
    assert_eq!(tried, all);
    let names: Vec<_> = counts.now().into_keys().collect();
    let refused = names.iter().filter_map(|name| name.strip_prefix("refused_total "));
    assert_eq!(refused.collect::<std::collections::BTreeSet<_>>(), all, "there from the start");
}
