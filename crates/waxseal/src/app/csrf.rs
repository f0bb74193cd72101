//! The switch for tokens in forms.

use super::App;

impl App {
    /// Requires a token of the visitor's session in every unsafe request: all but GET, HEAD and OPTIONS.
    ///
    /// It is checked before hooks and handlers run. The check of `Sec-Fetch-Site` and `Origin` is always on; the token adds
    /// protection for browsers that send neither, and for sites whose own pages are not all trusted alike.
    ///
    /// In templates, `{{ csrf_field() }}` is a hidden field, to be put *first* into each form, and `{{ csrf_token() }}` the
    /// token itself. It is taken from
    ///
    /// | body | place |
    /// |---|---|
    /// | `application/x-www-form-urlencoded` | the field `csrf_token`, anywhere, once |
    /// | `multipart/form-data` | the field `csrf_token`, before all others and within 32 KiB: files behind it are not read for this |
    /// | any, JSON too | the header `X-CSRF-Token`, once; if it is there, fields do not count |
    ///
    /// What a handler reads of the body is the same as without. A token that is missing, repeated or wrong is answered 403
    /// by the app's page for errors. Tokens are worth nothing after the [sign-in](crate::Request::sign_in) or
    /// [renewal](crate::Session::renew) of their session: a form that was open in another tab is answered 403 once, and good
    /// again when its page is reloaded.
    ///
    /// A visitor gets a session with the first form that is shown, and none before.
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
