//! The attacks.

use waxseal_http::DevicePolicy;

use crate::browser::{ALL, Browser, ON_SERVER, Site, State, WITH_STORE, challenge_of, has_offer};

#[tokio::test]
async fn a_stolen_jar_is_good_for_what_is_left_of_eleven_minutes() {
    for state in ALL {
        let (site, mut victim) = (Site::new(state), Browser::new(1));
        victim.sign_in(&site).await;
        let mut thief = victim.stolen(9);
        site.pass(659);
        assert_eq!(thief.clone().get(&site, "/").await, "albus", "{state:?}: this much is not stopped");
        site.pass(2);
        victim.refresh(&site).await;
        assert_eq!(thief.get(&site, "/").await, "stranger", "{state:?}");
        assert_eq!(thief.post(&site, "/count").await, "stranger", "{state:?}");
        assert_eq!(victim.get(&site, "/").await, "albus", "{state:?}");
    }
}

#[tokio::test]
async fn a_device_cookie_of_another_session_app_or_binding_proves_nothing() {
    for state in ALL {
        let (site, mut victim, mut thief) = (Site::new(state), Browser::new(1), Browser::new(9));
        victim.sign_in(&site).await;
        thief.sign_in(&site).await;
        let (name, good) = victim.device_cookie().unwrap();
        let (_, others) = thief.device_cookie().unwrap();
        let identifier = victim.identifier.clone().unwrap();
        let offer = victim.offer.clone().unwrap();
        site.pass(61);
        let session = victim.jar["__Host-session"].0.clone();
        for (case, value) in [
            ("another session's", others.as_str()),
            ("the identifier", &identifier),
            ("the offer", &offer),
            ("the session's own token", &session),
            ("cut", &good[..good.len() - 1]),
            (
                "changed",
                &format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'E' } else { 'A' }),
            ),
            ("none", ""),
        ] {
            let mut jar = victim.without_proof();
            jar.jar.insert(name.clone(), (value.to_owned(), "/".to_owned()));
            assert!(value != good, "{case}");
            assert_eq!(jar.get(&site, "/").await, "stranger", "{state:?}, {case}");
        }
        let mut jar = victim.without_proof();
        jar.jar.insert("__Host-session-AAAAAAAA".to_owned(), (good.clone(), "/".to_owned()));
        assert_eq!(jar.get(&site, "/").await, "stranger", "{state:?}, under another name");
        // The same browser's next binding has another offer.
        victim.sign_in(&site).await;
        site.pass(61);
        let mut jar = victim.without_proof();
        jar.jar.insert(victim.device_cookie().unwrap().0, (good, "/".to_owned()));
        assert_eq!(jar.get(&site, "/").await, "stranger", "{state:?}, of an old binding");
        assert_eq!(victim.get(&site, "/").await, "albus", "{state:?}");
    }
}

#[tokio::test]
async fn a_thief_cannot_bind_a_bound_session_to_his_own_key() {
    for state in ALL {
        let (site, mut victim) = (Site::new(state), Browser::new(1));
        victim.sign_in(&site).await;
        site.pass(61);
        let mut thief = victim.stolen(9);
        assert!(!has_offer(&thief.clone().without_proof().send(&site, "GET", "/").await), "{state:?}");
        // An offer of his own session is not one of this session.
        let mut own = Browser::new(9);
        own.sign_in(&site).await;
        thief.offer = own.offer.clone();
        assert_eq!(thief.register(&site).await.status(), 403, "{state:?}");
        assert_eq!(victim.get(&site, "/").await, "albus", "{state:?}");
        let mut anonymous = Browser::new(9);
        anonymous.offer = victim.offer.clone();
        assert_eq!(anonymous.register(&site).await.status(), 403, "{state:?}");
    }
}

#[tokio::test]
async fn two_keys_for_one_offer_end_the_session_in_either_order() {
    for state in WITH_STORE {
        for victim_first in [true, false] {
            let (site, mut victim) = (Site::new(state), Browser::new(1));
            victim.post(&site, "/login").await;
            let mut thief = victim.stolen(9);
            thief.offer = victim.offer.clone();
            let (first, second) =
                if victim_first { (&mut victim, &mut thief) } else { (&mut thief, &mut victim) };
            assert_eq!(first.register(&site).await.status(), 200, "{state:?}");
            assert_eq!(second.register(&site).await.status(), 403, "{state:?}");
            for browser in [&mut victim, &mut thief] {
                assert_eq!(browser.post(&site, "/").await, "stranger", "{state:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_keys_that_race_for_one_offer_no_two_are_bound() {
    for state in WITH_STORE {
        let (site, mut victim) = (Site::new(state), Browser::new(200));
        victim.post(&site, "/login").await;
        let tasks: Vec<_> = (1..=64)
            .map(|seed| {
                let (site, mut racer) = (site.clone(), victim.stolen(seed));
                racer.offer = victim.offer.clone();
                tokio::spawn(async move { (racer.register(&site).await.status().as_u16(), racer) })
            })
            .collect();
        // All of them first: until a second key comes, the first one is the visitor's.
        let mut raced = Vec::new();
        for task in tasks {
            raced.push(task.await.unwrap());
        }
        let mut granted = 0;
        for (status, mut racer) in raced {
            granted += usize::from(status == 200);
            assert_eq!(racer.post(&site, "/").await, "stranger", "{state:?}");
        }
        assert!(granted <= 1, "{state:?}: {granted}");
    }
}

#[tokio::test]
async fn a_thief_who_was_first_to_bind_loses_the_session_when_the_owner_comes_back() {
    for state in WITH_STORE {
        let (site, mut victim) = (Site::new(state), Browser::new(1));
        victim.post(&site, "/login").await;
        let mut thief = victim.stolen(9);
        thief.offer = victim.offer.clone();
        thief.register(&site).await;
        site.pass(61);
        assert_eq!(victim.get(&site, "/").await, "stranger", "{state:?}");
        victim.sign_in(&site).await;
        assert_eq!(thief.post(&site, "/").await, "stranger", "{state:?}");
        assert_eq!(thief.ask(&site).await.body(), r#"{"continue":false}"#, "{state:?}");
        assert_eq!(victim.get(&site, "/").await, "albus", "{state:?}");
    }
}

#[tokio::test]
async fn a_thief_in_the_gap_before_the_registration_is_not_stopped() {
    for state in ALL {
        let (site, mut victim) = (Site::new(state), Browser::new(1));
        victim.post(&site, "/login").await;
        let mut thief = victim.stolen(9);
        site.pass(61);
        // The second offer goes to whoever asks first.
        assert!(has_offer(&thief.send(&site, "GET", "/").await), "{state:?}");
        assert_eq!(thief.register(&site).await.status(), 200, "{state:?}");
    }
}

#[tokio::test]
async fn a_planted_bound_session_is_a_strangers_and_a_sign_in_leaves_nothing_of_it() {
    for state in ALL {
        let (site, mut attacker) = (Site::new(state), Browser::new(9));
        attacker.sign_in(&site).await;
        site.pass(61);
        let mut victim = Browser::new(1);
        victim.jar.insert("__Host-session".to_owned(), attacker.jar["__Host-session"].clone());
        assert_eq!(victim.get(&site, "/").await, "stranger", "{state:?}");
        victim.post(&site, "/login").await;
        let mut jar = attacker.clone();
        jar.jar.insert("__Host-session".to_owned(), victim.jar["__Host-session"].clone());
        victim.register(&site).await;
        jar.jar.insert("__Host-session".to_owned(), victim.jar["__Host-session"].clone());
        site.pass(61);
        assert_eq!(jar.get(&site, "/").await, "stranger", "{state:?}: the attacker's key proves nothing");
    }
}

#[tokio::test]
async fn an_outage_keeps_no_thief_alive() {
    for state in ON_SERVER {
        let (site, mut victim) = (Site::new(state), Browser::new(1));
        victim.sign_in(&site).await;
        site.pass(590);
        victim.refresh(&site).await;
        victim.get(&site, "/").await;
        let mut thief = victim.without_proof();
        site.store.set_away(true);
        // Longer than a copy is fresh.
        site.pass(6);
        if state == State::Mirrored {
            // In state `store` nobody is shown anything.
            assert_eq!(victim.get(&site, "/").await, "albus", "in the grace");
            assert_eq!(thief.get(&site, "/").await, "stranger", "a copy that says bound");
        }
        let mut elsewhere = victim.stolen(9);
        elsewhere.identifier = victim.identifier.clone();
        let challenge = challenge_of(&elsewhere.ask(&site).await).unwrap();
        assert_eq!(elsewhere.respond(&site, &challenge).await.status(), 400, "{state:?}: another key");
        assert_eq!(victim.refresh(&site).await.status(), 200, "{state:?}");
    }
}

#[tokio::test]
async fn an_unbound_copy_is_shown_for_its_window_alone() {
    let (site, mut victim) = (Site::new(State::Mirrored), Browser::new(1));
    victim.post(&site, "/login").await;
    let mut thief = victim.stolen(9);
    victim.register(&site).await;
    site.pass(6);
    assert_eq!(thief.clone().get(&site, "/device").await, "Settling", "the record was asked");
    site.pass(60);
    assert_eq!(thief.get(&site, "/").await, "stranger");
}

#[tokio::test]
async fn an_unbound_copy_of_a_cookie_is_a_strangers_after_a_minute_where_there_is_a_list() {
    let (site, mut victim) = (Site::new(State::Listed), Browser::new(1));
    victim.post(&site, "/login").await;
    let mut thief = victim.stolen(9);
    thief.offer = victim.offer.clone();
    assert_eq!(thief.get(&site, "/").await, "albus");
    victim.register(&site).await;
    site.pass(59);
    assert_eq!(thief.clone().post(&site, "/").await, "albus", "it may have left before");
    site.pass(7);
    for method in ["GET", "POST"] {
        assert_eq!(thief.send(&site, method, "/").await.into_body(), "stranger", "{method}");
    }
    // His own key comes second. What is bound is the victim's, and his own request ends the session, as a thief's
    // sign-out would.
    assert_eq!(thief.register(&site).await.status(), 403);
    assert_eq!(victim.get(&site, "/").await, "stranger");
}

/// Signs in by another site's callback, so that the offer is owed.
async fn sign_in_from_elsewhere(browser: &mut Browser, site: &Site) {
    let callback = browser.with("sec-fetch-site", "cross-site").request("GET", "/login");
    browser.keep(site.send(callback).await.headers());
}

/// The copy was made before any offer, or has an offer that was not taken up.
#[tokio::test]
async fn a_copy_from_before_the_binding_is_a_strangers_whatever_offer_it_has() {
    for state in WITH_STORE {
        for case in ["owed", "an older offer", "renewed within the minute"] {
            let (site, mut victim) = (Site::new(state), Browser::new(1));
            sign_in_from_elsewhere(&mut victim, &site).await;
            let mut thief = victim.stolen(9);
            assert_eq!(victim.get(&site, "/").await, "albus");
            if case == "an older offer" {
                thief = victim.stolen(9);
                site.pass(61);
                assert!(has_offer(&victim.send(&site, "GET", "/").await), "{state:?}");
            }
            let is_renewed = case == "renewed within the minute";
            assert_eq!(victim.register(&site).await.status(), 200, "{state:?}, {case}");
            site.pass(59);
            let thiefs = thief.post(&site, if is_renewed { "/renew" } else { "/" }).await;
            assert_eq!(thiefs, "albus", "{state:?}, {case}: it may have left before");
            site.pass(7);
            for method in ["GET", "POST"] {
                let shown = thief.clone().send(&site, method, "/").await.into_body();
                assert_eq!(shown, "stranger", "{state:?}, {case}, {method}");
            }
            let owner = if is_renewed { "stranger" } else { "albus" };
            if state == State::Listed {
                assert_eq!(victim.post(&site, "/").await, owner, "{state:?}, {case}");
            }
        }
    }
}

/// A thief who was made an offer of his own, before or after the binding, binds nothing with it.
#[tokio::test]
async fn a_key_for_another_offer_of_the_same_sign_in_is_not_bound() {
    for state in WITH_STORE {
        for before in [true, false] {
            let (site, mut victim) = (Site::new(state), Browser::new(1));
            sign_in_from_elsewhere(&mut victim, &site).await;
            let mut thief = victim.stolen(9);
            // Of two servers, each of which may have made its offer before it hears of the other's.
            let other = site.beside(Some(DevicePolicy::Require), 0);
            if before {
                thief.get(&other, "/").await;
            }
            victim.get(&site, "/").await;
            assert_eq!(victim.offer.is_some(), state == State::Listed || !before, "{state:?}");
            if victim.offer.is_none() {
                // The session has one offer, and here the thief has it.
                continue;
            }
            assert_eq!(victim.register(&site).await.status(), 200, "{state:?}");
            thief.get(&other, "/").await;
            if thief.offer.is_some() {
                assert_eq!(thief.register(&other).await.status(), 403, "{state:?}, before: {before}");
            }
            site.pass(66);
            for (mut browser, owner) in [(thief, "stranger"), (victim, "albus")] {
                assert_eq!(browser.get(&site, "/").await, owner, "{state:?}, before: {before}");
                assert_eq!(browser.post(&site, "/").await, owner, "{state:?}, before: {before}");
            }
        }
    }
}

#[tokio::test]
async fn two_keys_for_one_offer_are_both_bound_where_nothing_sees_both() {
    let (site, mut victim) = (Site::new(State::Cookie), Browser::new(1));
    victim.post(&site, "/login").await;
    let mut thief = victim.stolen(9);
    thief.offer = victim.offer.clone();
    for browser in [&mut victim, &mut thief] {
        assert_eq!(browser.register(&site).await.status(), 200, "as the documentation says");
    }
    site.pass(61);
    for browser in [&mut victim, &mut thief] {
        assert_eq!(browser.get(&site, "/").await, "albus");
    }
}

/// The list's last answer about the offer counts for the five minutes of the grace.
#[tokio::test]
async fn an_unbound_copy_of_a_cookie_is_shown_in_an_outage_of_the_list_for_the_grace_alone() {
    let (site, mut victim) = (Site::new(State::Listed), Browser::new(1));
    victim.post(&site, "/login").await;
    let mut thief = victim.stolen(9);
    assert_eq!(thief.get(&site, "/").await, "albus", "the list knows of no binding");
    // Another server, which this one hears of by the list alone.
    let other = site.beside(Some(DevicePolicy::Require), 0);
    victim.register(&other).await;
    site.store.set_away(true);
    site.pass(299);
    assert_eq!(thief.clone().get(&site, "/").await, "albus", "this much is not stopped");
    assert_eq!(thief.clone().send(&site, "POST", "/act").await.status(), 503);
    assert_eq!(victim.without_proof().get(&site, "/").await, "stranger", "a token that says bound");
    site.pass(1);
    assert_eq!(thief.clone().send(&site, "GET", "/").await.status(), 503);
    site.store.set_away(false);
    assert_eq!(thief.get(&site, "/").await, "stranger");
}

/// The five minutes of the grace count from the copy's last confirmation.
#[tokio::test]
async fn an_unbound_copy_is_shown_in_an_outage_for_the_grace_alone() {
    let (site, mut victim) = (Site::new(State::Mirrored), Browser::new(1));
    victim.post(&site, "/login").await;
    let mut thief = victim.stolen(9);
    // Another server, which knows of the binding by the store alone.
    let other = site.beside(Some(DevicePolicy::Require), 0);
    victim.register(&other).await;
    site.store.set_away(true);
    site.pass(299);
    assert_eq!(thief.clone().get(&site, "/").await, "albus", "this much is not stopped");
    assert_eq!(thief.clone().send(&site, "POST", "/act").await.status(), 503);
    assert_eq!(victim.without_proof().get(&other, "/").await, "stranger", "a copy that says bound");
    site.pass(2);
    assert_ne!(thief.get(&site, "/").await, "albus");
}

#[tokio::test]
async fn a_refresh_of_an_older_session_does_not_displace_the_proof_of_the_newer_one() {
    for state in ALL {
        for older_first in [true, false] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            browser.sign_in(&site).await;
            let older = browser.clone();
            browser.sign_in(&site).await;
            site.pass(590);
            // Of another site's link, so that both are refreshed: the sign-in's cookie is withheld. The sign-in has
            // removed the older one's cookies; a browser in which that failed has them still.
            let mut both = browser.clone();
            both.jar.extend(older.jar.clone());
            both.jar.remove("__Host-session");
            let mut identifiers = [older.identifier.clone(), browser.identifier.clone()];
            if !older_first {
                identifiers.reverse();
            }
            for identifier in identifiers {
                both.identifier = identifier;
                assert_eq!(both.refresh(&site).await.status(), 200, "{state:?}");
            }
            both.jar.insert("__Host-session".to_owned(), browser.jar["__Host-session"].clone());
            site.pass(100);
            assert_eq!(both.get(&site, "/").await, "albus", "{state:?}, older first: {older_first}");
        }
    }
}

#[tokio::test]
async fn an_unbound_copy_of_a_cookie_stays_good_without_a_list() {
    let (site, mut victim) = (Site::new(State::Cookie), Browser::new(1));
    victim.post(&site, "/login").await;
    let mut thief = victim.stolen(9);
    victim.register(&site).await;
    site.pass(100);
    assert_eq!(thief.get(&site, "/").await, "albus", "as the documentation says");
}

#[tokio::test]
async fn a_sealed_offer_or_identifier_of_another_use_is_refused() {
    let (site, mut browser) = (Site::new(State::Store), Browser::new(1));
    browser.sign_in(&site).await;
    let challenge = challenge_of(&browser.ask(&site).await).unwrap();
    let (offer, identifier) = (browser.offer.clone().unwrap(), browser.identifier.clone().unwrap());
    // An offer is no challenge, and a challenge no offer.
    assert_eq!(browser.respond(&site, &offer).await.status(), 403);
    browser.offer = Some(challenge.clone());
    assert_eq!(browser.register(&site).await.status(), 403);
    for no_identifier in [offer, challenge, browser.device_cookie().unwrap().1, String::new()] {
        browser.identifier = Some(no_identifier);
        assert_eq!(browser.ask(&site).await.status(), 400);
    }
    browser.identifier = Some(identifier);
    assert_eq!(browser.refresh(&site).await.status(), 200);
}

#[tokio::test]
async fn a_good_session_beside_a_planted_bound_one_counts() {
    for state in ALL {
        let (site, mut victim, mut attacker) = (Site::new(state), Browser::new(1), Browser::new(9));
        attacker.sign_in(&site).await;
        victim.sign_in(&site).await;
        site.pass(61);
        let planted = format!("__Host-session={}", attacker.jar["__Host-session"].0);
        let page = victim.with("cookie", &planted).send(&site, "GET", "/").await;
        assert_eq!(page.body(), "albus", "{state:?}");
        let mut alone = victim.without_proof();
        let before = alone.jar.clone();
        assert_eq!(
            alone.with("cookie", &planted).send(&site, "GET", "/").await.body(),
            "stranger",
            "{state:?}"
        );
        alone.get(&site, "/").await;
        assert_eq!(alone.jar, before, "{state:?}: nothing is forgotten");
    }
}
