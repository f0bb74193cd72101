use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use waxseal::{Handler, Method, Request, Response, Result, Routes, context, redirect, wrap};

use super::db::Db;

#[derive(Clone, Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) username: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

pub(crate) fn routes() -> Routes {
    Routes::new("auth")
        .get("/register", register)
        .post("/register", register)
        .get("/login", login)
        .post("/login", login)
        .get("/logout", logout)
}

/// Before each page of the blog: the user whose id the session has.
pub(crate) async fn load_user(request: Request) -> Result<Option<Response>> {
    if let Some(id) = request.session().await?.owner() {
        let by_id = "SELECT id, username FROM user WHERE id = ?";
        let user = |row: &rusqlite::Row<'_>| Ok(User { id: row.get(0)?, username: row.get(1)? });
        if let Some(user) = request.state::<Db>()?.query(by_id, [id], user).await?.pop() {
            request.g().set("user", user);
        }
    }
    Ok(None)
}

/// Sends anonymous visitors to the login page.
pub(crate) fn login_required(view: impl Handler) -> impl Handler {
    wrap(view, async |request: Request, view| match request.g().get::<User>("user") {
        Some(_) => view.call(request).await,
        None => Ok(redirect(&request.url_for("auth.login", &[])?)),
    })
}

async fn register(request: Request) -> Result<Response> {
    if request.method() == Method::POST {
        let Credentials { username, password } = request.form().await?;
        let error = if username.is_empty() {
            "Username is required.".to_owned()
        } else if password.is_empty() {
            "Password is required.".to_owned()
        } else {
            let hash = move || Argon2::default().hash_password(password.as_bytes()).map(|it| it.to_string());
            let user = (username.clone(), spawn_blocking(hash).await??);
            let insert = "INSERT OR IGNORE INTO user (username, password) VALUES (?, ?)";
            if request.state::<Db>()?.with(|db| db.execute(insert, user)).await? == 1 {
                return Ok(redirect(&request.url_for("auth.login", &[])?));
            }
            format!("User {username} is already registered.")
        };
        request.flash("error", error).await?;
    }
    request.render("auth/register.html", context! {}).await
}

async fn login(request: Request) -> Result<Response> {
    if request.method() == Method::POST {
        let Credentials { username, password } = request.form().await?;
        let by_name = "SELECT id, password FROM user WHERE username = ?";
        let user = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        let error = match request.state::<Db>()?.query(by_name, [username], user).await?.pop() {
            None => "Incorrect username.",
            Some((id, hash)) => {
                let verify = move || Argon2::default().verify_password(password.as_bytes(), hash.as_str());
                if spawn_blocking(verify).await?.is_ok() {
                    request.sign_in(&id.to_string()).await?;
                    return Ok(redirect(&request.url_for("index", &[])?));
                }
                "Incorrect password."
            }
        };
        request.flash("error", error).await?;
    }
    request.render("auth/login.html", context! {}).await
}

async fn logout(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect(&request.url_for("index", &[])?))
}
