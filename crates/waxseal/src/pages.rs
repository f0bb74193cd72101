//! Pages rendered from the app's templates.

use minijinja::Value;
use waxseal_http::RequestSession;
use waxseal_templates::{Context, Templates};

use crate::error::Result;

pub(crate) struct Pages {
    templates: Templates,
}

impl Pages {
    pub(crate) fn new(templates: Templates) -> Self {
        Self { templates }
    }

    pub(crate) fn has(&self, template: &str) -> bool {
        self.templates.contains(template)
    }

    /// Renders a page. The session is loaded first if the template may read it. `names` gives the values of names that
    /// are not in `context`.
    pub(crate) async fn render<N>(
        &self,
        template: &str,
        context: Context,
        asked: &RequestSession,
        names: N,
    ) -> Result<String>
    where
        N: Fn(&str) -> Option<Value> + Clone + Send + Sync + 'static,
    {
        let render = |context, names| {
            let session = asked.clone();
            self.templates.render_with(template, context, move || session.ready(), names)
        };
        if !asked.may_wait() {
            return Ok(render(context, names)?);
        }
        // Loading the session may fail without failing the page, if the page does not read the session this time.
        let missed = if self.templates.reads_session(template) { asked.load().await.err() } else { None };
        match render(context.clone(), names.clone()) {
            Err(error) if error.wants_session() => {
                if let Some(error) = missed {
                    return Err(error.into());
                }
                // A function of the app has looked up `session`, which cannot be seen in the template.
                asked.load().await?;
                Ok(render(context, names)?)
            }
            rendered => Ok(rendered?),
        }
    }
}
