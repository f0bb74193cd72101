//! The switch that requires CSRF tokens.

use super::App;

impl App {
    /// Requires a CSRF token of the visitor's session in every unsafe request, that is, with any method but GET, HEAD
    /// and OPTIONS.
    ///
    /// The token is checked before hooks and handlers run. The check of `Sec-Fetch-Site` and `Origin` is always on; the
    /// token adds protection for browsers that send neither, and for sites whose own pages are not all trusted alike.
    ///
    /// In templates, `{{ csrf_field() }}` is a hidden field, which must come *first* in each form. `{{ csrf_token() }}`
    /// is the token alone. The token is read from
    ///
    /// | body | place |
    /// |---|---|
    /// | `application/x-www-form-urlencoded` | the field `csrf_token`, anywhere, once |
    /// | `multipart/form-data` | the field `csrf_token`, before all others and within 32 KiB, so that no file is read for the check |
    /// | any, JSON too | the header `X-CSRF-Token`, once; if it is sent, fields are ignored |
    ///
    /// The check does not change what a handler reads of the body. If the token is missing, repeated or wrong, the
    /// answer is the app's error page with status 403. Tokens become invalid with the
    /// [sign-in](crate::Request::sign_in) or [renewal](crate::Session::renew) of their session: a form that was open in
    /// another tab is then answered 403, and works again after its page is reloaded.
    ///
    /// A visitor gets a session with the first form that is shown, not before.
    ///
    /// The check needs the session, so while the store does not answer, the answer is 503. Exempt the route that
    /// [signs out](crate::Request::sign_out) with [`without_csrf_token`](crate::Route::without_csrf_token): then visitors can leave
    /// during an outage, too. The check of `Sec-Fetch-Site` and `Origin` stays, and a forged sign-out gains nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Method, Request, Response, Result, Route, redirect};
    ///
    /// async fn order(_: Request) -> Result<Response> {
    ///     Ok(redirect("/"))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let app = App::new("demo")
    ///     .csrf_tokens()
    ///     .post("/order", order)
    ///     .route(Route::post("/api/order", order).without_csrf_token());
    /// let client = Client::new(app)?;
    /// assert_eq!(client.post_form("/order", &[]).await.status(), 403);
    /// let token = client.csrf_token().await;
    /// assert_eq!(client.post_form("/order", &[("csrf_token", &token)]).await.status(), 303);
    /// assert_eq!(client.post_form("/api/order", &[]).await.status(), 303);
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn csrf_tokens(mut self) -> Self {
        self.csrf_tokens = true;
        self
    }
}
