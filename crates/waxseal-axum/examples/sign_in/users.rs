//! Users and their passwords, in a table beside the sessions.

use std::path::Path;
use std::sync::{Arc, Mutex};

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use rusqlite::{Connection, OptionalExtension, ToSql};
use waxseal_axum::{Error, LoadUser, Result};

use super::Site;

pub(crate) struct Member {
    pub(crate) id: i64,
    pub(crate) name: String,
    password: String,
}

#[derive(Clone)]
pub(crate) struct Users(Arc<Mutex<Connection>>);

impl LoadUser for Member {
    type Source = Arc<Site>;
    type Error = Error;
    const SIGN_IN_PAGE: Option<&'static str> = Some("/login");

    async fn load(owner: &str, site: &Arc<Site>) -> Result<Option<Self>> {
        site.users.find("select * from users where id = ?", owner.to_owned()).await
    }
}

impl Users {
    /// Makes the table with its first user, ferris.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let users = Connection::open(file).map_err(Error::other)?;
        let hash =
            Argon2::default().hash_password(b"hunter42").map_err(|error| Error::other(error.to_string()))?;
        let table = "create table if not exists users \
            (id integer primary key, username text not null unique, password text not null)";
        users.execute(table, []).map_err(Error::other)?;
        let ferris = "insert or ignore into users (username, password) values ('ferris', ?)";
        users.execute(ferris, [hash.to_string()]).map_err(Error::other)?;
        Ok(Self(Arc::new(Mutex::new(users))))
    }

    pub(crate) async fn authenticate(&self, name: String, password: String) -> Result<Option<Member>> {
        let found = self.find("select * from users where username = ?", name).await?;
        // Argon2 keeps its thread for some 20 ms.
        blocking(move || {
            let is_right = |member: &Member| {
                Argon2::default().verify_password(password.as_bytes(), member.password.as_str()).is_ok()
            };
            Ok(found.filter(is_right))
        })
        .await
    }

    async fn find(
        &self,
        statement: &'static str,
        value: impl ToSql + Send + 'static,
    ) -> Result<Option<Member>> {
        let users = self.0.clone();
        blocking(move || {
            let users = users.lock().expect("no statement panics");
            users
                .query_row(statement, [value], |row| {
                    Ok(Member {
                        id: row.get("id")?,
                        name: row.get("username")?,
                        password: row.get("password")?,
                    })
                })
                .optional()
                .map_err(Error::other)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::other)?
}
