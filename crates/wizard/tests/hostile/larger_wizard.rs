//! The wizard with two more pages, as a separate process: this test program itself.

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use waxseal::{Request, Response, Result, Settings, html};

use crate::crowd::{FILLER, PAGE_BYTES};
use crate::program::{Program, folder, secret};

/// The environment variable that tells the child process to serve.
const SERVE: &str = "SERVE_LARGER_WIZARD";
/// What the process says at its end, after the number.
const TAKEN: &str = " slow requests were taken";

/// The slow requests that reached their handler.
static SLOW: AtomicUsize = AtomicUsize::new(0);

/// Runs the server in the child process. Does nothing in any other process.
#[test]
#[expect(clippy::print_stderr, reason = "the test reads it")]
fn serve() {
    if env::var_os(SERVE).is_none() {
        return;
    }
    let app = wizard::app().get("/page", page).get("/slow/{milliseconds}", slow);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(app.run_with(Settings::from_environment().unwrap())).unwrap();
    eprintln!("{}{TAKEN}", SLOW.load(Ordering::Relaxed));
}

/// A page that is made for each request, as a template's is, and so is in memory until it is sent.
async fn page(_: Request) -> Result<Response> {
    Ok(html(vec![FILLER; PAGE_BYTES]))
}

async fn slow(request: Request) -> Result<Response> {
    SLOW.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(request.param_as("milliseconds")?)).await;
    Ok(html("done"))
}

/// Starts the server with settings written as flags, `--name=value`, and waits until it has logged its address.
pub(crate) fn start(flags: &[&str]) -> Program {
    let settings = flags.iter().map(|flag| {
        let (name, value) = flag.trim_start_matches("--").split_once('=').expect("a value");
        (format!("WAXSEAL_{}", name.to_uppercase().replace('-', "_")), value)
    });
    let settings: Vec<_> = settings.collect();
    let secret = secret();
    let mut variables = vec![("SECRET_KEY", &*secret), (SERVE, "yes")];
    variables.extend(settings.iter().map(|(name, value)| (&**name, *value)));
    let this = env::current_exe().unwrap();
    // The wizard's own path follows. To the test program it is the name of one more test, which there is not.
    let under = [this.to_str().unwrap(), "--nocapture", "--exact", "larger_wizard::serve"];
    let mut program = Program::spawn_under(&under, folder(), &variables, &[]);
    program.hear_address();
    program
}

/// The number of slow requests that reached their handler, by the output of a server that has ended.
pub(crate) fn taken(said: &str) -> usize {
    let number = said.lines().find_map(|line| line.strip_suffix(TAKEN));
    number.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
}
