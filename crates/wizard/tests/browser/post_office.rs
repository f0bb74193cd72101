//! An app with features that the wizard does not use: messages, CSRF tokens, a sign-in, an upload.

use std::net::SocketAddr;
use std::thread;

use serde::Deserialize;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use waxseal::{App, Error, Request, Response, Result, Secrets, SessionState, Settings, context, redirect};

const PAGE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Post office</title><link rel="icon" href="data:,"></head>
<body><main>
<h1>{% if owner %}{{ owner }}’s counter{% else %}Post office{% endif %}</h1>
{% for category, message in get_flashed_messages(with_categories=true) %}
<p role="status" class="{{ category }}">{{ message }}</p>
{% endfor %}
<form id="sign-in" method="post" action="/sign-in">{{ csrf_field() }}<label>Name <input name="name"></label><button>Sign in</button></form>
<form id="send" method="post" action="/send" enctype="multipart/form-data">{{ csrf_field() }}
<label>Letter <input name="letter" type="file"></label><button>Send</button></form>
<form id="sign-out" method="post" action="/sign-out">{{ csrf_field() }}<button>Sign out</button></form>
</main></body></html>"#;

/// A running post office, in a thread of this process. It stops when dropped.
pub(crate) struct PostOffice {
    address: SocketAddr,
    _open: oneshot::Sender<()>,
}

impl PostOffice {
    pub(crate) fn open(session_state: SessionState) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (key, _) = waxseal::make_development_secret(folder.path()).expect("a secret can be written");
        let settings = Settings { development: true, port: 0, session_state, ..Settings::default() };
        let secrets = Secrets::from_file(&key, &settings, "post-office").expect("it was just made");
        let (said, address) = std::sync::mpsc::channel();
        let (open, closed) = oneshot::channel();
        thread::spawn(move || {
            let _folder = folder;
            Builder::new_current_thread().enable_all().build().expect("a runtime starts").block_on(async {
                let server = app().bind(&settings, &secrets).await.expect("it listens");
                said.send(server.address().expect("it is TCP")).expect("the test waits for it");
                server.serve(async { _ = closed.await }).await.expect("it serves");
            });
        });
        Self { address: address.recv().expect("the server says where it listens"), _open: open }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn app() -> App {
    App::new("post-office")
        .csrf_tokens()
        .environment(|environment| environment.add_template("page.html", PAGE).expect("it is Jinja"))
        .get("/", counter)
        .post("/sign-in", sign_in)
        .post("/send", send)
        .post("/sign-out", sign_out)
}

async fn counter(request: Request) -> Result<Response> {
    let owner = request.session().await?.owner();
    request.render("page.html", context! { owner }).await
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
}

async fn sign_in(request: Request) -> Result<Response> {
    let Credentials { name } = request.form().await?;
    request.sign_in(&name).await?;
    request.flash("success", format!("Hello, {name}.")).await?;
    Ok(redirect("/"))
}

async fn send(request: Request) -> Result<Response> {
    let mut form = request.multipart().await?;
    let letter = form.take_file("letter").ok_or(Error::status(422).message("choose a letter"))?;
    request.flash("success", format!("{}: {} bytes sent.", letter.file_name(), letter.len())).await?;
    Ok(redirect("/"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/"))
}
