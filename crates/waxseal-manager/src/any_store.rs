//! One type for every store, so that [`SessionManager`](crate::SessionManager) has no type parameter.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use waxseal_store::{
    Answers, Creation, Cursor, Found, Listed, Page, Promise, PublicId, Record, RecordHead, RecordKey,
    Revision, SessionStore, Swap, Timestamp, Usage,
};

use crate::error::Error;
use crate::store_error::StoreError;
use crate::store_metrics::{self, CallMetrics};

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

macro_rules! any_store {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        /// [`SessionStore`] with boxed futures and one error.
        pub(crate) trait AnyStore: Send + Sync {
            fn makes(&self, promise: Promise) -> bool;

            fn answers(&self) -> Answers;

            $(fn $name<'a>(&'a self, $($argument: $type),*) -> Answer<'a, $answer>;)+
        }

        /// A store whose calls are counted.
        pub(crate) struct MeteredStore<S> {
            store: S,
            $($name: CallMetrics,)+
        }

        impl<S: SessionStore> MeteredStore<S> {
            pub(crate) fn new(store: S) -> Self {
                store_metrics::describe();
                Self { store, $($name: CallMetrics::new(stringify!($name)),)+ }
            }
        }

        impl<S: SessionStore> AnyStore for MeteredStore<S> {
            fn makes(&self, promise: Promise) -> bool {
                self.store.makes(promise)
            }

            fn answers(&self) -> Answers {
                self.store.answers()
            }

            $(fn $name<'a>(&'a self, $($argument: $type),*) -> Answer<'a, $answer> {
                // Called inside the box, so that the box holds the future only once.
                Box::pin(async move {
                    let call = self.$name.begin(self.store.answers());
                    let answer = self.store.$name($($argument),*).await;
                    call.answered(answer.as_ref().err().map(S::fault));
                    answer.map_err(|error| StoreError::new(S::fault(&error), error))
                })
            })+
        }
    };
}

any_store! {
    fn load(key: &'a RecordKey, now: Timestamp) -> Option<Found<Record>>;
    fn revalidate(key: &'a RecordKey, now: Timestamp) -> Option<Found<RecordHead>>;
    fn confirm(key: &'a RecordKey, now: Timestamp) -> ();
    fn create(key: &'a RecordKey, record: &'a Record, now: Timestamp) -> Creation;
    fn update(key: &'a RecordKey, expected: &'a Revision, record: &'a Record, now: Timestamp) -> Swap;
    fn touch(key: &'a RecordKey, idle_end: Timestamp, now: Timestamp) -> bool;
    fn renew(
        old: &'a RecordKey,
        expected: &'a Revision,
        new: &'a RecordKey,
        record: &'a Record,
        tombstone_expires: Timestamp,
        now: Timestamp
    ) -> Swap;
    fn delete(key: &'a RecordKey, now: Timestamp) -> bool;
    fn rewrap(key: &'a RecordKey, revision: &'a Revision, kid: [u8; 4], sealed: &'a [u8], now: Timestamp) -> bool;
    fn sealed_otherwise(kid: [u8; 4], after: Option<&'a Cursor>, limit: usize, now: Timestamp)
        -> Page<(RecordKey, Record)>;
    fn list(owner: &'a str, after: Option<&'a Cursor>, limit: usize, now: Timestamp) -> Page<Listed>;
    fn owned(owner: &'a str, public_id: PublicId, now: Timestamp) -> Option<(RecordKey, Record)>;
    fn end(owner: &'a str, public_id: PublicId, now: Timestamp) -> bool;
    fn end_all(owner: &'a str, keep: Option<&'a RecordKey>, now: Timestamp) -> ();
    fn purge(now: Timestamp, limit: usize) -> usize;
    fn ready() -> ();
    fn usage() -> Usage;
    fn clock() -> Option<Timestamp>;
}

impl dyn AnyStore + '_ {
    /// Returns an error if the store does not make the promise.
    pub(crate) fn expect(&self, promise: Promise) -> Result<(), Error> {
        if self.makes(promise) { Ok(()) } else { Err(Error::NotPromised(promise)) }
    }
}

/// The result of a future that is ready when it is first polled.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
