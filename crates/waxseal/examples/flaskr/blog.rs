use rusqlite::{Params, Row};
use serde::{Deserialize, Serialize};
use waxseal::{Error, Method, Request, Response, Result, Routes, context, redirect};

use super::auth::{User, login_required};
use super::db::Db;

#[derive(Serialize)]
struct Post {
    id: i64,
    title: String,
    body: String,
    created: String,
    author_id: i64,
    username: String,
}

#[derive(Deserialize)]
struct PostForm {
    title: String,
    body: String,
}

pub(crate) fn routes() -> Routes {
    Routes::new("")
        .get("/", index)
        .get("/create", login_required(create))
        .post("/create", login_required(create))
        .get("/{id}/update", login_required(update))
        .post("/{id}/update", login_required(update))
        .post("/{id}/delete", login_required(delete))
}

async fn index(request: Request) -> Result<Response> {
    let posts = posts(&request, "ORDER BY p.created DESC, p.id DESC", []).await?;
    request.render("blog/index.html", context! { posts }).await
}

async fn create(request: Request) -> Result<Response> {
    if let Some(PostForm { title, body }) = sent(&request).await? {
        let User { id, .. } = request.g().get("user").ok_or(Error::status(401))?;
        let insert = "INSERT INTO post (title, body, author_id) VALUES (?, ?, ?)";
        request.state::<Db>()?.with(move |db| db.execute(insert, (title, body, id))).await?;
        return Ok(redirect(&request.url_for("index", &[])?));
    }
    request.render("blog/create.html", context! {}).await
}

async fn update(request: Request) -> Result<Response> {
    let post = own_post(&request).await?;
    if let Some(PostForm { title, body }) = sent(&request).await? {
        let update = "UPDATE post SET title = ?, body = ? WHERE id = ?";
        request.state::<Db>()?.with(move |db| db.execute(update, (title, body, post.id))).await?;
        return Ok(redirect(&request.url_for("index", &[])?));
    }
    request.render("blog/update.html", context! { post }).await
}

async fn delete(request: Request) -> Result<Response> {
    let post = own_post(&request).await?;
    request.state::<Db>()?.with(move |db| db.execute("DELETE FROM post WHERE id = ?", [post.id])).await?;
    Ok(redirect(&request.url_for("index", &[])?))
}

/// The form, if one was sent; without a title `None`, and a message for the page.
async fn sent(request: &Request) -> Result<Option<PostForm>> {
    let form = if request.method() == Method::POST { Some(request.form::<PostForm>().await?) } else { None };
    if form.as_ref().is_some_and(|form| form.title.is_empty()) {
        request.flash("error", "Title is required.").await?;
    }
    Ok(form.filter(|form| !form.title.is_empty()))
}

/// The post that the path names: 404 if there is none, 403 if somebody else wrote it.
async fn own_post(request: &Request) -> Result<Post> {
    let id: i64 = request.param_as("id")?;
    let missing = || Error::status(404).message(format!("Post id {id} doesn't exist."));
    let post = posts(request, "WHERE p.id = ?", [id]).await?.pop().ok_or_else(missing)?;
    let user = request.g().get::<User>("user").filter(|user| user.id == post.author_id);
    user.map(|_| post).ok_or(Error::status(403))
}

async fn posts(request: &Request, rest: &str, params: impl Params + Send + 'static) -> Result<Vec<Post>> {
    let all = "SELECT p.id, title, body, date(created), author_id, username FROM post p JOIN user u ON p.author_id = u.id";
    let post = |row: &Row<'_>| {
        let (id, title, body, created) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Post { id, title, body, created, author_id: row.get(4)?, username: row.get(5)? })
    };
    request.state::<Db>()?.query(format!("{all} {rest}"), params, post).await
}
