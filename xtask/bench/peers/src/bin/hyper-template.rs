//! hyper alone, with the page rendered from constants.

use std::sync::Arc;

use peers::{Error, Page, run, serve_hyper};

fn main() -> Result<(), Error> {
    let page = Arc::new(Page::new());
    run(serve_hyper(move || page.render(Some("Merlin"), Some("Hogwarts")).into()))
}
