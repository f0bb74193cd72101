//! hyper alone, with a constant page: the limit.

use bytes::Bytes;
use peers::{Error, Page, run, serve_hyper};

fn main() -> Result<(), Error> {
    let page = Bytes::from(Page::new().render(Some("Merlin"), Some("Hogwarts")));
    run(serve_hyper(move || page.clone()))
}
