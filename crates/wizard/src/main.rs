//! Serves the wizard: `cargo xtask run`, or `wizard --help`.

fn main() -> Result<(), waxseal::StartError> {
    wizard::app().run()
}
