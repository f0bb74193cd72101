//! Pages rendered from the app's templates.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use minijinja::Value;
use waxseal_http::SessionHandle;
use waxseal_templates::{Context, Templates};

use crate::error::Result;

pub(crate) struct Pages {
    templates: Templates,
    /// Templates that once read a session for which the store had to be asked.
    readers: RwLock<HashSet<String>>,
}

impl Pages {
    pub(crate) fn new(templates: Templates) -> Self {
        Self { templates, readers: RwLock::default() }
    }

    pub(crate) fn has(&self, template: &str) -> bool {
        self.templates.contains(template)
    }

    /// Renders a page; `names` gives the values of names that are not in `context`.
    ///
    /// If the template turns out to read a session that has to be loaded from the store, it is loaded and the page
    /// rendered again. From then on the store is asked before this template is rendered.
    pub(crate) async fn render<N>(
        &self,
        template: &str,
        context: Context,
        handle: &SessionHandle,
        names: N,
    ) -> Result<String>
    where
        N: Fn(&str) -> Option<Value> + Clone + Send + Sync + 'static,
    {
        let render = |context| {
            let session = handle.clone();
            self.templates.render_with(template, context, move || session.ready(), names.clone())
        };
        // A page that does without the session this time does not fail with it.
        let missed = if self.reads_session(template) { handle.load().await.err() } else { None };
        match render(context.clone()) {
            Err(error) if error.wants_session() => {
                if let Some(error) = missed {
                    return Err(error.into());
                }
                self.readers.write().unwrap_or_else(PoisonError::into_inner).insert(template.to_owned());
                handle.load().await?;
                Ok(render(context)?)
            }
            rendered => Ok(rendered?),
        }
    }

    fn reads_session(&self, template: &str) -> bool {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).contains(template)
    }
}
