//! Pages, made from the app's templates.

use waxseal_templates::{Context, Templates};

use crate::template_setup::TemplateValues;
use crate::{Request, Result};

pub(crate) struct Pages {
    templates: Templates,
    pub(crate) values: TemplateValues,
}

impl Pages {
    pub(crate) fn new(templates: Templates, values: TemplateValues) -> Self {
        Self { templates, values }
    }

    pub(crate) fn has(&self, template: &str) -> bool {
        self.templates.contains(template)
    }

    /// Renders a page, with the session loaded first if its template may read it.
    pub(crate) async fn render(&self, template: &str, context: Context, request: &Request) -> Result<String> {
        let asked = request.request_session();
        let render = |context| {
            let (session, request) = (asked.clone(), request.clone());
            let names = move |name: &str| request.app().pages.values.look_up(name, &request);
            self.templates.render_with(template, context, move || session.ready(), names)
        };
        // A page that does without the session this time does not fail with it.
        let missed = if self.templates.reads_session(template) { asked.load().await.err() } else { None };
        match render(context.clone()) {
            Err(error) if error.wants_session() => {
                if let Some(error) = missed {
                    return Err(error.into());
                }
                // A function of the app looked `session` up, which the template does not tell.
                asked.load().await?;
                Ok(render(context)?)
            }
            rendered => Ok(rendered?),
        }
    }
}
