//! Keys that change under a whole app at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderValue, Method};
use waxseal::{App, AppService, Body, Request, Response, Result, Settings, typed};
use waxseal_crypto::{KeyId, Keyring, SecretKey};

const SWAPS: usize = 1_000;
const CLIENTS: usize = 4;
/// Old keys that a ring keeps: a client's cookie is never older than that.
const OLD_KEYS: usize = 10;

fn key(number: usize) -> SecretKey {
    let mut root = [9; 32];
    root[..8].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(root)
}

/// The ring after so many rotations: that key seals, the next is a fallback already, and a few old ones open.
fn ring(number: usize) -> Keyring {
    let others = std::iter::once(number + 1).chain(number.saturating_sub(OLD_KEYS)..number);
    others.fold(Keyring::new(key(number)), |ring, other| ring.with_fallback(key(other)).unwrap())
}

async fn count(request: Request) -> Result<Response> {
    let session = request.session().await?;
    tokio::task::yield_now().await;
    session.add("visits", 1)?;
    tokio::task::yield_now().await;
    Ok(typed("text/plain", session.get::<usize>("visits")?.unwrap_or_default().to_string()))
}

/// Visits once, and returns what the page says and the new cookie's value.
async fn visit(app: &AppService, token: &str) -> (String, String) {
    let mut request = http::Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let cookie = HeaderValue::try_from(format!("__Host-session={token}")).unwrap();
    request.headers_mut().insert(COOKIE, cookie);
    let response = app.answer(request).await;
    assert_eq!(response.status(), 200);
    let set = response.headers()[SET_COOKIE].to_str().unwrap();
    let token = set.strip_prefix("__Host-session=").unwrap().split(';').next().unwrap().to_owned();
    let body = response.into_body().collect(100, std::time::Duration::from_secs(60)).await.unwrap();
    (String::from_utf8(body.to_vec()).unwrap(), token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_thousand_swaps_under_load_refuse_no_good_cookie_and_seal_none_with_a_foreign_key() {
    let app = App::new("demo").get("/", count).service(&Settings::default(), &ring(0)).await.unwrap();
    let ids: Arc<Vec<KeyId>> = Arc::new((0..SWAPS + 2).map(|number| key(number).id()).collect());
    let (now, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let visits: Arc<[AtomicUsize; CLIENTS]> = Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (app, ids, now) = (app.clone(), ids.clone(), now.clone());
            let (done, visits) = (done.clone(), visits.clone());
            tokio::spawn(async move {
                let (mut token, mut count) = (String::new(), 0);
                while !done.load(Ordering::SeqCst) {
                    let before = now.load(Ordering::SeqCst);
                    let (page, next) = visit(&app, &token).await;
                    let after = now.load(Ordering::SeqCst);
                    count += 1;
                    assert_eq!(page, count.to_string(), "a good cookie was refused");
                    token = next;
                    let sealed_by = KeyId::of_text(token.as_bytes()).unwrap();
                    assert!(
                        ids[before..=after + 1].contains(&sealed_by),
                        "{sealed_by} between {before} and {after}"
                    );
                    visits[number].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for number in 1..=SWAPS {
        if number % OLD_KEYS == 0 {
            let counts: Vec<_> = visits.iter().map(|count| count.load(Ordering::SeqCst)).collect();
            // Twice: the first may have begun before the last wait.
            while visits.iter().zip(&counts).any(|(count, old)| count.load(Ordering::SeqCst) < old + 2) {
                assert!(!clients.iter().any(|client| client.is_finished()), "a client was turned away");
                tokio::task::yield_now().await;
            }
        }
        app.set_keyring(&ring(number));
        now.store(number, Ordering::SeqCst);
    }
    done.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}
