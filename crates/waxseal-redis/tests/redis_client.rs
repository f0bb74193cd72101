//! A store by the app's own client, beside the app's own keys.

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, IntoConnectionInfo, ProtocolVersion};
use store_tests::records::{NOW, load, new_key, record};
use store_tests::redis::{Cluster, Server, wait_for};
use store_tests::{patient, run};
use waxseal_redis::{RedisDurability, RedisError, RedisStore};
use waxseal_store::{Creation, SessionStore};

const PASSWORD: &str = "p@ss/word";

/// The client of an app that has database 3 of the server.
fn client(server: &Server, protocol: ProtocolVersion, password: Option<&str>) -> Client {
    let info = ("127.0.0.1", server.port).into_connection_info().unwrap();
    let mut settings = info.redis_settings().clone().set_db(3).set_protocol(protocol);
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    Client::open(info.set_redis_settings(settings)).unwrap()
}

/// A connection of the app, without the timeouts of the client.
async fn connect(client: &Client) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

#[test]
fn sessions_lie_in_the_clients_database_beside_the_apps_keys() {
    let server = Server::start(&["--requirepass", PASSWORD]);
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let client = client(&server, protocol, Some(PASSWORD));
        run(async {
            let prefix = format!("{protocol:?}:");
            let store = RedisStore::from_client(client.clone())
                .network(patient())
                .prefix(&prefix)
                .open()
                .await
                .unwrap();
            let (key, record) = (new_key(), record(b"sealed"));
            assert_eq!(store.create(&key, &record, NOW).await.unwrap(), Creation::Created);
            assert_eq!(load(&store, &key).await, Some(record));
            store.ready().await.unwrap();

            let mut app = connect(&client).await;
            let _: () = app.set("spell", "lumos").await.unwrap();
            let keys: Vec<String> = app.keys(format!("{prefix}*")).await.unwrap();
            assert!(keys.iter().any(|name| name.contains(&key.public_id().to_string())), "{keys:?}");
        });
    }
}

#[test]
fn a_client_is_checked_as_a_url_is() {
    let server = Server::start(&["--requirepass", PASSWORD]);
    let refused = |client| run(RedisStore::from_client(client).network(patient()).open()).unwrap_err();
    let error = refused(Client::open(server.url()).unwrap());
    assert!(matches!(error, RedisError::Password { given: false, .. }), "{error:?}");
    let error = refused(client(&server, ProtocolVersion::RESP2, Some("wrong-horse")));
    assert!(matches!(error, RedisError::Password { given: true, .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("horse"), "{error:?}");

    let cluster = Cluster::start(&[]);
    let error = refused(Client::open(cluster.servers[0].url()).unwrap());
    assert!(matches!(error, RedisError::Cluster(_)), "{error:?}");
}

#[test]
fn a_write_that_waits_for_replicas_keeps_nobody_of_the_app_waiting() {
    let server = Server::start(&[]);
    let timeout = std::time::Duration::from_secs(8);
    let client = Client::open(server.url()).unwrap();
    let options = RedisStore::from_client(client.clone()).network(patient());
    run(async {
        let store = options.durability(RedisDurability::Replicas { count: 1, timeout }).open().await.unwrap();
        let mut app = connect(&client).await;
        let waits = tokio::spawn(async move { store.create(&new_key(), &record(b"x"), NOW).await });
        tokio::task::block_in_place(|| {
            wait_for("the write to wait", || {
                server.ask::<String>(redis::cmd("INFO").arg("clients")).contains("blocked_clients:1")
            });
        });
        let _: String = redis::cmd("PING").query_async(&mut app).await.unwrap();
        assert!(!waits.is_finished(), "the app waited with it");
        assert!(matches!(waits.await.unwrap(), Err(RedisError::Unconfirmed { confirmed: 0, wanted: 1, .. })));
    });
}

#[test]
fn a_url_leads_to_a_unix_socket_with_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let server = Server::start(&["--unixsocket", path.to_str().unwrap(), "--requirepass", PASSWORD]);
    let password = PASSWORD.replace('@', "%40").replace('/', "%2F");
    let url = format!(
        "redis+unix://:{password}@{}?db=3&prefix=shop:&command_timeout=30s&connect_timeout=30s",
        path.display()
    );
    run(async {
        let store = RedisStore::open(&url).await.unwrap();
        let (key, record) = (new_key(), record(b"sealed"));
        assert_eq!(store.create(&key, &record, NOW).await.unwrap(), Creation::Created);
        assert_eq!(load(&store, &key).await, Some(record));
        let app = client(&server, ProtocolVersion::RESP2, Some(PASSWORD));
        let mut app = connect(&app).await;
        let keys: Vec<String> = app.keys("*").await.unwrap();
        assert!(!keys.is_empty() && keys.iter().all(|name| name.starts_with("shop:")), "{keys:?}");
    });
    let missing = format!("redis+unix://{}", folder.path().join("none").display());
    let error = run(RedisStore::open(&missing)).unwrap_err();
    assert!(error.to_string().contains("none"), "{error}");
}
