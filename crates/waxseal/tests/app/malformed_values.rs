//! Values that our key sealed and no `insert` wrote, on the pages that meet them.

use std::time::SystemTime;

use crate::support::log;
use waxseal::testing::Client;
use waxseal::{App, Request, Response, Result, Settings, context, typed};
use waxseal_crypto::{Context, Keyring, SecretKey, Times};

/// A byte left over, a marker that there is none of, and a good value.
const VALUES: [(&str, &[u8]); 3] = [("more", &[1, 2]), ("none", &[0xc1]), ("good", &[7])];

fn app() -> App {
    async fn handler(request: Request) -> Result<Response> {
        let session = request.session().await?;
        Ok(typed("text/plain", format!("{:?}", session.get::<u8>(request.param("key")?)?)))
    }
    async fn template(request: Request) -> Result<Response> {
        let key = request.param("key")?;
        request.render("value.html", context! { key }).await
    }
    async fn replace(request: Request) -> Result<Response> {
        request.session().await?.insert("more", 1)?;
        Ok(typed("text/plain", "replaced"))
    }
    App::new("demo")
        .environment(|environment| environment.add_template("value.html", "{{ session[key] }}").unwrap())
        .get("/handler/{key}", handler)
        .get("/template/{key}", template)
        .post("/replace", replace)
}

/// A client whose cookie has those values.
fn client(settings: &Settings) -> Client {
    log::start();
    let client = Client::with_settings(app(), settings).unwrap();
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    client.service().set_keyring(&keyring);
    let cookie = client.service().sessions().cookie().name();
    let context = Context::new("session")
        .and_then(|all| all.with_name(cookie))
        .and_then(|all| all.with_audience("demo"));
    let mut payload = [&[9; 16][..], &[1, 0, 1, 0x80]].concat();
    for piece in VALUES.iter().flat_map(|(key, value)| [key.as_bytes(), value]) {
        payload.push(u8::try_from(piece.len()).unwrap());
        payload.extend(piece);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let sealer = keyring.sealer(&context.unwrap());
    client.set_cookie(cookie, &sealer.seal_text(&payload, Times::new(now, now, 600, 600)).unwrap());
    client
}

#[tokio::test]
async fn the_log_names_the_key_and_the_visitor_sees_a_plain_page() {
    let client = client(&Settings::default());
    for place in ["handler", "template"] {
        for (key, why) in [("more", "1 bytes are left over"), ("none", "no MessagePack")] {
            log::clear();
            let answer = client.get(&format!("/{place}/{key}")).await;
            assert_eq!(answer.status(), 500, "{place}, {key}");
            assert!(!answer.text().contains("session["), "{place}, {key}: {}", answer.text());
            let line = log::lines().pop().unwrap();
            assert!(line.contains(&format!("session[\"{key}\"]")) && line.contains(why), "{place}: {line}");
        }
        assert!(client.get(&format!("/{place}/good")).await.text().contains('7'), "{place}");
    }
    assert_eq!(client.post_form("/replace", &[]).await.status(), 200);
    assert_eq!(client.get("/template/more").await.text(), "1");
    assert_eq!(client.get("/handler/none").await.status(), 500, "what was not read is kept as it is");
}

#[tokio::test]
async fn the_panel_says_which_entry_cannot_be_read() {
    let client = client(&crate::support::development());
    let page = client.get("/_session").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.text().matches("(cannot be read: ").count(), 2, "{}", page.text());
}
