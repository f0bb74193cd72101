//! The connection of one operation.

use deadpool_postgres::{ClientWrapper, Object};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::columns::{Parameter, column};
use crate::error::PostgresError;
use crate::statements::{Outcome, Statements};
use waxseal_store::Swap;

/// A connection from the pool.
///
/// It is returned when this is dropped, unless a statement is still running on it.
pub(crate) struct Connection<'a> {
    /// `Some` until the drop.
    object: Option<Object>,
    pub(crate) statements: &'a Statements,
    pub(crate) schema: &'a str,
    prepare: bool,
    busy: bool,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(object: Object, statements: &'a Statements, schema: &'a str, prepare: bool) -> Self {
        Self { object: Some(object), statements, schema, prepare, busy: false }
    }

    /// Runs a frequent statement and returns its first row.
    pub(crate) async fn row(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>, PostgresError> {
        if !self.prepare {
            return Ok(self.rows_once(sql, parameters).await?.pop());
        }
        self.busy = true;
        let client = self.client();
        let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
        let values: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
        let answer = async {
            let statement = client.prepare_typed_cached(sql, &types).await?;
            client.query_opt(&statement, &values).await
        };
        let answer = answer.await;
        self.answered(answer)
    }

    /// Runs a statement whose text is seldom the same, in one round trip, without preparing it.
    pub(crate) async fn rows_once(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, PostgresError> {
        self.busy = true;
        let answer = self.client().query_typed(sql, parameters).await;
        self.answered(answer)
    }

    /// Runs a statement without parameters and returns its only row.
    pub(crate) async fn row_once(&mut self, sql: &str) -> Result<Row, PostgresError> {
        self.rows_once(sql, &[]).await?.pop().ok_or_else(|| PostgresError::row(NoOutcome))
    }

    /// Runs a statement and returns the number of rows that it changed.
    pub(crate) async fn execute_once(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<usize, PostgresError> {
        self.busy = true;
        let parameters = parameters.iter().map(|(value, kind)| (*value, kind.clone()));
        let answer = self.client().execute_typed(sql, &parameters.collect::<Vec<_>>()).await;
        let changed = self.answered(answer)?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Runs several statements at once.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), PostgresError> {
        self.busy = true;
        let answer = self.client().batch_execute(sql).await;
        // A failed batch may have left a transaction open.
        answer.map(|()| self.busy = false).map_err(PostgresError::new)
    }

    /// Runs a compare-and-swap, and repeats it as long as it has lost a race.
    pub(crate) async fn swap(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Swap, PostgresError> {
        loop {
            let row = self.row(sql, parameters).await?;
            let number = row.map(|row| column(&row, 0)).transpose()?;
            match number.and_then(Outcome::read) {
                Some(Outcome::Raced) => {}
                Some(Outcome::Done) => return Ok(Swap::Done),
                Some(Outcome::Conflict) => return Ok(Swap::Conflict),
                Some(Outcome::Gone) => return Ok(Swap::Gone),
                None => return Err(PostgresError::row(NoOutcome)),
            }
        }
    }

    fn client(&self) -> &ClientWrapper {
        self.object.as_ref().expect("it is there up to the drop")
    }

    /// Records that an answer came. After any answer, even a refusal, the connection is ready for the next statement.
    fn answered<T>(&mut self, answer: Result<T, tokio_postgres::Error>) -> Result<T, PostgresError> {
        let answer = answer.map_err(PostgresError::new);
        self.busy = answer.as_ref().err().is_some_and(|error| !error.spares_the_connection());
        answer
    }
}

/// Closes a connection whose statement was cancelled by a timeout or because the caller no longer waits.
///
/// The statement may still be running, and the next operation would wait behind it.
impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && self.busy
        {
            drop(Object::take(object));
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a statement did not answer")]
struct NoOutcome;
