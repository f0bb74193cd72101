use waxseal::testing::Client;

#[tokio::test]
async fn a_name_is_remembered_until_it_is_forgotten() {
    let client = Client::new(NEW_CRATE::app()).unwrap().follow_redirects();
    assert!(client.get("/").await.text().contains("Hello, stranger!"));

    let token = client.csrf_token().await;
    let page = client.post_form("/name", &[("csrf_token", &token), ("name", "<Merlin>")]).await.text();
    assert!(page.contains("Hello, &lt;Merlin&gt;!"), "{page}");
    assert!(page.contains("I shall remember &lt;Merlin&gt;."), "{page}");

    let page = client.post_form("/forget", &[]).await.text();
    assert!(page.contains("Hello, stranger!"), "{page}");
}

#[tokio::test]
async fn an_empty_name_is_refused() {
    let client = Client::new(NEW_CRATE::app()).unwrap().follow_redirects();
    let token = client.csrf_token().await;
    let page = client.post_form("/name", &[("csrf_token", &token), ("name", " ")]).await.text();
    assert!(page.contains("Please write a name."), "{page}");
}

#[tokio::test]
async fn a_form_without_its_token_is_refused() {
    let client = Client::new(NEW_CRATE::app()).unwrap();
    assert_eq!(client.post_form("/name", &[("name", "Merlin")]).await.status(), 403);
}
