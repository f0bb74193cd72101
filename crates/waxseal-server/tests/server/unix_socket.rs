//! A Unix socket: its file, its permissions, its end.
#![cfg(unix)]

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use rustix::fs::{FlockOperation, flock};
use tokio::net::{UnixSocket, UnixStream};
use tokio::sync::oneshot;
use waxseal_server::{Body, Peer, SetupError};

use super::support::*;

async fn ask(path: &Path, request: &str) -> String {
    let mut client = UnixStream::connect(path).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, client.read_to_string(&mut answer)).await.expect("in time").unwrap();
    answer
}

#[tokio::test]
async fn a_socket_is_served_with_its_permissions_and_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = HttpServer::bind_unix(&path, 0o600).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.local_addr().is_err());
    let (stop, stopped) = oneshot::channel::<()>();
    let make = |peer: Peer| {
        service_fn(move |request: Request<Incoming>| async move {
            if request.uri().path() == "/slow" {
                tokio::time::sleep(2 * SHORT).await;
            }
            Ok::<_, Infallible>(Response::new(Body::from(peer.to_string())))
        })
    };
    let serving = tokio::spawn(server.serve_each(make, async { drop(stopped.await) }));
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(ask(&path, request).await.ends_with("\r\n\r\nunix"));

    let in_use = HttpServer::bind_unix(&path, 0o600).await.unwrap_err();
    assert!(matches!(&in_use, SetupError::PathInUse { path: found } if *found == path), "{in_use}");
    assert!(ask(&path, request).await.ends_with("\r\n\r\nunix"), "it is there still");

    let slow = request.replace("GET /", "GET /slow");
    let (slow, ()) = tokio::join!(ask(&path, &slow), async {
        tokio::time::sleep(SHORT).await;
        stop.send(()).unwrap();
    });
    assert!(slow.ends_with("\r\n\r\nunix"), "{slow}");
    tokio::time::timeout(PATIENCE, serving).await.expect("in time").unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn what_an_ended_program_left_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    // The standard library leaves the file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(HttpServer::bind_unix(&path, 0o660).await.unwrap());
    assert!(!path.exists(), "removed with its server");

    std::fs::write(&path, "precious").unwrap();
    let error = HttpServer::bind_unix(&path, 0o660).await.unwrap_err();
    assert!(matches!(error, SetupError::PathTaken { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");

    let nowhere = folder.path().join("missing/app.sock");
    let error = HttpServer::bind_unix(&nowhere, 0o660).await.unwrap_err();
    assert!(matches!(error, SetupError::Path { .. }), "{error}");
}

/// Until it listens, a socket refuses connections as one does whose program has ended.
#[tokio::test(start_paused = true)]
async fn a_socket_that_is_just_being_made_is_not_taken_for_one_that_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let starting = File::open(folder.path()).unwrap();
    flock(&starting, FlockOperation::LockExclusive).unwrap();
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();

    let mut second = std::pin::pin!(HttpServer::bind_unix(&path, 0o600));
    assert!(tokio::time::timeout(SHORT, &mut second).await.is_err(), "it waits for its turn");
    let _listener = socket.listen(1).unwrap();
    drop(starting);
    let in_use = second.await.unwrap_err();
    assert!(matches!(in_use, SetupError::PathInUse { .. }), "{in_use}");
    assert!(UnixStream::connect(&path).await.is_ok(), "the first is there still");
}

#[tokio::test]
async fn a_folder_that_somebody_keeps_locked_keeps_no_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let locked = File::open(folder.path()).unwrap();
    flock(&locked, FlockOperation::LockExclusive).unwrap();
    tokio::time::timeout(PATIENCE, HttpServer::bind_unix(&path, 0o600)).await.expect("in time").unwrap();
}

#[tokio::test]
async fn a_server_removes_its_own_socket_and_not_that_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let first = HttpServer::bind_unix(&path, 0o600).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = HttpServer::bind_unix(&path, 0o600).await.unwrap();
    drop(first);
    assert!(UnixStream::connect(&path).await.is_ok(), "the second's");
    drop(second);
    assert!(!path.exists());
}
