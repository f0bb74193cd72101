//! The body of a request: bytes, forms, JSON, uploads.

use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use waxseal_server::{Body, Limits, Multipart, UploadLimits, encoding, forms, json};

use super::sent_form::SentForm;
use super::{Received, Request};
use crate::error::{Error, Result};

impl Request {
    /// Reads the whole body, as it was sent, up to the app's limit: 2 MiB unless set otherwise.
    ///
    /// A body with `Content-Encoding: gzip` is not decompressed.
    ///
    /// # Errors
    ///
    /// 413 if the body is larger, 408 if it stops arriving, 500 if it was read before: a body can be read once.
    pub async fn body(&self) -> Result<Bytes> {
        self.collect(self.take_body()?).await
    }

    async fn collect(&self, body: Body) -> Result<Bytes> {
        let limits = self.limits();
        Ok(body.collect(limits.body, limits.body_idle).await?)
    }

    /// Reads the body as a form (`application/x-www-form-urlencoded`) and deserializes it into a `T`. It may be called
    /// again, and templates see the fields as `request.form`.
    ///
    /// A field that occurs more than once gives its first value, or all of them if the `T` has a list there.
    ///
    /// # Errors
    ///
    /// 400 if the form is malformed or not a `T`, 415 if the body has another type or is compressed, and those of
    /// [`body`](Self::body).
    pub async fn form<T: DeserializeOwned>(&self) -> Result<T> {
        encoding::check(self.headers())?;
        let read = {
            let mut received = self.received();
            match &received.form {
                Some(SentForm::Body(body)) => Ok(body.clone()),
                _ => Err(received.take_body()?),
            }
        };
        let body = match read {
            Ok(body) => body,
            Err(unread) => {
                let body = self.collect(unread).await?;
                self.keep_form(SentForm::Body(body.clone()));
                body
            }
        };
        Ok(forms::parse_within(self.0.parts.headers.get(CONTENT_TYPE), &body, self.limits().form_parts)?)
    }

    /// The fields of the form that the handler has read. Empty before it has read one.
    pub(crate) fn form_fields(&self) -> Vec<(String, String)> {
        let body = match &self.received().form {
            None => return Vec::new(),
            Some(SentForm::Fields(fields)) => return fields.clone(),
            Some(SentForm::Body(body)) => body.clone(),
        };
        let content_type = self.0.parts.headers.get(CONTENT_TYPE);
        forms::parse_within(content_type, &body, self.limits().form_parts).unwrap_or_default()
    }

    /// Reads the body as JSON and deserializes it into a `T`.
    ///
    /// # Errors
    ///
    /// 415 if the body is not sent as JSON or is compressed, 400 if it is malformed, 422 if it is not a `T`, and those
    /// of [`body`](Self::body).
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T> {
        encoding::check(self.headers())?;
        let body = self.body().await?;
        Ok(json::parse(self.0.parts.headers.get(CONTENT_TYPE), &body)?)
    }

    /// Reads the body as a form with files (`multipart/form-data`), within the app's limits.
    ///
    /// # Errors
    ///
    /// 415 if the body has another type or is compressed, 413 if it is too large, 400 if it is malformed, 408 if it
    /// stops arriving, 500 if it was read before.
    pub async fn multipart(&self) -> Result<Multipart> {
        let Limits { body, form_parts, form_memory, .. } = *self.limits();
        let total = u64::try_from(body).unwrap_or(u64::MAX);
        self.multipart_within(UploadLimits::default().total(total).parts(form_parts).field(form_memory)).await
    }

    /// Like [`multipart`](Self::multipart), with limits for this request. The whole body must still arrive within
    /// [`Limits::request_time`](crate::Limits).
    ///
    /// # Errors
    ///
    /// Those of [`multipart`](Self::multipart).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{Error, Request, Response, Result, UploadLimits, redirect};
    ///
    /// async fn upload(request: Request) -> Result<Response> {
    ///     let mut form = request.multipart_within(UploadLimits::default().total(20 << 20)).await?;
    ///     let mut picture = form.take_file("picture").ok_or(Error::status(422).message("choose a picture"))?;
    ///     let name = picture.safe_name().unwrap_or("picture".to_owned());
    ///     picture.save(std::env::temp_dir().join(name)).await?;
    ///     Ok(redirect("/"))
    /// }
    /// ```
    pub async fn multipart_within(&self, limits: UploadLimits) -> Result<Multipart> {
        encoding::check(self.headers())?;
        let body = self.take_body()?;
        let content_type = self.0.parts.headers.get(CONTENT_TYPE);
        let form = Multipart::read(content_type, body, limits, self.limits().body_idle).await?;
        self.keep_form(SentForm::Fields(form.fields().unwrap_or_default()));
        Ok(form)
    }

    pub(crate) fn take_body(&self) -> Result<Body> {
        self.received().take_body()
    }

    /// Whose fault it is that the time of this request is up: the client's, if most of it was waited for the body.
    pub(crate) fn whose_fault(&self, failure: waxseal_server::Error) -> waxseal_server::Error {
        match failure {
            waxseal_server::Error::TimedOut { limit }
                if self.received().waits.as_ref().is_some_and(|waits| waits.total() > limit / 2) =>
            {
                waxseal_server::Error::SlowBody { limit }
            }
            failure => failure,
        }
    }

    /// Puts back a body that was taken for a check.
    pub(crate) fn put_back(&self, body: Body) {
        self.received().body = Some(body);
    }

    /// Keeps a form for the page's template; the first one that was read.
    fn keep_form(&self, form: SentForm) {
        self.received().form.get_or_insert(form);
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        // No code of the app runs under the lock.
        self.0.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Received {
    fn take_body(&mut self) -> Result<Body> {
        let read_before = || Error::status(500).message("the body was read before; keep what it gave");
        let body = self.body.take().ok_or_else(read_before)?;
        // Nothing is waited for, or it was put back and has them already.
        if body.as_bytes().is_some() || self.waits.is_some() {
            return Ok(body);
        }
        let (body, waits) = body.with_waits();
        self.waits = Some(waits);
        Ok(body)
    }
}
