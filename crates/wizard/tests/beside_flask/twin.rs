//! The twin of `app.py`: the part of the shop that has moved to Waxseal, below `/new`.

use std::time::SystemTime;

use serde::Deserialize;
use waxseal::{
    Adoption, App, Flask, FlaskKey, FlaskRemember, MemoryStore, Request, Response, Result, context, redirect,
};

pub(crate) const FLASK_SECRET: &str = "the SECRET_KEY of the shop";

const USERS: [(&str, &str); 2] = [("albus", "1"), ("minerva", "2")];

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<title>The new part</title>
<h1>The new part</h1>
{% for message in get_flashed_messages() %}<p class="message">{{ message }}</p>{% endfor %}
<p id="user">{{ user or 'nobody' }}</p>
<ul id="cart">{% for owl in session.get('cart', []) %}<li>{{ owl }}</li>{% endfor %}</ul>
<form method="post" action="{{ url_for('sign_in') }}">
  <input name="name" id="name">
  <button id="sign-in">Sign in</button>
</form>
<form method="post" action="{{ url_for('sign_out') }}">
  <button id="sign-out">Sign out</button>
</form>
<form method="post" action="{{ url_for('add') }}">
  <input name="owl" id="owl">
  <button id="add">Put into the cart</button>
</form>
<a id="other" href="/old/">The old part</a>
</html>
"#;

#[derive(Deserialize)]
struct SignIn {
    name: String,
}

#[derive(Deserialize)]
struct Order {
    owl: String,
}

/// Creates the app, which shares its sign-in with Flask for the next hour.
pub(crate) fn app() -> App {
    let flask = Flask::new(key()).owner_key("user_id").integer_owner().side_by_side(["cart"]);
    shop().migrate_from(flask, terms())
}

/// Creates the app beside `login.py`.
#[allow(dead_code, reason = "not each program that uses the twin has this app beside it")]
pub(crate) fn app_beside_flask_login() -> App {
    let terms = terms();
    let flask = Flask::new(key()).side_by_side(["cart"]);
    shop().migrate_from(flask, terms).migrate_from(FlaskRemember::new(key(), &terms), terms)
}

fn key() -> FlaskKey {
    FlaskKey::from_text(FLASK_SECRET).expect("it is not empty")
}

fn terms() -> Adoption {
    let hour = std::time::Duration::from_secs(3_600);
    let switch = SystemTime::now() + hour;
    Adoption::new(switch, switch + hour)
}

fn shop() -> App {
    App::new("shop")
        .environment(|environment| environment.add_template("page.html", PAGE).expect("it is Jinja"))
        .get("/new/", index)
        .post("/new/sign-in", sign_in)
        .post("/new/sign-out", sign_out)
        .post("/new/cart", add)
        .session_store(MemoryStore::new())
}

async fn index(request: Request) -> Result<Response> {
    let owner = request.session().await?.owner();
    let user = USERS.iter().find(|(_, id)| owner.as_deref() == Some(id)).map(|(name, _)| *name);
    request.render("page.html", context! { user }).await
}

async fn sign_in(request: Request) -> Result<Response> {
    let SignIn { name } = request.form().await?;
    match USERS.iter().find(|(user, _)| *user == name) {
        Some((_, id)) => {
            request.session().await?.renew_empty()?;
            request.sign_in(id).await?;
            request.flash("message", "Welcome to the new part.").await?;
        }
        None => request.flash("message", "Nobody of that name.").await?,
    }
    Ok(redirect("/new/"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/new/"))
}

async fn add(request: Request) -> Result<Response> {
    let Order { owl } = request.form().await?;
    request.session().await?.append("cart", owl)?;
    Ok(redirect("/new/"))
}
