//! Pages, made from the app's templates.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use waxseal_templates::{Context, Templates};

use crate::template_setup::TemplateValues;
use crate::{Request, Result};

pub(crate) struct Pages {
    templates: Templates,
    pub(crate) values: TemplateValues,
    /// Templates that once were found to read a session that the store had to be asked for.
    readers: RwLock<HashSet<String>>,
}

impl Pages {
    pub(crate) fn new(templates: Templates, values: TemplateValues) -> Self {
        Self { templates, values, readers: RwLock::default() }
    }

    pub(crate) fn has(&self, template: &str) -> bool {
        self.templates.contains(template)
    }

    /// Renders a page. If it turns out that the store has to be asked for the session first, once more; and from then
    /// on the store is asked before this template begins.
    pub(crate) async fn render(&self, template: &str, context: Context, request: &Request) -> Result<String> {
        let asked = request.request_session();
        let render = |context| {
            let (session, request) = (asked.clone(), request.clone());
            let names = move |name: &str| request.app().pages.values.look_up(name, &request);
            self.templates.render_with(template, context, move || session.ready(), names)
        };
        // A page that does without the session this time does not fail with it.
        let missed = if self.reads_session(template) { asked.load().await.err() } else { None };
        match render(context.clone()) {
            Err(error) if error.wants_session() => {
                if let Some(error) = missed {
                    return Err(error.into());
                }
                self.readers.write().unwrap_or_else(PoisonError::into_inner).insert(template.to_owned());
                asked.load().await?;
                Ok(render(context)?)
            }
            rendered => Ok(rendered?),
        }
    }

    fn reads_session(&self, template: &str) -> bool {
        self.readers.read().unwrap_or_else(PoisonError::into_inner).contains(template)
    }
}
