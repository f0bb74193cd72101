use waxseal::StartError;

fn main() -> Result<(), StartError> {
    NEW_CRATE::app().run()
}
