//! The app that `cargo xtask bench` measures, written as any user would write it, in a workspace that is not Waxseal's.
//!
//! ```text
//! SECRET_KEY=$(cargo xtask gen-secret) cargo run --release --manifest-path xtask/bench/ours/Cargo.toml
//! ```

use clap::Parser;
use tokio::runtime::Builder;
use waxseal::{
    App, Request, Response, Result, Secrets, SecurityHeaders, SessionState, Settings, StoreUrl, context,
    folder, redirect, typed,
};

/// Serves the benchmark's pages over plain HTTP on this machine, set up as for production.
#[derive(Parser)]
struct Options {
    /// The port to listen on; 0 for any that is free
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// Where sessions live
    #[arg(long, value_enum, default_value_t)]
    state: SessionState,
    /// Where states store and mirrored keep them: memory: or sqlite:PATH
    #[arg(long)]
    store: Option<StoreUrl>,
    /// Sends the headers that a browser's protection wants, as an app does unless told otherwise; the servers that this
    /// one is compared with send none
    #[arg(long)]
    security_headers: bool,
    /// Threads that answer; one needs no thread beside the main one
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let Options { port, state, store, security_headers, workers } = Options::parse();
    let settings = Settings { port, session_state: state, session_store: store, ..Settings::default() };
    let secrets = Secrets::from_env(&settings, "bench")?;
    let runtime = match workers {
        0 | 1 => Builder::new_current_thread().enable_all().build()?,
        _ => Builder::new_multi_thread().worker_threads(workers).enable_all().build()?,
    };
    runtime.block_on(async {
        let app = if security_headers { app() } else { app().security_headers(SecurityHeaders::none()) };
        let server = app.bind(&settings, &secrets).await?;
        Ok(server.serve(std::future::pending()).await?)
    })
}

fn app() -> App {
    App::new("bench")
        .templates(folder!("$CARGO_MANIFEST_DIR/../../../crates/waxseal/examples/templates"))
        .get("/plain", plain)
        .post("/wizard/create", create_wizard)
        .get("/wizard/success", success)
}

async fn plain(_: Request) -> Result<Response> {
    Ok(typed("text/plain; charset=utf-8", "hello"))
}

async fn create_wizard(request: Request) -> Result<Response> {
    let fields: Vec<(String, String)> = request.form().await?;
    request.session().await?.extend(fields)?;
    Ok(redirect("/wizard/success"))
}

async fn success(request: Request) -> Result<Response> {
    request.render("success.html", context! {}).await
}
