//! A proxy between the store and the server that does what networks do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The trouble that connections have, old and new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Trouble {
    /// Nothing: it passes everything on.
    None,
    /// Replies come 5 s late.
    Delay,
    /// Nothing passes, and nobody says so.
    HalfOpen,
    /// Connections are reset, at their next byte or when they are made.
    Reset,
    /// A reply ends in its middle, with its connection.
    Cut,
    /// Replies come at 1 byte a second.
    Trickle,
}

impl Trouble {
    /// All but `None`.
    pub const ALL: [Self; 5] = [Self::Delay, Self::HalfOpen, Self::Reset, Self::Cut, Self::Trickle];

    fn of(number: u8) -> Self {
        *Self::ALL.iter().find(|trouble| **trouble as u8 == number).unwrap_or(&Self::None)
    }
}

/// A proxy in front of one server.
pub struct Proxy {
    /// The port it listens on.
    pub port: u16,
    trouble: Arc<AtomicU8>,
}

impl Proxy {
    /// In front of the server at `to`, on the runtime of the caller.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let trouble = Arc::new(AtomicU8::new(Trouble::None as u8));
        let seen = Arc::clone(&trouble);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, to, Arc::clone(&seen)));
            }
        });
        Self { port, trouble }
    }

    /// Makes trouble from now on, or ends it.
    pub fn set(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Ordering::SeqCst);
    }
}

async fn serve(mut client: TcpStream, to: u16, trouble: Arc<AtomicU8>) {
    let now = || Trouble::of(trouble.load(Ordering::SeqCst));
    if now() == Trouble::Reset {
        _ = client.set_zero_linger();
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let (mut from_client, mut from_server) = ([0; 16_384], [0; 16_384]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(1..) if now() == Trouble::HalfOpen => {}
                Ok(count @ 1..) if server.write_all(&from_client[..count]).await.is_ok() => {}
                _ => return,
            },
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if pass_on(&mut client, &from_server[..count], now()).await.is_none() {
                    return;
                }
            }
        }
    }
}

/// `None`: and that was the end of the connection.
async fn pass_on(client: &mut TcpStream, reply: &[u8], trouble: Trouble) -> Option<()> {
    match trouble {
        Trouble::None => client.write_all(reply).await.ok(),
        Trouble::HalfOpen => Some(()),
        Trouble::Delay => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            client.write_all(reply).await.ok()
        }
        Trouble::Reset => {
            _ = client.set_zero_linger();
            None
        }
        Trouble::Cut => {
            _ = client.write_all(&reply[..reply.len() / 2]).await;
            None
        }
        Trouble::Trickle => {
            for byte in reply {
                client.write_all(&[*byte]).await.ok()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Some(())
        }
    }
}
