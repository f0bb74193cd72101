//! What is wrong with a server, a database or a URL is told at start, with what to change, and without the password.
#![cfg(unix)]

mod support;

use std::error::Error;

use store_tests::free_port;
use store_tests::postgres::{Bouncer, Cluster, PASSWORD};
use store_tests::records::{NOW, load, new_key, record};
use support::{new_schema, patient};
use waxseal_postgres::{Pooler, PostgresError, PostgresOptions, PostgresStore, SynchronousCommit};
use waxseal_store::{Creation, Found, Record, SessionStore, Timestamp};

/// What opening says, with the port, which differs from run to run, taken out; and that no part of it, its causes
/// and their `Debug` included, says the password.
async fn refused(options: PostgresOptions, port: u16) -> String {
    let debug = format!("{options:?}");
    let error = options.open().await.unwrap_err();
    let mut said = vec![debug, format!("{error:?}"), error.to_string()];
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(source) = cause {
        said.extend([format!("{source:?}"), source.to_string()]);
        cause = source.source();
    }
    for text in said {
        for secret in [PASSWORD, "fawkes", "wrong-horse"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    error.to_string().replace(&port.to_string(), "PORT")
}

fn options(url: &str) -> PostgresOptions {
    PostgresStore::options(url).schema(new_schema()).network(patient())
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_told() {
    let cluster = Cluster::fast();
    let port = cluster.port;
    let nobody = free_port();
    let error = refused(options(&cluster.url_at(nobody, "postgres")), nobody).await;
    insta::assert_snapshot!(error, @"no connection to PostgreSQL at 127.0.0.1:PORT; check host and port in the URL, and that it runs and listens there");
    let error = refused(options("postgres://waxseal:fawkes@no-such-host.invalid/db"), 1).await;
    insta::assert_snapshot!(error, @"no connection to PostgreSQL at no-such-host.invalid:5432; check host and port in the URL, and that it runs and listens there");
    let error =
        refused(options(&format!("postgres://waxseal:wrong-horse@127.0.0.1:{port}/postgres")), port).await;
    insta::assert_snapshot!(error, @r#"PostgreSQL at 127.0.0.1:PORT refused the user: password authentication failed for user "waxseal"; check user and password in the URL, and its pg_hba.conf"#);
    let error = refused(options(&format!("postgres://waxseal@127.0.0.1:{port}/postgres")), port).await;
    insta::assert_snapshot!(error, @"PostgreSQL at 127.0.0.1:PORT refused the user: password missing; check user and password in the URL, and its pg_hba.conf");
    let error = refused(options(&cluster.url("nothing")), port).await;
    insta::assert_snapshot!(error, @r#"PostgreSQL at 127.0.0.1:PORT has no such database: database "nothing" does not exist; create it or correct the URL"#);
    let url = cluster.url("postgres").replace("sslmode=disable", "sslmode=require");
    let error = refused(options(&url), port).await;
    insta::assert_snapshot!(error, @"no TLS connection to PostgreSQL at 127.0.0.1:PORT; check sslmode in the URL, and that its certificate is for that name and signed by a root this machine, or the file given as root_certificates, knows");
    let error = refused(options(&url).root_certificates("no/such/file.pem"), port).await;
    insta::assert_snapshot!(error, @"root certificates for TLS to PostgreSQL could not be read from no/such/file.pem");
    // What listens there is another kind of server, which says nothing at all.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let error = refused(PostgresStore::options(&cluster.url_at(silent_port, "postgres")), silent_port).await;
    insta::assert_snapshot!(error, @"nothing answered at 127.0.0.1:PORT within 1s; check host and port in the URL, and that PostgreSQL listens there");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused_and_the_one_that_does_is_found() {
    let read_only = Cluster::start(&["default_transaction_read_only=on"]);
    let error = refused(support::options(&read_only), read_only.port).await;
    insta::assert_snapshot!(error, @"PostgreSQL at 127.0.0.1:PORT takes no writes: it is a standby, in recovery, or set read-only; name the primary in the URL, or all servers as host1:5432,host2:5432");
    let primary = Cluster::fast();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", read_only.port, primary.port);
    let url = primary.url("postgres").replace(&format!("127.0.0.1:{}", primary.port), &hosts);
    let store = options(&url).open().await.unwrap();
    store.ready().await.unwrap();
}

#[tokio::test]
async fn a_standby_is_refused() {
    let mut cluster = Cluster::fast();
    cluster.stop();
    cluster.make_a_standby();
    cluster.run();
    let error = refused(support::options(&cluster), cluster.port).await;
    assert!(error.contains("takes no writes: it is a standby"), "{error}");
}

#[tokio::test]
async fn tls_is_used_and_certificates_are_checked() {
    let mut cluster = Cluster::fast();
    cluster.stop();
    let Some(root) = cluster.turn_tls_on("localhost") else { return };
    cluster.run();
    let port = cluster.port;
    let url = cluster.url("postgres").replace("sslmode=disable", "sslmode=verify-full");
    let named = url.replace("127.0.0.1", "localhost");
    let store = options(&named).root_certificates(&root).open().await.unwrap();
    store.ready().await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                     WHERE s.ssl AND a.application_name = 'waxseal'";
    assert_ne!(cluster.sql(encrypted).await, ["0"]);

    let advice = "no TLS connection to PostgreSQL at";
    let error = refused(options(&named), port).await;
    assert!(error.starts_with(advice), "signed by nobody that the system knows: {error}");
    let error = refused(options(&url).root_certificates(&root), port).await;
    assert!(error.starts_with(advice), "for another name: {error}");
    let preferred = named.replace("sslmode=verify-full", "sslmode=prefer");
    let error = refused(options(&preferred), port).await;
    assert!(error.starts_with(advice), "one that is wrong is not done without: {error}");
}

#[tokio::test]
async fn a_schema_is_made_used_again_and_refused_if_it_is_newer_or_anothers() {
    let cluster = Cluster::fast();
    let schema = new_schema();
    let options = support::options(&cluster).schema(&schema);
    let error = refused(options.clone().migrate(false), cluster.port).await;
    insta::assert_snapshot!(error.replace(&schema, "SCHEMA"), @"the schema SCHEMA is at version 0, and this release needs 2; set migrate to true, or run the script that `waxseal schema` prints");

    let record = Record { owner: Some("albus".to_owned()), ..record(b"x") };
    let (key, store) = (new_key(), options.clone().open().await.unwrap());
    assert_eq!(store.create(&key, &record, NOW).await.unwrap(), Creation::Created);
    let again = options.clone().migrate(false).open().await.unwrap();
    assert_eq!(load(&again, &key).await, Some(record));

    cluster.sql(&format!("INSERT INTO {schema}.version VALUES (7)")).await;
    let error = refused(options.clone(), cluster.port).await;
    insta::assert_snapshot!(error.replace(&schema, "SCHEMA"), @"the schema SCHEMA is at version 7, and this release knows up to 2; run the newer release");

    let other = new_schema();
    cluster.sql(&format!("CREATE SCHEMA {other}; CREATE TABLE {other}.sessions (x int)")).await;
    let error = refused(options.schema(&other), cluster.port).await;
    insta::assert_snapshot!(error.replace(&other, "SCHEMA"), @"the schema SCHEMA holds another program's tables; give the sessions one of their own with schema");
}

#[tokio::test]
async fn tables_that_must_not_be_changed_are_left_as_they_are() {
    let cluster = Cluster::fast();
    let schema = new_schema();
    let options = support::options(&cluster).schema(&schema);
    let existing = || options.clone().migrate(true).existing();
    let error = refused(existing(), cluster.port).await;
    insta::assert_snapshot!(error.replace(&schema, "SCHEMA"), @"the schema SCHEMA is at version 0, and this program needs 2 and changes none; is it the app's database and schema, and this program of the app's release?");
    let made = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'");
    assert_eq!(cluster.sql(&made).await, ["0"]);

    options.clone().open().await.unwrap();
    existing().open().await.unwrap();
    let version = format!("SELECT string_agg(version::text, ' ') FROM {schema}.version");
    cluster.sql(&format!("DELETE FROM {schema}.version WHERE version = 2")).await;
    let error = refused(existing(), cluster.port).await;
    assert!(error.contains("is at version 1, and this program needs 2"), "{error}");
    assert_eq!(cluster.sql(&version).await, ["1"]);
}

#[tokio::test]
async fn an_older_schema_is_migrated_by_the_steps_it_lacks_and_keeps_its_rows() {
    let cluster = Cluster::fast();
    let schema = new_schema();
    let options = support::options(&cluster).schema(&schema);
    let (key, store) = (new_key(), options.clone().open().await.unwrap());
    _ = store.create(&key, &record(b"x"), NOW).await.unwrap();
    // A later release's script, which differs in one more step.
    let step = format!(
        "IF coalesce((SELECT max(version) FROM {schema}.version), 0) < 3 THEN \
         ALTER TABLE {schema}.sessions ADD COLUMN later bigint NOT NULL DEFAULT 7; \
         INSERT INTO {schema}.version VALUES (3); END IF; END $$;\nCOMMIT;"
    );
    let script = options.migration(None).unwrap().replace("END $$;\nCOMMIT;", &step);
    for _ in 0..2 {
        cluster.sql(&script).await;
    }
    assert_eq!(
        cluster.sql(&format!("SELECT version FROM {schema}.version ORDER BY 1")).await,
        ["1", "2", "3"]
    );
    assert_eq!(cluster.sql(&format!("SELECT later FROM {schema}.sessions")).await, ["7"]);
    // Servers of the older release that are still running work on while the newer one's are started.
    assert!(load(&store, &key).await.is_some() && store.touch(&key, NOW, NOW).await.unwrap());
}

#[tokio::test]
async fn a_schema_of_the_first_version_keeps_its_sessions_and_old_ids_for_a_minute() {
    let cluster = Cluster::fast();
    let schema = new_schema();
    let options = support::options(&cluster).schema(&schema);
    let script = options.migration(None).unwrap();
    let second = script.find(&format!("    IF coalesce((SELECT max(version) FROM {schema}.version), 0) < 2"));
    cluster.sql(&format!("{}END $$;\nCOMMIT;", &script[..second.expect("there is a second step")])).await;
    let traces = [(new_key(), "61000, NULL, NULL, NULL"), (new_key(), "3601000, 7, '\\x01', '\\x02'")];
    for (key, rest) in &traces {
        let hash: String = key.hash().iter().map(|byte| format!("{byte:02x}")).collect();
        cluster.sql(&format!("INSERT INTO {schema}.traces VALUES ('\\x{hash}', 1000, {rest})")).await;
    }
    let columns = "(family, expires, absolute_end, created, last_seen, generation, kid, hash, revision, device, sealed)";
    let row = "(7, 9, 9, 1, 1, 0, 0, '\\x01', '\\x02', '', '')";
    cluster.sql(&format!("INSERT INTO {schema}.sessions {columns} VALUES {row}")).await;

    let store = options.open().await.unwrap();
    for (key, _) in &traces {
        let last = Timestamp::from_millis(60_999);
        assert_eq!(store.load(key, last).await.unwrap(), Some(Found::Renewed));
        assert_eq!(store.load(key, Timestamp::from_millis(61_000)).await.unwrap(), None);
    }
    assert_eq!(cluster.sql(&format!("SELECT public_id FROM {schema}.sessions")).await, ["7"]);
}

#[tokio::test]
async fn an_administrators_script_and_grants_are_enough_for_a_user_who_may_nothing_else() {
    let cluster = Cluster::fast();
    let (schema, port) = (new_schema(), cluster.port);
    cluster.sql("CREATE ROLE shop LOGIN PASSWORD 'wrong-horse'").await;
    let shop = format!("postgres://shop:wrong-horse@127.0.0.1:{port}/postgres?sslmode=disable");
    let options = options(&shop).schema(&schema);
    let error = refused(options.clone(), port).await;
    insta::assert_snapshot!(error, @"permission denied for database postgres; grant it, or have an administrator run the script that `waxseal schema` prints, and set migrate to false");

    cluster.sql(&options.migration(None).unwrap()).await;
    let error = refused(options.clone().migrate(false), port).await;
    insta::assert_snapshot!(error.replace(&schema, "SCHEMA"), @"permission denied for schema SCHEMA; grant it, or have an administrator run the script that `waxseal schema` prints, and set migrate to false");

    // Twice: it does no harm.
    for _ in 0..2 {
        cluster.sql(&options.migration(Some("shop")).unwrap()).await;
    }
    cluster.sql(&format!("REVOKE DELETE ON {schema}.tombstones FROM shop")).await;
    let error = refused(options.clone().migrate(false), port).await;
    insta::assert_snapshot!(error.replace(&schema, "SCHEMA"), @"this user lacks DELETE on SCHEMA.tombstones; grant it, or have an administrator run the script that `waxseal schema` prints, and set migrate to false");

    cluster.sql(&options.migration(Some("shop")).unwrap()).await;
    // Also with leave to migrate: there is nothing to do.
    for migrate in [false, true] {
        let store = options.clone().migrate(migrate).open().await.unwrap();
        let key = new_key();
        _ = store.create(&key, &record(b"x"), NOW).await.unwrap();
        assert!(store.delete(&key, NOW).await.unwrap());
        store.purge(NOW, 10).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_stores_may_make_one_schema_at_once() {
    let cluster = Cluster::fast();
    let options = support::options(&cluster);
    let opened: Vec<_> = (0..20).map(|_| tokio::spawn(options.clone().open())).collect();
    for store in opened {
        let store = store.await.unwrap().unwrap();
        _ = store.create(&new_key(), &record(b"x"), NOW).await.unwrap();
    }
}

#[tokio::test]
async fn what_synchronous_commit_promises_is_said_and_can_be_chosen() {
    let cluster = Cluster::start(&["synchronous_commit=on"]);
    let promise =
        async |options: PostgresOptions| options.open().await.map(|store| store.promise().to_string());
    let options = support::options(&cluster);
    insta::assert_snapshot!(promise(options.clone()).await.unwrap(), @"synchronous_commit=on: an acknowledged write outlives a crash of the server; a failover to a standby may lose the last ones");
    let off = options.clone().synchronous_commit(SynchronousCommit::Off);
    insta::assert_snapshot!(promise(off.clone()).await.unwrap(), @"synchronous_commit=off: a crash of the server may lose acknowledged writes of its last second; a failover to a standby may lose the last ones");
    let error = promise(off.pooler(Pooler::Transaction)).await.unwrap_err();
    insta::assert_snapshot!(error, @"synchronous_commit is on and off was asked for; behind a pooler set it for the role: ALTER ROLE … SET synchronous_commit = off");
}

#[tokio::test]
async fn prepared_statements_behind_an_old_pooler_are_told_what_to_set() {
    let cluster = Cluster::fast();
    let Some(bouncer) = Bouncer::start(&cluster) else { return };
    let options = options(&cluster.url_at(bouncer.port, "postgres"));
    let once = patient().retries(0).connections(1);
    let store = options.network(once).pooler(Pooler::PreparingTransaction).open().await.unwrap();
    store.load(&new_key(), NOW).await.unwrap();
    // The pooler's only connection so far, on which the statement was prepared, is taken; the next is another.
    let url = cluster.url_at(bouncer.port, "postgres");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN").await.unwrap();
    let error = store.load(&new_key(), NOW).await.unwrap_err();
    assert!(matches!(error, PostgresError::Prepared(_)), "{error}");
    assert!(error.to_string().ends_with("behind a pooler in transaction mode set pooler"), "{error}");
}

#[tokio::test]
async fn most_updates_and_touches_touch_no_index() {
    let cluster = Cluster::fast();
    let schema = new_schema();
    let store = support::options(&cluster).schema(&schema).open().await.unwrap();
    let mut records = Vec::new();
    for _ in 0..20 {
        let (key, record) = (new_key(), Record { owner: Some("albus".to_owned()), ..record(&[7; 512]) });
        _ = store.create(&key, &record, NOW).await.unwrap();
        records.push((key, record));
    }
    for _ in 0..10 {
        for (key, record) in &mut records {
            let after = Record { revision: record.revision.next().unwrap(), ..record.clone() };
            _ = store.update(key, &record.revision, &after, NOW).await.unwrap();
            assert!(store.touch(key, NOW, NOW).await.unwrap());
            *record = after;
        }
    }
    // What a session did is told when it ends.
    drop(store);
    let counts = format!(
        "SELECT n_tup_hot_upd * 100 / n_tup_upd FROM pg_stat_all_tables WHERE schemaname = '{schema}' AND relname = 'sessions' AND n_tup_upd = 400"
    );
    for _ in 0..200 {
        if let [percent] = &cluster.sql(&counts).await[..] {
            assert!(percent.parse::<u32>().unwrap() > 80, "{percent} %");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the updates were not counted");
}
