//! The example `todo`: that it does what it should, and that it is about as long as the same app in Flask.

#[path = "../../examples/todo.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod todo;

use waxseal::testing::Client;
use waxseal::{MemoryStore, SessionState, Settings};
use waxseal_store::testing::FaultyStore;

const PASSWORD: &str = "eleven owls";

struct Visitor(Client);

impl Visitor {
    fn new(session_state: SessionState) -> Self {
        let settings = Settings { session_state, ..Settings::default() };
        Self(Client::with_settings(todo::app(), &settings).unwrap().follow_redirects())
    }

    /// Sends a form with the token that a page would have, and gives the page that comes of it.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let token = self.0.csrf_token().await;
        let fields = [&[("csrf_token", token.as_str())], fields].concat();
        self.0.post_form(path, &fields).await.text()
    }

    async fn page(&self) -> String {
        self.0.get("/").await.text()
    }
}

#[tokio::test]
async fn a_list_is_kept_for_each_person() {
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let visitor = Visitor::new(state);
        let name = format!("merlin in {state:?}");
        let who = [("name", name.as_str()), ("password", PASSWORD)];
        assert!(visitor.page().await.contains("<h1>Sign in</h1>"), "a stranger is led to the form");
        assert!(visitor.post("/sign-in", &who).await.contains("Name and password do not fit together."));
        assert!(
            visitor.post("/register", &[who[0], ("password", "short")]).await.contains("Choose another name")
        );
        for name in ["  ", "mer\u{7}lin", &"m".repeat(256)] {
            let page = visitor.post("/register", &[("name", name), who[1]]).await;
            assert!(page.contains("Choose another name"), "{name:?} could not sign in");
        }
        assert!(visitor.post("/register", &who).await.contains("Welcome! Now sign in."));
        assert!(visitor.post("/register", &who).await.contains("Choose another name"));
        assert!(
            visitor.post("/sign-in", &[who[0], ("password", "eleven toads")]).await.contains("do not fit")
        );

        let before = visitor.0.public_id().await;
        let page = visitor.post("/sign-in", &who).await;
        assert!(page.contains(&format!("Hello, {name}.")) && page.contains("Nothing."), "{page}");
        assert!(!visitor.page().await.contains("Hello,"), "it is said once");
        assert_eq!(visitor.0.session().await.owner().as_deref(), Some(name.as_str()));
        assert_eq!(before.is_some(), state != SessionState::Cookie);

        assert!(visitor.post("/add", &[("text", "  ")]).await.contains("Write down what to do."));
        assert!(visitor.post("/add", &[("text", "feed <the> owl")]).await.contains("feed &lt;the&gt; owl"));
        visitor.post("/add", &[("text", "sleep")]).await;
        assert!(visitor.post("/toggle/2", &[]).await.contains("<s>sleep</s>"));
        assert!(!visitor.post("/toggle/2", &[]).await.contains("<s>"));
        assert!(visitor.post("/delete/1", &[]).await.contains("Deleted “feed &lt;the&gt; owl”."));
        assert!(visitor.post("/delete/1", &[]).await.contains("404"), "it is gone");

        let page = visitor.post("/sign-out", &[]).await;
        assert!(page.contains("See you.") && page.contains("<h1>Sign in</h1>"), "{page}");
        assert!(visitor.page().await.contains("<h1>Sign in</h1>"));
        assert!(visitor.post("/sign-in", &who).await.contains("sleep"), "the list is still there");
    }
}

#[tokio::test]
async fn who_signs_out_while_the_store_is_away_is_signed_out() {
    for session_state in [SessionState::Store, SessionState::Mirrored] {
        let (store, settings) =
            (FaultyStore::new(MemoryStore::new()), Settings { session_state, ..Settings::default() });
        let app = todo::app().session_store(store.clone());
        let visitor = Visitor(Client::with_settings(app, &settings).unwrap());
        let name = format!("lancelot in {session_state:?}");
        let who = [("name", name.as_str()), ("password", PASSWORD)];
        visitor.post("/register", &who).await;
        visitor.post("/sign-in", &who).await;
        assert!(visitor.page().await.contains(&name), "{session_state:?}");
        let form = [("csrf_token", visitor.0.csrf_token().await)];
        let form = form.each_ref().map(|(name, token)| (*name, token.as_str()));
        store.set_away(true);
        assert_eq!(visitor.0.post_form("/sign-out", &form).await.status(), 303, "{session_state:?}");
        store.set_away(false);
        assert_eq!(visitor.0.get("/").await.location(), Some("/sign-in"), "{session_state:?}");
    }
}

#[tokio::test]
async fn a_form_without_the_pages_token_does_nothing() {
    let visitor = Visitor::new(SessionState::Cookie);
    let who = [("name", "morgana"), ("password", PASSWORD)];
    assert_eq!(visitor.0.post_form("/register", &who).await.status(), 403);
    assert!(visitor.post("/sign-in", &who).await.contains("do not fit"), "nobody was registered");
}

#[tokio::test]
async fn a_page_open_since_before_the_sign_in_is_refused_once() {
    let visitor = Visitor::new(SessionState::Mirrored);
    let who = [("name", "nimue"), ("password", PASSWORD)];
    visitor.post("/register", &who).await;
    let before = visitor.0.csrf_token().await;
    visitor.post("/sign-in", &who).await;
    let answer = visitor.0.post_form("/add", &[("csrf_token", &before), ("text", "swim")]).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().contains("reload the page"));
}

#[tokio::test]
async fn a_client_brings_a_token_along() -> Result<(), waxseal::StartError> {
    let client = Client::new(todo::app())?.follow_redirects();
    let token = client.csrf_token().await;
    let fields = [("csrf_token", token.as_str()), ("name", "viviane"), ("password", "eleven owls")];
    let page = client.post_form("/sign-in", &fields).await;
    assert!(page.text().contains("Name and password do not fit together."));
    Ok(())
}

/// Of the tutorial's part about this app, each block is found in the files as it stands, but commands and the test.
#[test]
fn the_tutorial_quotes_it_word_for_word() {
    let tutorial = include_str!("../../../../docs/tutorial.md");
    let (_, part) = tutorial.split_once("\n## A complete app\n").expect("the tutorial has that part");
    let (part, tests) = part.split_once("\n### Test it\n").expect("it ends with its tests");
    let test = tests.split("\n```").nth(1).expect("there is one").lines().skip(1);
    for line in test {
        assert!(include_str!("tutorial_app.rs").contains(line), "{line}");
    }
    let templates = [
        include_str!("../../examples/todo/templates/base.html"),
        include_str!("../../examples/todo/templates/credentials.html"),
    ];
    let mut quoted = 0;
    for block in part.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        let text = format!("{text}\n");
        let found = match language {
            "rust" => include_str!("../../examples/todo.rs").contains(&text),
            "python" => include_str!("../../examples/todo/flask_todo.py").contains(&text),
            "html" => templates.iter().any(|template| template.contains(&text)),
            _ => continue,
        };
        assert!(found, "{text}");
        quoted += 1;
    }
    assert!(quoted >= 10, "{quoted} blocks");
    for words in ["| Flask, with Flask-WTF | 76 |", "| here | 112 |"] {
        assert!(part.contains(words), "{words}");
    }
}

/// Lines that are neither blank nor comment: here `//`, in Python `#` and the text at the top.
#[test]
fn it_is_at_most_half_as_long_again_as_flasks() {
    let lines = |text: &str, comment: &str| {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(comment);
        text.lines().filter(code).count()
    };
    let here = lines(include_str!("../../examples/todo.rs"), "//");
    let (_, flask) = include_str!("../../examples/todo/flask_todo.py").split_once("\n\"\"\"\n").unwrap();
    let flask = lines(flask, "#");
    assert!(2 * here <= 3 * flask, "{here} lines here, {flask} in Flask");
}
