//! Several servers, their clocks and their keys, and many requests at once.

use waxseal_http::DevicePolicy;
use waxseal_store::testing::{Operation, Turn};

use crate::browser::{ALL, Browser, ON_SERVER, Site, WITH_STORE, challenge_of, has_offer, keyring};

const REQUIRE: Option<DevicePolicy> = Some(DevicePolicy::Require);

/// A tab with many requests whose proof has run out: the browser refreshes once, or several times, and then sends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_requests_at_the_end_of_a_proof_all_are_proven_and_no_refresh_writes() {
    for state in ALL {
        for refreshes in [1, 8] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            browser.sign_in(&site).await;
            site.pass(661);
            assert_eq!(browser.clone().get(&site, "/").await, "stranger", "{state:?}");
            let writes = writes(&site);
            let mut tasks = Vec::new();
            for _ in 0..refreshes {
                let (site, mut browser) = (site.clone(), browser.clone());
                tasks.push(tokio::spawn(async move {
                    assert_eq!(browser.refresh(&site).await.status(), 200);
                    browser
                }));
            }
            let mut fresh = Vec::new();
            for task in tasks {
                fresh.push(task.await.unwrap());
            }
            assert_eq!(self::writes(&site), writes, "{state:?}: a refresh writes nothing");
            let mut tasks = Vec::new();
            for number in 0..64 {
                let (site, mut tab) = (site.clone(), fresh[number % fresh.len()].clone());
                tasks.push(tokio::spawn(async move { tab.get(&site, "/device").await }));
            }
            for task in tasks {
                let shown = task.await.unwrap();
                assert!(shown.starts_with("Proven"), "{state:?}, {refreshes}: {shown}");
            }
            assert_eq!(fresh[0].post(&site, "/").await, "albus", "{state:?}: nothing was ended");
        }
    }
}

fn writes(site: &Site) -> usize {
    use Operation::{Create, Delete, Renew, Rewrap, Update};
    [Create, Update, Renew, Delete, Rewrap].iter().map(|operation| site.store.count(*operation)).sum()
}

/// Servers up to a minute apart trust each other's tokens; a proof is never good for more than a minute beyond its time.
#[tokio::test]
async fn servers_a_minute_apart_take_each_others_proofs_challenges_and_offers() {
    for state in ALL {
        for (ahead, lives) in [(60_i64, 600), (-60, 720)] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            let other = site.beside(REQUIRE, ahead);
            browser.post(&site, "/login").await;
            assert_eq!(browser.register(&other).await.status(), 200, "{state:?}, {ahead}");
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}, {ahead}");
            // The proof of the one, looked at by the other.
            assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}, {ahead}");
            site.pass(lives - 1);
            assert_eq!(browser.clone().get(&other, "/").await, "albus", "{state:?}, {ahead}");
            site.pass(1);
            assert_eq!(browser.clone().get(&other, "/").await, "stranger", "{state:?}, {ahead}");
            // The challenge of the one, answered at the other.
            let challenge = challenge_of(&browser.ask(&site).await).unwrap();
            let answered = browser.respond(&other, &challenge).await.status();
            assert_eq!(answered, if ahead > 0 { 403 } else { 200 }, "{state:?}, {ahead}");
            assert_eq!(browser.refresh(&other).await.status(), 200, "{state:?}, {ahead}");
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}, {ahead}");
        }
    }
}

/// A token from more than a minute in the future proves nothing: a clock that was wrong for a moment lends no time.
#[tokio::test]
async fn a_proof_of_a_clock_that_is_set_back_counts_when_its_time_has_come() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        site.pass(100);
        let wrong = site.beside(REQUIRE, 600);
        assert_eq!(
            browser.clone().get(&wrong, "/").await,
            "stranger",
            "{state:?}: it is 10 minutes later there"
        );
        assert_eq!(browser.refresh(&wrong).await.status(), 200, "{state:?}");
        assert_eq!(browser.clone().get(&wrong, "/").await, "albus", "{state:?}");
        for (case, pass, owner) in [
            ("set back", 0, "stranger"),
            ("nearly there", 539, "stranger"),
            ("there", 1, "albus"),
            ("its last second", 659 + 60, "albus"),
            ("over", 1, "stranger"),
        ] {
            site.pass(pass);
            assert_eq!(browser.clone().get(&site, "/").await, owner, "{state:?}: {case}");
        }
        assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}: the browser mends it");
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
    }
}

/// A key is added, promoted and retired while a session is bound under the old one.
#[tokio::test]
async fn under_a_retired_key_a_visitor_signs_in_anew_and_is_never_bound_by_half() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        let mut offered = Browser::new(2);
        offered.post(&site, "/login").await;
        site.layer.set_keyring(&keyring(&[2, 1]));
        // What the old key signed goes on, and is signed by the new one from then on.
        assert_eq!(offered.register(&site).await.status(), 200, "{state:?}: the old key's offer");
        site.pass(300);
        for browser in [&mut browser, &mut offered] {
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}: the old key's proof");
            let before = browser.device_cookie().unwrap();
            assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}: the old key's identifier");
            assert_ne!(browser.device_cookie().unwrap().1, before.1, "{state:?}");
            // The session itself comes under the new key with a write.
            assert_eq!(browser.post(&site, "/count").await, "albus", "{state:?}");
        }
        let mut thief = browser.without_proof();
        site.layer.set_keyring(&keyring(&[2]));
        // The proof is the new key's, the identifier the old one's: good until the proof's end, and then not refreshed.
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        assert_eq!(browser.ask(&site).await.status(), 400, "{state:?}: the browser forgets its key");
        assert_eq!(thief.get(&site, "/").await, "stranger", "{state:?}: still bound");
        // Registered after the promotion, so the identifier is the new key's.
        assert_eq!(offered.refresh(&site).await.status(), 200, "{state:?}");
        site.pass(661);
        assert_eq!(browser.get(&site, "/").await, "stranger", "{state:?}");
        browser.sign_in(&site).await;
        site.pass(61);
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        assert_eq!(browser.without_proof().get(&site, "/").await, "stranger", "{state:?}");
    }
}

/// The binding is in the session, not in the setting.
#[tokio::test]
async fn turned_off_a_session_stays_and_turned_on_again_it_is_bound_still() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        site.pass(61);
        let off = site.beside(None, 0);
        let mut without = browser.without_proof();
        assert_eq!(without.post(&off, "/count").await, "albus", "{state:?}");
        assert_eq!(without.get(&site, "/").await, "stranger", "{state:?}");
        browser.jar.insert("__Host-session".to_owned(), without.jar["__Host-session"].clone());
        assert!(browser.get(&site, "/device").await.starts_with("Proven"), "{state:?}");
    }
}

#[tokio::test]
async fn a_registration_without_the_store_is_503_and_can_be_sent_again() {
    for state in WITH_STORE {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.post(&site, "/login").await;
        site.store.set_away(true);
        let away = browser.register(&site).await;
        assert_eq!(away.status(), 503, "{state:?}");
        assert!(away.headers().contains_key("retry-after"), "{state:?}");
        site.store.set_away(false);
        assert_eq!(browser.register(&site).await.status(), 200, "{state:?}");
        assert!(browser.get(&site, "/device").await.starts_with("Proven"), "{state:?}");
    }
}

/// The store has done what it was asked and is away from then on, so whoever registered does not know.
#[tokio::test]
async fn a_binding_that_was_kept_unheard_asks_for_a_sign_in_unless_it_is_sent_again() {
    for state in WITH_STORE {
        for is_sent_again in [false, true] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            browser.post(&site, "/login").await;
            let mut is_away = false;
            site.store.decide_with(move |operation| match operation {
                _ if is_away => Turn::Fail,
                Operation::Create | Operation::Update => {
                    is_away = true;
                    Turn::LoseReply
                }
                _ => Turn::Work,
            });
            assert_eq!(browser.register(&site).await.status(), 503, "{state:?}");
            site.store.decide_with(|_| Turn::Work);
            if is_sent_again {
                assert_eq!(browser.register(&site).await.status(), 200, "{state:?}");
            }
            site.pass(66);
            let owner = if is_sent_again { "albus" } else { "stranger" };
            assert_eq!(browser.get(&site, "/").await, owner, "{state:?}");
            browser.sign_in(&site).await;
            site.pass(66);
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        }
    }
}

/// A proof says which device it is, and not that the session lives.
#[tokio::test]
async fn an_unsafe_request_asks_the_store_although_it_is_proven() {
    for state in WITH_STORE {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        let other = site.beside(REQUIRE, 0);
        browser.sign_in(&site).await;
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        assert_eq!(browser.clone().post(&other, "/logout").await, "bye", "{state:?}");
        let acted = browser.clone().send(&site, "POST", "/count").await;
        assert_eq!(acted.body(), "stranger", "{state:?}");
        browser.sign_in(&site).await;
        site.store.set_away(true);
        assert_eq!(browser.send(&site, "POST", "/count").await.status(), 503, "{state:?}");
    }
}

/// A fresh copy is not asked about for five seconds. One from before the second offer must not cost the browser its key.
#[tokio::test]
async fn a_copy_that_is_behind_ends_no_refresh() {
    for state in ON_SERVER {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        let other = site.beside(REQUIRE, 0);
        browser.post(&site, "/login").await;
        site.pass(58);
        // The answer is on its way while another server makes the second offer.
        let mut slow = browser.clone();
        slow.post(&site, "/count").await;
        site.pass(2);
        assert!(has_offer(&browser.send(&other, "GET", "/").await), "{state:?}");
        assert_eq!(browser.register(&other).await.status(), 200, "{state:?}");
        browser.jar.insert("__Host-session".to_owned(), slow.jar["__Host-session"].clone());
        assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}");
        site.pass(61);
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
    }
}
