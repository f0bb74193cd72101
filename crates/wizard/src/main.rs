//! Serves the wizard: `cargo xtask run`, or `wizard --help`.

fn main() -> anyhow::Result<()> {
    Ok(wizard::app().run()?)
}
