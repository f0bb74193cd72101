//! The test that the tutorial shows.

use std::time::Duration;

use waxseal::testing::Client;

#[tokio::test]
async fn a_wizard_is_remembered_for_half_an_hour() -> Result<(), waxseal::StartError> {
    let client = Client::new(wizard::app())?;

    let answer = client.post_form("/wizard/create", &[("name", "Merlin"), ("magic_school", "Camelot")]).await;
    assert_eq!((answer.status().as_u16(), answer.location()), (303, Some("/wizard/success")));
    assert!(client.get("/wizard/success").await.text().contains("Merlin"));

    assert_eq!(client.session().await.get::<String>("name").unwrap().as_deref(), Some("Merlin"));
    let cookie = client.cookie("__Host-session").expect("the session's cookie");
    assert!(!cookie.contains("Merlin"));

    client.advance(Duration::from_secs(30 * 60));
    assert!(client.get("/wizard/success").await.text().contains("We have not met yet"));
    Ok(())
}
