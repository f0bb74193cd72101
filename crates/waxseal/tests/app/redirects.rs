//! Redirects that visitors' text ends up in.

use crate::support::client_of;
use waxseal::{App, Request, Response, Result, StatusCode, redirect, redirect_as, redirect_to};

async fn sign_in(request: Request) -> Result<Response> {
    Ok(redirect(&request.next_path("next").unwrap_or("/".to_owned())))
}

#[tokio::test]
async fn next_leads_to_a_page_of_this_app_or_nowhere() {
    let client = client_of(App::new("demo").post("/sign-in", sign_in));
    for (next, expected) in [
        ("?next=/wizards/Tom%2520Riddle?tab=1%23pets", "/wizards/Tom%20Riddle?tab=1#pets"),
        ("?next=/%C3%A9", "/%C3%A9"),
        ("", "/"),
        ("?next=", "/"),
        ("?next=wizards", "/"),
        ("?next=//evil.example", "/"),
        ("?next=/%5Cevil.example", "/"),
        ("?next=%09//evil.example", "/"),
        ("?next=https://evil.example", "/"),
        ("?next=javascript:alert(1)", "/"),
        ("?next=/%0D%0ASet-Cookie:%20a=b", "/%0D%0ASet-Cookie:%20a=b"),
        ("?next=%zz", "/"),
    ] {
        let answer = client.post_form(&format!("/sign-in{next}"), &[]).await;
        assert_eq!((answer.status().as_u16(), answer.location()), (303, Some(expected)), "{next}");
        assert_eq!(answer.headers().len(), 6, "{next}: Location, the four for security, and the id");
    }
}

#[tokio::test]
async fn another_site_is_reached_by_name_alone() {
    let app = App::new("demo")
        .get("/old", async |_| Ok(redirect_as(StatusCode::MOVED_PERMANENTLY, "/new")))
        .get("/away", async |_| Ok(redirect_to("https://www.rust-lang.org/learn")))
        .get("/wrong", async |_| Ok(redirect("https://www.rust-lang.org/learn")));
    let client = client_of(app);
    for (path, status, location) in [
        ("/old", 301, Some("/new")),
        ("/away", 303, Some("https://www.rust-lang.org/learn")),
        ("/wrong", 500, None),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.location()), (status, location), "{path}");
    }
}
