//! The visitor's own sessions: a list of the browsers that are signed in, and the ways to end them.

use serde::Deserialize;
use waxseal::{Request, Response, Result, context, redirect};

#[derive(Deserialize)]
struct Which {
    public_id: String,
}

pub(crate) async fn list(request: Request) -> Result<Response> {
    let kept = request.keeps_sessions();
    let sessions = if kept { request.own_sessions().await? } else { Vec::new() };
    request.render("sessions.html", context! { kept, sessions }).await
}

pub(crate) async fn end(request: Request) -> Result<Response> {
    let which: Which = request.form().await?;
    if request.keeps_sessions() {
        request.end_session(&which.public_id).await?;
    }
    Ok(redirect("/wizard/sessions"))
}

pub(crate) async fn end_others(request: Request) -> Result<Response> {
    if request.keeps_sessions() && request.session().await?.owner().is_some() {
        request.end_other_sessions().await?;
    }
    Ok(redirect("/wizard/sessions"))
}
